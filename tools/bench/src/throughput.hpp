// The highest rate at which nothing is lost on the way into the database.
//
// It is searched for with short runs, each with a consumer, rings and a database of its own, and
// held by a long one, whose spans are counted twice: by the producers, and in the database.
// Threads: the main thread only.
#pragma once

#include <cstdint>
#include <string>

#include "options.hpp"
#include "spanring/base/result.hpp"

namespace spanring::tools::bench {

struct ThroughputOptions {
    Load load;
    unsigned producers{1};
    double seconds{60};
    double search_seconds{3};
    double spans_per_s{0};            ///< 0: search for it
    std::uint64_t burst_ns{100'000};  ///< from one burst of a producer to its next
    bool pin{true};
    bool quick{false};         ///< a search in coarse steps, each rate tried once
    bool despite_load{false};  ///< a lower bound is wanted, whatever else runs
    bool quiet{false};
    std::string database_parent;
};

struct ThroughputReport {
    double spans_per_s{0};
    double seconds{0};
    std::uint64_t emitted{0};
    std::uint64_t stored{0};
    std::uint64_t lost{0};
    double consumer_cpu_ns{0};  ///< per span
    std::uint64_t consumer_rss_bytes{0};
    std::uint64_t database_bytes{0};
    double producer_ns{0};   ///< per span
    double generator_ns{0};  ///< of that without tracing, per span
    double others{0};        ///< share of a core that others had
    unsigned runs{0};
    /// Share of a core.
    [[nodiscard]] double consumer_cpu() const noexcept {
        return consumer_cpu_ns * spans_per_s / 1e9;
    }
};

/// Errors: kBusy: this machine cannot give the number now, and why; kUnavailable: Ctrl-C, or a
/// process that died; those of start-up.
[[nodiscard]] Result<ThroughputReport> measure_throughput(const ThroughputOptions& options);

}  // namespace spanring::tools::bench
