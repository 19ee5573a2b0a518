// Threads that do one thing at a time, each when it is told to: the interleaving is the caller's,
// and the same every time. Threads: one caller.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace spanring::test {

class Lockstep {
public:
    explicit Lockstep(unsigned threads);
    /// Ends the threads, one after the other.
    ~Lockstep();
    Lockstep(const Lockstep&) = delete;
    Lockstep& operator=(const Lockstep&) = delete;

    /// Runs `work` on thread `index` and returns when it is done.
    void run(unsigned index, std::function<void()> work);

private:
    void serve(unsigned index);

    std::mutex mutex_;
    std::condition_variable changed_;
    std::function<void()> work_;  ///< empty: done
    unsigned turn_{0};
    bool stop_{false};
    std::vector<std::thread> threads_;
};

}  // namespace spanring::test
