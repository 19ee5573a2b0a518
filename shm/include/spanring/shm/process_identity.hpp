// What makes a process the same process later: pid reuse does not fool the start time, a reboot not
// the boot id.
//
// Any thread; never allocates; reads /proc through the seam of base/os.hpp.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "spanring/base/ids.hpp"

namespace spanring::shm {

struct ProcessStat {
    std::uint64_t start_ticks{0};  ///< field 22 of /proc/PID/stat
    char state{'?'};               ///< field 3; 'Z' and 'X' are dead
};

/// Reads /proc/PID/stat (`pid` 0: our own). Returns false and errno if it cannot: ENOENT or ESRCH
/// if there is no such process for us to see.
bool read_process_stat(pid_t pid, ProcessStat* out) noexcept;
/// Reads the kernel's boot id. Returns false, and zeros, if it is not visible.
bool read_boot_id(Key128* out) noexcept;

/// A process that traces and cannot record has an empty mapping of this name and the reason behind
/// it, one line cut to what a name holds: "/memfd:spanring-reason: ... (deleted)" in
/// /proc/PID/maps.
inline constexpr char kReasonPrefix[] = "spanring-reason: ";

}  // namespace spanring::shm
