// The delay from a span's end to its being visible to a query in another process.
//
// One producer at a steady rate; this process follows the database with a reader of its own, as any
// user of it would, and notes when it has each span decoded. Threads: the main thread only.
#pragma once

#include <cstdint>
#include <string>

#include "spanring/base/result.hpp"

namespace spanring::tools::bench {

struct DelayOptions {
    double seconds{10};
    bool quiet{false};
    std::string database_parent;
};

/// At one rate.
struct DelayReport {
    double asked_per_s{0};
    double spans_per_s{0};
    std::uint64_t emitted{0};
    std::uint64_t seen{0};
    std::uint64_t lost{0};
    std::int64_t p50_ns{0};
    std::int64_t p99_ns{0};
    std::int64_t max_ns{0};
    double consumer_cpu{0};  ///< share of a core
    double disk_bytes_per_s{0};
    [[nodiscard]] bool complete() const noexcept { return lost == 0 && seen == emitted; }
};

/// Errors: Ctrl-C, a process that died, those of start-up and of the reader.
[[nodiscard]] Result<DelayReport> measure_delay(double spans_per_s, const DelayOptions& options);

}  // namespace spanring::tools::bench
