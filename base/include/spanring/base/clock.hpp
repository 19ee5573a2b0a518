// The time of consumer and store, and their sleeps: nothing there asks the system itself, so that a
// test can make time up (machine.hpp). Tracepoints do not come through here: they read the CPU's
// counter (shm/clock.hpp). Any thread; async-signal-safe.
#pragma once

#include <time.h>

#include <chrono>
#include <cstdint>

namespace spanring {

/// clock_gettime(2), in nanoseconds.
[[nodiscard]] std::int64_t clock_ns(clockid_t clock) noexcept;
[[nodiscard]] inline std::int64_t wall_clock_ns() noexcept {
    return clock_ns(CLOCK_REALTIME);
}
/// The processor time, user and system, of the calling thread. A system call: the vDSO has none.
[[nodiscard]] inline std::int64_t thread_cpu_ns() noexcept {
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}
/// The CPU's time stamp counter; CLOCK_MONOTONIC where there is none.
[[nodiscard]] std::uint64_t cpu_counter() noexcept;

/// Sleeps on CLOCK_MONOTONIC; a signal cuts it short.
void sleep_ns(std::int64_t ns) noexcept;
/// Sleeps while the word, in shared memory, is `expected`: a shared futex. Returns early for any
/// reason.
void wait_while(std::uint32_t& word, std::uint32_t expected, std::int64_t timeout_ns) noexcept;

/// std::chrono::steady_clock, by clock_ns.
struct SteadyClock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<SteadyClock>;
    static constexpr bool is_steady = true;
    [[nodiscard]] static time_point now() noexcept {
        return time_point(duration(clock_ns(CLOCK_MONOTONIC)));
    }
};

}  // namespace spanring
