// Where a trace's time went: the spans that its root waited for, one after the other. What is not
// on the path could be quicker without the trace ending sooner.
//
// The algorithm is that of CRISP (Zhang et al., "CRISP: Critical Path Analysis of Large-Scale
// Microservice Architectures", USENIX ATC 2022), as Jaeger uses it: from the end of a span
// backwards, the child that finished last before it; the time until then is the span's own.
// Threads: pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "spanring/analysis/span_tree.hpp"
#include "spanring/codec/span.hpp"

namespace spanring::analysis {

/// A part of the root's time, and the span that it was spent in itself.
struct PathSegment {
    std::size_t span{0};  ///< its place in the trace
    Interval time;
    bool operator==(const PathSegment&) const = default;
};

/// Returns the segments, the first in time first: each begins where the one before ends, and all of
/// them are the root's time, no more and no less. The root is the first of the tree's. `spans`: a
/// trace, not empty.
[[nodiscard]] std::vector<PathSegment> critical_path(const std::vector<codec::Span>& spans);

/// What the path spent in the spans of one operation.
struct PathShare {
    std::string service;
    std::string operation;
    std::int64_t time_ns{0};
    std::size_t spans{0};  ///< on the path
};
/// The largest first.
[[nodiscard]] std::vector<PathShare> shares_of(const std::vector<codec::Span>& spans,
                                               const std::vector<PathSegment>& path);

}  // namespace spanring::analysis
