#include "spanring/analysis/critical_path.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

namespace spanring::analysis {
namespace {

using codec::Span;

/// Walks backwards; a stack of its own, as a trace may be as deep as it has spans.
class Walk {
public:
    explicit Walk(const std::vector<Span>& spans)
        : tree_(tree_of(spans)), intervals_(intervals_of(spans, tree_)) {}

    std::vector<PathSegment> run() {
        const std::size_t root = tree_.roots.front();
        enter(root, intervals_[root].start_ns, intervals_[root].end_ns);
        while (!stack_.empty()) step();
        std::ranges::reverse(path_);
        return std::move(path_);
    }

private:
    struct Frame {
        std::size_t span;
        std::int64_t from_ns;               ///< the part of the span that is looked at begins here
        std::int64_t to_ns;                 ///< and ends here
        std::int64_t at_ns;                 ///< what is behind this is known
        std::vector<std::size_t> children;  ///< by their ends; the last one is the next
    };

    void enter(std::size_t span, std::int64_t from_ns, std::int64_t to_ns) {
        Frame frame{span, from_ns, to_ns, to_ns, {}};
        for (const std::size_t child : tree_.children[span])
            if (intervals_[child].start_ns < to_ns && intervals_[child].end_ns > from_ns)
                frame.children.push_back(child);
        std::ranges::stable_sort(frame.children, {}, [&](std::size_t child) {
            return std::min(intervals_[child].end_ns, to_ns);
        });
        stack_.push_back(std::move(frame));
    }

    void step() {
        Frame& frame = stack_.back();
        while (!frame.children.empty()) {
            const std::size_t child = frame.children.back();
            frame.children.pop_back();
            // What a child does outside of its parent, nobody waited for.
            const std::int64_t start = std::max(intervals_[child].start_ns, frame.from_ns);
            const std::int64_t end = std::min(intervals_[child].end_ns, frame.to_ns);
            if (end > frame.at_ns || end <= start) continue;
            add(frame.span, end, frame.at_ns);
            frame.at_ns = start;
            enter(child, start, end);
            return;
        }
        add(frame.span, frame.from_ns, frame.at_ns);
        stack_.pop_back();
    }

    void add(std::size_t span, std::int64_t from_ns, std::int64_t to_ns) {
        if (to_ns > from_ns) path_.push_back({span, {from_ns, to_ns}});
    }

    SpanTree tree_;
    std::vector<Interval> intervals_;
    std::vector<Frame> stack_;
    std::vector<PathSegment> path_;  ///< the last in time first
};

}  // namespace

std::vector<PathSegment> critical_path(const std::vector<Span>& spans) {
    return Walk(spans).run();
}

std::vector<PathShare> shares_of(const std::vector<Span>& spans,
                                 const std::vector<PathSegment>& path) {
    struct Sum {
        std::int64_t time_ns{0};
        std::set<std::size_t> spans;
    };
    std::map<std::pair<std::string, std::string>, Sum> sums;
    for (const PathSegment& segment : path) {
        const Span& span = spans[segment.span];
        const std::string service = codec::service_of(span);
        Sum& sum = sums[{service, span.name}];
        sum.time_ns += segment.time.length_ns();
        sum.spans.insert(segment.span);
    }
    std::vector<PathShare> shares;
    for (const auto& [key, sum] : sums)
        shares.push_back({key.first, key.second, sum.time_ns, sum.spans.size()});
    std::ranges::stable_sort(shares, std::greater(), &PathShare::time_ns);
    return shares;
}

}  // namespace spanring::analysis
