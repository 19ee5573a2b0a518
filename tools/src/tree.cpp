#include "tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spanring/analysis/span_tree.hpp"

namespace spanring::tools {
namespace {

using codec::Span;

class Layout {
public:
    Layout(const std::vector<Span>& spans, std::size_t depth_max)
        : spans_(spans), depth_max_(depth_max), tree_(analysis::tree_of(spans)) {}

    std::vector<TreeRow> run() {
        for (const std::size_t i : tree_.roots) place(i, spans_[i].parent_id.valid());
        return std::move(rows_);
    }

private:
    struct Pending {
        std::size_t span;
        std::size_t depth;
        std::string rails;  // guides of the levels above
        bool last;
        bool orphan;
    };

    // Depth-first with a stack of its own: a trace may be as deep as it has spans.
    void place(std::size_t root, bool orphan) {
        std::vector<Pending> stack{{root, 0, "", true, orphan}};
        while (!stack.empty()) {
            const Pending next = std::move(stack.back());
            stack.pop_back();
            emit(next);
            std::string rails = next.rails;
            if (next.depth > 0 && next.depth < depth_max_) rails += next.last ? "   " : "│  ";
            const auto& children = tree_.children[next.span];
            for (std::size_t c = children.size(); c-- > 0;) {
                const bool last = c + 1 == children.size();
                stack.push_back({children[c], next.depth + 1, rails, last, false});
            }
        }
    }

    void emit(const Pending& next) {
        TreeRow row;
        row.span = &spans_[next.span];
        row.depth = next.depth;
        row.orphan = next.orphan;
        row.has_children = !tree_.children[next.span].empty();
        row.guides = next.rails;
        if (next.depth > depth_max_) {
            row.guides += fmt::format("… {} ", next.depth);
        } else if (next.depth > 0) {
            row.guides += next.last ? "└─ " : "├─ ";
        }
        rows_.push_back(std::move(row));
    }

    const std::vector<Span>& spans_;
    std::size_t depth_max_;
    analysis::SpanTree tree_;
    std::vector<TreeRow> rows_;
};

std::string repeated(std::string_view cell, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += cell;
    return out;
}

}  // namespace

std::vector<TreeRow> lay_out_tree(const std::vector<Span>& spans, std::size_t depth_max) {
    return Layout(spans, depth_max).run();
}

Extent extent_of(const std::vector<Span>& spans) noexcept {
    Extent extent;
    bool any = false;
    for (const Span& span : spans) {
        if (!span.start_ns) continue;
        const std::int64_t end_ns = *span.start_ns + span.duration_ns.value_or(0);
        extent.start_ns = any ? std::min(extent.start_ns, *span.start_ns) : *span.start_ns;
        extent.end_ns = any ? std::max(extent.end_ns, end_ns) : end_ns;
        any = true;
    }
    return extent;
}

std::string time_bar(const Span& span, const Extent& extent, std::size_t columns) {
    if (!span.start_ns || columns == 0) return std::string(columns, ' ');
    const double whole = static_cast<double>(std::max<std::int64_t>(extent.duration_ns(), 1));
    const auto cells = static_cast<double>(columns);
    const double from = static_cast<double>(*span.start_ns - extent.start_ns) / whole * cells;
    auto first = static_cast<std::size_t>(std::clamp(std::floor(from), 0.0, cells - 1));
    if (!span.duration_ns) {
        // Open: it began here, and nobody knows when it ended.
        return std::string(first, ' ') + "▐" + repeated("┄", columns - first - 1);
    }
    const double to = from + static_cast<double>(*span.duration_ns) / whole * cells;
    // To half a cell: "▐█▌". A span too short for its cell is one thin stroke.
    const auto half_first =
        static_cast<std::size_t>(std::clamp(std::round(from * 2), 0.0, cells * 2 - 1));
    const auto half_end = static_cast<std::size_t>(
        std::clamp(std::round(to * 2), static_cast<double>(half_first), cells * 2));
    if (half_end - half_first < 1)
        return std::string(first, ' ') + "▏" + std::string(columns - first - 1, ' ');
    first = half_first / 2;
    std::string out(first, ' ');
    std::size_t used = first;
    std::size_t half = half_first;
    if (half % 2 == 1) {
        out += "▐";
        ++used;
        ++half;
    }
    while (half + 2 <= half_end) {
        out += "█";
        ++used;
        half += 2;
    }
    if (half < half_end) {
        out += "▌";
        ++used;
    }
    return out + std::string(columns - used, ' ');
}

}  // namespace spanring::tools
