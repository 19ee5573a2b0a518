// The clock of tracepoints: the CPU's time stamp counter where the kernel trusts it, else
// CLOCK_MONOTONIC. One kind per segment; the consumer converts to realtime.
//
// Any thread; async-signal-safe; never blocks. `clock_kind` reads a file of /sys, so call it once.
#pragma once

#include <time.h>

#include <cstdint>

#include "spanring/abi/segment_layout.h"

namespace spanring::shm {

/// CLOCK_MONOTONIC in nanoseconds.
inline std::uint64_t monotonic_ns() noexcept {
    timespec now;
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec);
}

/// Returns the time in ticks of `kind`, which must be what clock_kind() said on this machine. Not
/// ordered with the instructions around it: a tracepoint's time may be off by the few ns that
/// ordering would cost.
inline std::uint64_t ticks(std::uint32_t kind) noexcept {
#if defined(__x86_64__)
    if (kind == SPANRING_CLOCK_TSC) [[likely]] {
        return __builtin_ia32_rdtsc();
    }
#else
    (void)kind;
#endif
    return monotonic_ns();
}

/// As ticks(), but read after everything that happened before, also on other threads: what is done
/// after a hand-over has a later time than what was done before it.
inline std::uint64_t ticks_ordered(std::uint32_t kind) noexcept {
#if defined(__x86_64__)
    // RDTSC may run ahead of the load that saw the hand-over; LFENCE holds it back.
    __builtin_ia32_lfence();
#endif
    return ticks(kind);
}

/// Returns SPANRING_CLOCK_TSC if the CPU says that its counter is invariant *and* the kernel keeps
/// time by it (so it has found it stable and equal on all cores), else SPANRING_CLOCK_MONOTONIC.
[[nodiscard]] std::uint32_t clock_kind() noexcept;

/// The same for a given clock source line of the kernel and a given CPUID answer.
[[nodiscard]] std::uint32_t clock_kind_for(const char* clocksource, bool invariant) noexcept;

}  // namespace spanring::shm
