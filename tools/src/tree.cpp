#include "tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace spanring::tools {
namespace {

using codec::Span;
constexpr std::size_t kNone = static_cast<std::size_t>(-1);

class Layout {
public:
    Layout(const std::vector<Span>& spans, std::size_t depth_max)
        : spans_(spans), depth_max_(depth_max), children_(spans.size()), placed_(spans.size()) {}

    std::vector<TreeRow> run() {
        std::vector<std::size_t> order(spans_.size());
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
        // Parents before children that start in the same nanosecond: the input's order decides.
        std::stable_sort(order.begin(), order.end(),
                         [this](std::size_t a, std::size_t b) { return start(a) < start(b); });
        for (const std::size_t i : order) by_id_[spans_[i].span_id].push_back(i);
        std::vector<std::size_t> roots;
        for (const std::size_t i : order) {
            const std::size_t parent = parent_of(i);
            (parent == kNone ? roots : children_[parent]).push_back(i);
        }
        // A trace's true roots first, then what hangs in the air.
        std::stable_partition(roots.begin(), roots.end(),
                              [this](std::size_t i) { return !spans_[i].parent_id.valid(); });
        for (const std::size_t i : roots) place(i, spans_[i].parent_id.valid());
        // What is left stands in a circle of parents: cut it at its earliest span.
        for (const std::size_t i : order) {
            if (!placed_[i]) place(i, true);
        }
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

    std::int64_t start(std::size_t i) const { return spans_[i].start_ns.value_or(INT64_MAX); }

    std::size_t parent_of(std::size_t i) const {
        const auto& same = by_id_.at(spans_[i].span_id);
        if (same.front() != i) return same.front();  // the other half of a shared span
        const auto found = by_id_.find(spans_[i].parent_id);
        if (!spans_[i].parent_id.valid() || found == by_id_.end()) return kNone;
        const auto& halves = found->second;
        if (halves.size() > 1 && spans_[i].resource != nullptr) {
            const std::string service = service_of(*spans_[i].resource);
            for (const std::size_t half : halves) {
                const auto& resource = spans_[half].resource;
                if (half != i && resource != nullptr && service_of(*resource) == service) {
                    return half;
                }
            }
        }
        return halves.back() == i ? kNone : halves.back();
    }

    // Depth-first with a stack of its own: a trace may be as deep as it has spans.
    void place(std::size_t root, bool orphan) {
        std::vector<Pending> stack{{root, 0, "", true, orphan}};
        while (!stack.empty()) {
            const Pending next = std::move(stack.back());
            stack.pop_back();
            if (placed_[next.span]) continue;
            placed_[next.span] = true;
            emit(next);
            std::string rails = next.rails;
            if (next.depth > 0 && next.depth < depth_max_) rails += next.last ? "   " : "│  ";
            const auto& children = children_[next.span];
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
        row.has_children = !children_[next.span].empty();
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
    std::map<SpanId, std::vector<std::size_t>> by_id_;
    std::vector<std::vector<std::size_t>> children_;
    std::vector<bool> placed_;
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
