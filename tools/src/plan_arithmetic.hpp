// The two laws: R = G × D sizes the ring, S = G × C × T the disk. Pure; any thread.
#pragma once

#include <cstdint>

namespace spanring::tools {

struct PlanInput {
    double rate{0};               ///< G, tracepoints per second, of one process
    double delay_seconds{0};      ///< D, the worst that the ring must bridge
    double stored_bytes{0};       ///< C, bytes in the database per tracepoint
    double retention_seconds{0};  ///< T
    double record_bytes{0};       ///< bytes in the ring per tracepoint
    std::uint64_t threads{1};     ///< each holds one page
    std::uint64_t page_bytes{0};
    std::uint64_t processes{1};
};

struct Plan {
    double in_flight{0};               ///< R of one process, tracepoints
    std::uint64_t ring_bytes{0};       ///< of one process: R × record + a page per thread,
                                       ///< doubled, rounded up to a power of two, at least 1 MiB
    std::uint64_t directory_bytes{0};  ///< of all processes: the tmpfs
    double bridged_seconds{0};         ///< how long that ring holds without a drain
    double disk_bytes{0};              ///< S, all processes
    double disk_bytes_per_day{0};
};

/// Everything finite, whatever the input; a negative or not finite number counts as 0.
[[nodiscard]] Plan make_plan(const PlanInput& input) noexcept;

}  // namespace spanring::tools
