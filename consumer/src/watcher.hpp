// Watcher: a thread that sleeps on everything that is not a tracepoint (new segments, dying
// producers, signals) and rings the consumer's own doorbell, so that the drain thread has one thing
// to sleep on. The flags are the drain thread's to take.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "spanring/base/background.hpp"
#include "spanring/base/result.hpp"
#include "spanring/base/unique_fd.hpp"

namespace spanring::consumer {

class Watcher {
public:
    /// Watches the directory at `path`; `doorbell` is the mapped word. SIGTERM and SIGINT must be
    /// blocked in every thread (`watch_signals`: and are taken here).
    [[nodiscard]] static Result<std::unique_ptr<Watcher>> start(const std::string& path,
                                                                std::uint32_t* doorbell,
                                                                bool watch_signals,
                                                                Background background);
    ~Watcher();
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    /// With Background::kCaller: looks at what has happened so far.
    void look();
    /// Tells when this process dies. `start_ticks`: as /proc/PID/stat says, so that no other
    /// process of that number is watched. Does nothing if it cannot be seen from here.
    void watch_process(std::uint32_t pid, std::uint64_t start_ticks);

    [[nodiscard]] bool take_directory_changed() noexcept { return take(directory_changed_); }
    [[nodiscard]] bool take_process_died() noexcept { return take(process_died_); }
    [[nodiscard]] bool stop_requested() const noexcept {
        // acquire: pairs with the release in request_stop.
        return stop_.load(std::memory_order_acquire);
    }
    /// Returns whether something is there to be taken.
    [[nodiscard]] bool has_news() const noexcept;
    /// As a signal would. Any thread.
    void request_stop() noexcept;

private:
    explicit Watcher(std::uint32_t* doorbell) noexcept : doorbell_(doorbell) {}
    void run();
    /// Handles what has happened; returns false at the end. `timeout_ms`: as epoll_wait's.
    bool handle_events(int timeout_ms);
    void handle(int fd);
    void drain_inotify();
    void set(std::atomic<bool>& flag) noexcept;
    static bool take(std::atomic<bool>& flag) noexcept {
        // acquire: pairs with the release in set.
        return flag.exchange(false, std::memory_order_acquire);
    }

    std::uint32_t* doorbell_;
    UniqueFd epoll_;
    UniqueFd inotify_;
    UniqueFd signals_;
    UniqueFd quit_;
    std::atomic<bool> directory_changed_{true};
    std::atomic<bool> process_died_{false};
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

}  // namespace spanring::consumer
