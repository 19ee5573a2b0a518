// A worker: one replaying process. It writes the recorded spans of its services through its own
// ring, waits until all can be queried, and stays alive until the parent lets it go.
//
// Runs in a freshly forked child, before any tracepoint; single-threaded.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "board.hpp"
#include "recording.hpp"

namespace spanring::tools::replay {

struct WorkerTask {
    std::vector<std::uint32_t> services;  ///< at least one
    std::string directory;                ///< of the rings
    double speed{0};                      ///< 1: as recorded; X: X times; 0: as fast as it goes
    std::int64_t started_ns{0};           ///< CLOCK_MONOTONIC, the same for all workers
};

/// Divides the services: `processes` 0: one worker per service, else that many workers (at most
/// one per service), each of about the same number of spans.
[[nodiscard]] std::vector<std::vector<std::uint32_t>> divide(const Recording& recording,
                                                             std::size_t processes);

/// Returns how long after the start of the replay a span is due, in nanoseconds.
[[nodiscard]] std::int64_t due_after_ns(const Row& row, std::int64_t first_start_ns,
                                        double speed) noexcept;

/// Returns the child's exit code; says everything else on the board.
int work(const Recording& recording, const WorkerTask& task, Board& board, std::size_t line);

}  // namespace spanring::tools::replay
