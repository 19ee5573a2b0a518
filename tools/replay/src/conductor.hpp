// The conductor: forks the workers of a replay, watches the board, and lets them go.
//
// The calling process must not have written a tracepoint yet and should have no other threads.
// Threads: the main thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "board.hpp"
#include "recording.hpp"
#include "spanring/base/result.hpp"

namespace spanring::tools::replay {

struct ReplayOptions {
    std::size_t processes{0};  ///< 0: one per service
    double speed{1};           ///< 0: as fast as it goes
    double hold_s{0};          ///< the workers live so long after everything can be queried
    std::string directory;
};

struct WorkerReport {
    pid_t pid{0};
    std::vector<std::string> services;
    std::uint64_t spans{0};
    std::uint64_t lost{0};
    bool queryable{false};
    std::string failure;  ///< empty: none
};

struct ReplayReport {
    std::vector<WorkerReport> workers;
    std::uint64_t spans{0};
    std::uint64_t lost{0};
    double write_s{0};      ///< until the last span was in its ring
    double queryable_s{0};  ///< until the last span could be queried
    bool stopped{false};    ///< by the user
    [[nodiscard]] bool complete() const noexcept;
};

/// Called about ten times a second with the spans written so far.
using Watch = std::function<void(std::uint64_t written)>;
/// True: the user wants to stop.
using Stop = std::function<bool()>;

/// Largest number of workers: each is a process with a segment of up to 16 MiB.
inline constexpr std::size_t kWorkersMax = 256;

/// Errors: kInvalidArgument: more than kWorkersMax processes; kNoSpace, kIo: no process or memory.
[[nodiscard]] Result<ReplayReport> replay(const Recording& recording, const ReplayOptions& options,
                                          const Watch& watch, const Stop& stop);

}  // namespace spanring::tools::replay
