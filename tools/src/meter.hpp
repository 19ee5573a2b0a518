// G, D and C of the last seconds, each measured on its own from committed frames.
//
//   G  tracepoints per second      D  commit time minus end of span      C  bytes per tracepoint
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "spanring/query/duration_histogram.hpp"
#include "spanring/store/database.hpp"

namespace spanring::tools {

struct Measurement {
    double seconds{0};  ///< of the window
    std::uint64_t frames{0};
    std::uint64_t spans{0};
    std::uint64_t tracepoints{0};
    std::uint64_t bytes{0};
    double tracepoints_per_second{0};  ///< G
    double spans_per_second{0};
    std::int64_t delay_ns_p50{0};  ///< D
    std::int64_t delay_ns_p99{0};
    double delay_ns_mean{0};
    double bytes_per_tracepoint{0};  ///< C
    double bytes_per_span{0};
    std::map<InstanceId, double> instance_rate;  ///< G of each process
};

class Meter {
public:
    explicit Meter(std::int64_t window_ns) : window_ns_(window_ns) {}

    /// Frames in the order of their commits. Spans older than the meter's window at their commit
    /// (imported ones carry times of their own) say nothing about D and are left out of it.
    void add(const store::CommittedFrame& frame);
    /// What the frames committed in (now - window, now] say.
    [[nodiscard]] Measurement measure(std::int64_t now_ns);
    /// Frames were skipped up to here: rates count only from `since_ns` on.
    void restart(std::int64_t since_ns);

private:
    struct Entry {
        std::int64_t committed_ns;
        std::uint64_t spans;
        std::uint64_t tracepoints;
        std::uint64_t bytes;
        std::vector<std::pair<InstanceId, std::uint64_t>> instances;
        std::vector<std::int64_t> delays_ns;  // at most kDelaysPerFrame, evenly drawn
    };

    std::int64_t window_ns_;
    std::int64_t since_ns_{0};
    std::deque<Entry> entries_;
};

/// Takes the frames after `position` into the meter and returns the new position. When more than
/// `frames_max` wait, the oldest are skipped: what is live matters.
[[nodiscard]] Result<std::uint64_t> feed(Meter& meter, store::Reader& reader,
                                         std::uint64_t position, std::uint64_t frames_max);

}  // namespace spanring::tools
