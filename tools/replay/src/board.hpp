// How far the replaying children are, for the parent to read. Threads and processes: see
// shared_board.hpp.
#pragma once

#include <atomic>
#include <cstdint>

#include "shared_board.hpp"

namespace spanring::tools::replay {

enum class Stage : std::uint32_t { kWriting = 0, kFlushing, kQueryable, kFailed };

/// One child's line.
struct alignas(128) BoardLine {
    std::atomic<std::uint64_t> written;
    std::atomic<std::uint64_t> lost;
    std::atomic<std::uint32_t> stage;
    char why[100];  ///< of kFailed; written before the stage
};

using Board = SharedBoard<BoardLine>;

}  // namespace spanring::tools::replay
