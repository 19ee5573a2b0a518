// What the soak's programs note of their own spans, in a file that outlives them: how far each
// thread of each life of each process has come. Lives are numbered; a fork and an exec begin one.
// Threads: each ThreadLedger is written by one thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "spanring/base/ids.hpp"

namespace spanring::soak {

inline constexpr unsigned kThreads = 8;
inline constexpr unsigned kProcesses = 8;
inline constexpr std::uint64_t kLivesMax = 100'000;

/// Spans of one thread. They are numbered from 0; each odd one lies inside the even one before it.
struct ThreadLedger {
    std::atomic<std::uint64_t> starting;  ///< its constructor was called
    std::atomic<std::uint64_t> started;   ///< and has returned
    std::atomic<std::uint64_t> ended;     ///< of how many the end has returned, in order of ends
};

struct Life {
    std::atomic<std::uint32_t> pid;
    ThreadLedger threads[kThreads];
};

struct Ledger {
    std::atomic<std::uint64_t> lives;
    /// Rounds end with a pause: processes finish what they do, flush, and say that they did.
    std::atomic<std::uint32_t> pause;  ///< number of the pause that is asked for; 0: go on
    std::atomic<std::uint32_t> paused[kProcesses];
    std::atomic<std::uint64_t> forks, execs, loads, failures;
    Life life[kLivesMax];
};

/// The trace of what one thread of one life does.
inline TraceId trace_of(std::uint64_t life, unsigned thread) noexcept {
    TraceId id;
    for (unsigned i = 0; i < 8; ++i) id.bytes[i] = static_cast<std::uint8_t>((life + 1) >> 8 * i);
    id.bytes[8] = static_cast<std::uint8_t>(thread + 1);
    return id;
}

/// The remote parent by which a span says its number.
inline SpanId parent_of(std::uint64_t number) noexcept {
    SpanId id;
    for (unsigned i = 0; i < 8; ++i) id.bytes[i] = static_cast<std::uint8_t>((number + 1) >> 8 * i);
    return id;
}

inline std::uint64_t number_in(const std::uint8_t* bytes) noexcept {
    std::uint64_t number = 0;
    for (unsigned i = 0; i < 8; ++i) number |= std::uint64_t{bytes[i]} << 8 * i;
    return number - 1;
}

}  // namespace spanring::soak
