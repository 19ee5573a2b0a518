// A trace as a tree: who called whom, in the order of the starts. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "spanring/codec/span.hpp"

namespace spanring::tools {

struct TreeRow {
    const codec::Span* span{nullptr};
    std::size_t depth{0};
    std::string guides;  ///< "│  ├─ ": one 3-column step per level below the first
    bool orphan{false};  ///< its parent is not in the trace
    bool has_children{false};
};

/// Lays `spans` out, every one exactly once, whatever their parent ids say (missing, repeated,
/// circular). Of spans that share an id (Zipkin's client and server halves), the first is the
/// parent of the others, and children go to the one of their own service. Deeper than
/// `depth_max`, guides stop growing and the depth stands in front.
[[nodiscard]] std::vector<TreeRow> lay_out_tree(const std::vector<codec::Span>& spans,
                                                std::size_t depth_max = 24);

/// First start and last end over all spans that have them; both 0 if none has a start.
struct Extent {
    std::int64_t start_ns{0};
    std::int64_t end_ns{0};
    [[nodiscard]] std::int64_t duration_ns() const noexcept { return end_ns - start_ns; }
};
[[nodiscard]] Extent extent_of(const std::vector<codec::Span>& spans) noexcept;

/// The span's place in `extent` as `columns` cells; open at the right if it has no end.
[[nodiscard]] std::string time_bar(const codec::Span& span, const Extent& extent,
                                   std::size_t columns);

}  // namespace spanring::tools
