// How long a thread has been at work. Any thread; a system call, which the vDSO does not spare.
#pragma once

#include <time.h>

#include <cstdint>

namespace spanring {

/// Returns the processor time, user and system, of the calling thread, in nanoseconds.
inline std::int64_t thread_cpu_ns() noexcept {
    timespec used{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return std::int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
}

}  // namespace spanring
