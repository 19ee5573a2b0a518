#include "spanring/analysis/span_tree.hpp"

#include <algorithm>
#include <limits>
#include <map>

namespace spanring::analysis {
namespace {

using codec::Span;

class Builder {
public:
    explicit Builder(const std::vector<Span>& spans) : spans_(spans) {
        tree_.parents.assign(spans.size(), kNoSpan);
        tree_.children.resize(spans.size());
    }

    SpanTree run() {
        order_.resize(spans_.size());
        for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = i;
        // Parents before children that start in the same nanosecond: the input's order decides.
        std::ranges::stable_sort(order_, {}, [this](std::size_t i) {
            return spans_[i].start_ns.value_or(std::numeric_limits<std::int64_t>::max());
        });
        for (const std::size_t i : order_) by_id_[spans_[i].span_id].push_back(i);
        for (const std::size_t i : order_) {
            tree_.parents[i] = parent_of(i);
            if (tree_.parents[i] == kNoSpan) tree_.roots.push_back(i);
        }
        std::stable_partition(tree_.roots.begin(), tree_.roots.end(),
                              [this](std::size_t i) { return !spans_[i].parent_id.valid(); });
        cut_circles();
        for (const std::size_t i : order_)
            if (tree_.parents[i] != kNoSpan) tree_.children[tree_.parents[i]].push_back(i);
        return std::move(tree_);
    }

private:
    std::size_t parent_of(std::size_t i) const {
        const auto& same = by_id_.at(spans_[i].span_id);
        if (same.front() != i) return same.front();  // the other half of a shared span
        const auto found = by_id_.find(spans_[i].parent_id);
        if (!spans_[i].parent_id.valid() || found == by_id_.end()) return kNoSpan;
        const auto& halves = found->second;
        if (halves.size() > 1 && spans_[i].resource != nullptr) {
            const std::string service = codec::service_of(*spans_[i].resource);
            for (const std::size_t half : halves) {
                const auto& resource = spans_[half].resource;
                if (half != i && resource != nullptr && codec::service_of(*resource) == service)
                    return half;
            }
        }
        return halves.back() == i ? kNoSpan : halves.back();
    }

    /// Walks from each span upwards to a root, or to where it has been.
    void cut_circles() {
        enum class Seen : std::uint8_t { kNot, kOnThisWay, kDone };
        std::vector<Seen> seen(spans_.size(), Seen::kNot);
        for (const std::size_t begin : order_) {
            std::vector<std::size_t> way;
            std::size_t at = begin;
            while (at != kNoSpan && seen[at] == Seen::kNot) {
                seen[at] = Seen::kOnThisWay;
                way.push_back(at);
                at = tree_.parents[at];
            }
            if (at != kNoSpan && seen[at] == Seen::kOnThisWay) cut(at);
            for (const std::size_t i : way) seen[i] = Seen::kDone;
        }
    }

    void cut(std::size_t in_circle) {
        const auto start = [this](std::size_t i) {
            return spans_[i].start_ns.value_or(std::numeric_limits<std::int64_t>::max());
        };
        std::size_t earliest = in_circle;
        for (std::size_t at = tree_.parents[in_circle]; at != in_circle; at = tree_.parents[at])
            if (start(at) < start(earliest)) earliest = at;
        tree_.parents[earliest] = kNoSpan;
        tree_.roots.push_back(earliest);
    }

    const std::vector<Span>& spans_;
    std::vector<std::size_t> order_;
    std::map<SpanId, std::vector<std::size_t>> by_id_;
    SpanTree tree_;
};

/// Parents before children.
std::vector<std::size_t> downwards(const SpanTree& tree) {
    std::vector<std::size_t> order(tree.roots.begin(), tree.roots.end());
    for (std::size_t i = 0; i < order.size(); ++i)
        order.insert(order.end(), tree.children[order[i]].begin(), tree.children[order[i]].end());
    return order;
}

}  // namespace

SpanTree tree_of(const std::vector<Span>& spans) {
    return Builder(spans).run();
}

std::vector<Interval> intervals_of(const std::vector<Span>& spans, const SpanTree& tree) {
    std::vector<Interval> intervals(spans.size());
    const auto order = downwards(tree);
    for (const std::size_t i : order) {
        const std::size_t parent = tree.parents[i];
        const std::int64_t start =
            spans[i].start_ns.value_or(parent == kNoSpan ? 0 : intervals[parent].start_ns);
        std::int64_t end = start;
        if (spans[i].start_ns &&
            __builtin_add_overflow(
                start, std::max<std::int64_t>(spans[i].duration_ns.value_or(0), 0), &end))
            end = std::numeric_limits<std::int64_t>::max();
        intervals[i] = {start, end};
    }
    for (auto i = order.rbegin(); i != order.rend(); ++i) {
        if (spans[*i].duration_ns) continue;
        for (const std::size_t child : tree.children[*i])
            intervals[*i].end_ns = std::max(intervals[*i].end_ns, intervals[child].end_ns);
    }
    return intervals;
}

std::vector<std::int64_t> self_times(const SpanTree& tree, const std::vector<Interval>& intervals) {
    std::vector<std::int64_t> self(intervals.size());
    for (std::size_t i = 0; i < intervals.size(); ++i) {
        // Children stand in the order of their starts: what one covers beyond those before it.
        std::int64_t covered_to = intervals[i].start_ns;
        std::int64_t alone = intervals[i].length_ns();
        for (const std::size_t child : tree.children[i]) {
            const std::int64_t from = std::max(intervals[child].start_ns, covered_to);
            const std::int64_t to = std::min(intervals[child].end_ns, intervals[i].end_ns);
            if (to <= from) continue;
            alone -= Interval{from, to}.length_ns();
            covered_to = to;
        }
        self[i] = std::max<std::int64_t>(alone, 0);
    }
    return self;
}

}  // namespace spanring::analysis
