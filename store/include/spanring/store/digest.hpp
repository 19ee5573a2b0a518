// What the catalogue knows of spans in sum: counts, errors and durations of each operation, calls
// between services, values of attributes, over time. Of windows that are compacted it stands in the
// catalogue; of the newest ones it is computed when somebody asks. Threads: plain objects.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "spanring/base/result.hpp"
#include "spanring/codec/span.hpp"

namespace spanring::store {

inline constexpr std::int64_t kDigestStepNs = 60'000'000'000;

/// How often durations were so long, in buckets of which eight are a power of two: a percentile is
/// at most 6 % off. Some 30 bytes in the catalogue. (query::DurationHistogram is exacter and takes
/// ten times as much.)
class DurationCounts {
public:
    void add(std::int64_t ns, std::uint64_t times = 1);
    void add(const DurationCounts& other);
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    /// Of all that were added; at most 2^64 - 1.
    [[nodiscard]] std::uint64_t sum_ns() const noexcept { return sum_ns_; }
    /// The smallest duration that at least `fraction` (0..1) of them do not exceed; 0: there are
    /// none.
    [[nodiscard]] std::int64_t percentile(double fraction) const noexcept;
    /// For each bucket that is not empty its upper end (included) and how many are in it;
    /// ascending.
    [[nodiscard]] std::vector<std::pair<std::int64_t, std::uint64_t>> buckets() const;

    [[nodiscard]] std::vector<std::byte> encode() const;
    /// Errors: kCorrupt.
    [[nodiscard]] static Result<DurationCounts> decode(std::span<const std::byte> bytes);
    bool operator==(const DurationCounts&) const = default;

private:
    void add_to_bin(std::uint16_t bin, std::uint64_t times);

    std::uint16_t first_{0};  ///< bin of the first count; the last one is not 0 either
    std::vector<std::uint64_t> bins_;
    std::uint64_t count_{0};
    std::uint64_t sum_ns_{0};
};

struct OperationMetric {
    std::string service;
    std::string operation;
    codec::SpanKind kind{codec::SpanKind::kUnset};
    std::int64_t start_ns{0};  ///< of the step: a multiple of kDigestStepNs
    std::uint64_t spans{0};    ///< that began in it
    std::uint64_t errors{0};
    DurationCounts durations;
};

/// Spans of one service whose parents are of another.
struct ServiceEdge {
    std::string caller;
    std::string callee;
    std::int64_t start_ns{0};  ///< of the step
    std::uint64_t calls{0};
    std::uint64_t errors{0};   ///< of the callee's spans
    DurationCounts durations;  ///< as above
};

/// How often a key was met, and its most frequent values: at most 20 of a window. What a window
/// first shows after 1,000 other values is not counted, and texts that are nearly all different are
/// not looked at.
struct AttributeSummary {
    std::string key;
    std::uint64_t spans{0};
    std::vector<std::pair<std::string, std::uint64_t>> values;  ///< the most frequent first
};

/// The way from the end of spans into the log, and what was lost, in one step of time.
struct DelayStep {
    std::int64_t start_ns{0};  ///< of the step, by the time of the commits
    std::uint64_t frames{0};
    std::uint64_t spans{0};         ///< finished ones
    std::uint64_t delay_count{0};   ///< of which the next two are; imported ones are not among them
    std::uint64_t delay_sum_ns{0};  ///< from a span's end to the commit of its frame
    std::uint64_t delay_max_ns{0};
    std::uint64_t lost_spans{0};
    std::uint64_t lost_ends{0};
    std::uint64_t lost_details{0};
};

struct Digest {
    std::vector<OperationMetric> operations;
    std::vector<ServiceEdge> edges;
    std::vector<AttributeSummary> attributes;
};

}  // namespace spanring::store
