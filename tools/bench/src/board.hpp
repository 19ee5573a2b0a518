// What the producers did, counted by themselves, not by the library. Threads and processes: see
// shared_board.hpp.
#pragma once

#include <atomic>
#include <cstdint>

#include "shared_board.hpp"

namespace spanring::tools::bench {

enum class Stage : std::uint32_t { kStarting = 0, kReady, kDone, kFailed };

/// One producer's lane. What is not atomic is written before `stage` says kDone or kFailed.
struct alignas(128) Lane {
    std::atomic<std::uint64_t> emitted;  ///< spans begun and ended, warm-up included
    std::atomic<std::uint32_t> stage;
    std::uint32_t all_stored;   ///< 1: the consumer has said so of everything
    std::uint64_t paced_spans;  ///< of `emitted`, those behind `go`
    std::uint64_t paced_ns;     ///< from `go` to the last span
    std::uint64_t busy_ns;      ///< of that, inside bursts
    std::uint64_t cpu_ns;       ///< of that, on a processor
    std::uint64_t lost;         ///< as the library counts: spans, ends and details
    char why[64];               ///< of kFailed
};

using Board = SharedBoard<Lane>;

}  // namespace spanring::tools::bench
