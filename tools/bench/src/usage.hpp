// What a process, or a core, has used, as the kernel counts it. Threads: pure functions of /proc.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "spanring/base/result.hpp"

namespace spanring::tools::bench {

struct Usage {
    std::uint64_t cpu_ns{0};  ///< user + system of all its threads, those that ended too
    std::uint64_t rss_peak_bytes{0};
    std::uint64_t disk_bytes{0};  ///< written to a disk; a tmpfs is none
};

/// Errors: kNotFound: no such process.
[[nodiscard]] Result<Usage> usage_of(pid_t pid);

/// Returns for how long the core has not been idle since the machine's start, whoever used it, a
/// hypervisor included; in steps of 10 ms. 0 if the kernel does not tell.
[[nodiscard]] std::uint64_t busy_ns_of(int core);

}  // namespace spanring::tools::bench
