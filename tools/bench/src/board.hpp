// The board: where producers write what they did, counted by themselves, not by the library.
//
// Anonymous shared memory, made before the fork. Threads and processes: each producer writes its
// own lane, the parent reads all; the parent alone writes `go` and `leave`.
#pragma once

#include <atomic>
#include <cstdint>

#include "spanring/base/mapping.hpp"
#include "spanring/base/result.hpp"

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

class Board {
public:
    /// Errors: of the mapping.
    [[nodiscard]] static Result<Board> make(std::size_t lanes);

    [[nodiscard]] Lane& lane(std::size_t index) noexcept;
    [[nodiscard]] std::size_t lanes() const noexcept { return lanes_; }
    /// Everybody is warm: run.
    [[nodiscard]] std::atomic<std::uint32_t>& go() noexcept;
    /// Everything is read: end.
    [[nodiscard]] std::atomic<std::uint32_t>& leave() noexcept;

private:
    struct Head;
    Board(Mapping mapping, std::size_t lanes) : mapping_(std::move(mapping)), lanes_(lanes) {}
    [[nodiscard]] Head& head() noexcept;

    Mapping mapping_;
    std::size_t lanes_;
};

}  // namespace spanring::tools::bench
