// Runs independent cases in several processes at once: a case waits most of its time for others.
// Threads: the test's, which has no other yet.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace spanring::kill {

/// Zeroed counters that forked processes share.
class SharedCounters {
public:
    explicit SharedCounters(std::size_t count);
    ~SharedCounters();
    SharedCounters(const SharedCounters&) = delete;
    SharedCounters& operator=(const SharedCounters&) = delete;

    std::atomic<std::uint64_t>& operator[](std::size_t index) const { return counters_[index]; }

private:
    std::atomic<std::uint64_t>* counters_;
    std::size_t count_;
};

/// Calls run(index) once for each index below `count`, in one of `shards` forked processes, each of
/// which takes the next index when it is done with one. What fails there fails the caller's test.
/// Says how far it is after each `progress_every` cases.
void run_sharded(std::size_t count, int shards, std::size_t progress_every,
                 const std::function<void(std::size_t)>& run);

}  // namespace spanring::kill
