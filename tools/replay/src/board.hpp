// The board: where the replaying children write how far they are, for the parent to read.
//
// Anonymous shared memory, made before the fork. Threads and processes: each child writes its own
// slot, the parent reads all; the parent alone writes `stop` and `leave`.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>

#include "spanring/base/mapping.hpp"
#include "spanring/base/result.hpp"

namespace spanring::tools::replay {

enum class Stage : std::uint32_t { kWriting = 0, kFlushing, kQueryable, kFailed };

/// One child's line. A cache line has one writer.
struct alignas(128) BoardSlot {
    std::atomic<std::uint64_t> written;
    std::atomic<std::uint64_t> lost;
    std::atomic<std::uint32_t> stage;
    char why[100];  ///< of kFailed; written before the stage
};

class Board {
public:
    /// Errors: kNoSpace.
    [[nodiscard]] static Result<Board> make(std::size_t slots);

    [[nodiscard]] BoardSlot& slot(std::size_t index) noexcept;
    [[nodiscard]] std::size_t slots() const noexcept { return slots_; }
    /// The user has enough: write no more.
    [[nodiscard]] std::atomic<std::uint32_t>& stop() noexcept;
    /// Everybody is done: the children may end.
    [[nodiscard]] std::atomic<std::uint32_t>& leave() noexcept;

private:
    struct Head;
    Board(Mapping mapping, std::size_t slots) : mapping_(std::move(mapping)), slots_(slots) {}
    [[nodiscard]] Head& head() noexcept;

    Mapping mapping_;
    std::size_t slots_;
};

}  // namespace spanring::tools::replay
