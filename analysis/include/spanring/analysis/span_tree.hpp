// Who called whom in a trace, whatever the parent ids say: missing, repeated, in a circle. Every
// span stands in the tree once. Threads: pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "spanring/codec/span.hpp"

namespace spanring::analysis {

inline constexpr std::size_t kNoSpan = static_cast<std::size_t>(-1);

/// Spans by their places in the vector that the tree was made of.
struct SpanTree {
    std::vector<std::size_t> parents;                ///< kNoSpan: a root
    std::vector<std::vector<std::size_t>> children;  ///< by start
    /// Those without a parent first, by start; then those whose parent is not in the trace, or that
    /// stand in a circle, which is cut at its earliest span.
    std::vector<std::size_t> roots;
};

/// Of spans that share an id (Zipkin's client and server halves), the first is the parent of the
/// others, and children go to the one of their own service.
[[nodiscard]] SpanTree tree_of(const std::vector<codec::Span>& spans);

/// When a span began and ended: one that has no end ends with its last descendant.
struct Interval {
    std::int64_t start_ns{0};
    std::int64_t end_ns{0};
    /// At most INT64_MAX: imported times may be anything.
    [[nodiscard]] std::int64_t length_ns() const noexcept {
        std::int64_t length = 0;
        return __builtin_sub_overflow(end_ns, start_ns, &length)
                   ? std::numeric_limits<std::int64_t>::max()
                   : length;
    }
    bool operator==(const Interval&) const = default;
};
/// One for each span; of one without a start, an empty one at its parent's start.
[[nodiscard]] std::vector<Interval> intervals_of(const std::vector<codec::Span>& spans,
                                                 const SpanTree& tree);

/// What each span took itself, ns: its interval without those of its children.
[[nodiscard]] std::vector<std::int64_t> self_times(const SpanTree& tree,
                                                   const std::vector<Interval>& intervals);

}  // namespace spanring::analysis
