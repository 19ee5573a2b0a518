// Critical paths: by hand, and that they are the root's time, whatever the trace looks like.
#include "spanring/analysis/critical_path.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "any_trace.hpp"

namespace spanring::analysis {
namespace {

using codec::Span;
using test::any_trace;
using test::span_at;

/// "1:0-10 2:10-40": the segments by the spans' numbers.
std::string drawn(const std::vector<Span>& spans) {
    std::string out;
    for (const PathSegment& segment : critical_path(spans))
        out += (out.empty() ? "" : " ") + std::to_string(spans[segment.span].span_id.bytes[7]) +
               ":" + std::to_string(segment.time.start_ns) + "-" +
               std::to_string(segment.time.end_ns);
    return out;
}

TEST(CriticalPath, of_one_span_is_that_span) {
    EXPECT_EQ(drawn({span_at(1, 0, 5, 25)}), "1:5-25");
}

TEST(CriticalPath, goes_through_children_one_after_the_other) {
    EXPECT_EQ(drawn({span_at(1, 0, 0, 100), span_at(2, 1, 10, 40), span_at(3, 1, 50, 90)}),
              "1:0-10 2:10-40 1:40-50 3:50-90 1:90-100");
}

TEST(CriticalPath, of_children_at_once_it_takes_the_one_that_finished_last) {
    EXPECT_EQ(drawn({span_at(1, 0, 0, 100), span_at(2, 1, 10, 60), span_at(3, 1, 10, 80)}),
              "1:0-10 3:10-80 1:80-100");
    // What ended before the last one began was waited for as well.
    EXPECT_EQ(drawn({span_at(1, 0, 0, 100), span_at(2, 1, 10, 30), span_at(3, 1, 20, 60),
                     span_at(4, 1, 40, 80)}),
              "1:0-10 2:10-30 1:30-40 4:40-80 1:80-100");
}

TEST(CriticalPath, goes_down_as_deep_as_it_leads) {
    EXPECT_EQ(drawn({span_at(1, 0, 0, 100), span_at(2, 1, 10, 90), span_at(3, 2, 20, 80),
                     span_at(4, 3, 30, 70)}),
              "1:0-10 2:10-20 3:20-30 4:30-70 3:70-80 2:80-90 1:90-100");
}

TEST(CriticalPath, what_is_outside_of_the_parent_was_not_waited_for) {
    EXPECT_EQ(drawn({span_at(1, 0, 0, 100), span_at(2, 1, 90, 150)}), "1:0-90 2:90-100");
    EXPECT_EQ(drawn({span_at(1, 0, 0, 100), span_at(2, 1, 100, 150)}), "1:0-100");
    EXPECT_EQ(drawn({span_at(1, 0, 10, 100), span_at(2, 1, 0, 20)}), "2:10-20 1:20-100");
    EXPECT_EQ(drawn({span_at(1, 0, 0, 100), span_at(2, 1, 60, 120), span_at(3, 2, 110, 120)}),
              "1:0-60 2:60-100");
}

TEST(CriticalPath, a_root_without_an_end_ends_with_its_last_descendant) {
    auto spans = std::vector{span_at(1, 0, 0, 0), span_at(2, 1, 10, 50), span_at(3, 2, 20, 80)};
    spans[0].duration_ns.reset();
    EXPECT_EQ(drawn(spans), "1:0-10 2:10-20 3:20-50");
}

TEST(CriticalPath, shares_are_by_operation) {
    const std::vector spans{span_at(1, 0, 0, 100, "GET", "web"), span_at(2, 1, 10, 40, "q", "db"),
                            span_at(3, 1, 50, 90, "q", "db")};
    const auto shares = shares_of(spans, critical_path(spans));
    ASSERT_EQ(shares.size(), 2u);
    EXPECT_EQ(shares[0].operation, "q");
    EXPECT_EQ(shares[0].time_ns, 70);
    EXPECT_EQ(shares[0].spans, 2u);
    EXPECT_EQ(shares[1].time_ns, 30);
}

TEST(CriticalPath, tiles_the_root_of_any_trace) {
    codec::test::check("segments are the root's time", [] {
        const auto spans = any_trace();
        const SpanTree tree = tree_of(spans);
        const auto intervals = intervals_of(spans, tree);
        const Interval root = intervals[tree.roots.front()];
        const auto path = critical_path(spans);
        if (root.length_ns() == 0) {
            RC_ASSERT(path.empty());
            return;
        }
        RC_ASSERT(!path.empty());
        RC_ASSERT(path.front().time.start_ns == root.start_ns);
        RC_ASSERT(path.back().time.end_ns == root.end_ns);
        for (std::size_t i = 0; i < path.size(); ++i) {
            RC_ASSERT(path[i].time.length_ns() > 0);
            if (i > 0) RC_ASSERT(path[i].time.start_ns == path[i - 1].time.end_ns);
            const Interval& own = intervals[path[i].span];
            RC_ASSERT(path[i].time.start_ns >= own.start_ns);
            RC_ASSERT(path[i].time.end_ns <= own.end_ns);
        }
    });
}

TEST(SpanTree, holds_every_span_once) {
    codec::test::check("each span is a root or somebody's child", [] {
        const auto spans = any_trace();
        const SpanTree tree = tree_of(spans);
        std::vector<std::size_t> met(tree.roots.begin(), tree.roots.end());
        for (std::size_t i = 0; i < met.size(); ++i)
            met.insert(met.end(), tree.children[met[i]].begin(), tree.children[met[i]].end());
        std::ranges::sort(met);
        std::vector<std::size_t> all(spans.size());
        std::iota(all.begin(), all.end(), std::size_t{0});
        RC_ASSERT(met == all);
        for (std::size_t i = 0; i < spans.size(); ++i) {
            const auto& siblings =
                tree.parents[i] == kNoSpan ? tree.roots : tree.children[tree.parents[i]];
            RC_ASSERT(std::ranges::count(siblings, i) == 1);
        }
    });
}

TEST(SpanTree, self_time_is_what_no_child_covers) {
    codec::test::check("self time = nanoseconds counted one by one", [] {
        const auto spans = any_trace();
        const SpanTree tree = tree_of(spans);
        const auto intervals = intervals_of(spans, tree);
        const auto self = self_times(tree, intervals);
        for (std::size_t i = 0; i < spans.size(); ++i) {
            std::int64_t alone = 0;
            for (std::int64_t ns = intervals[i].start_ns; ns < intervals[i].end_ns; ++ns)
                alone += std::ranges::none_of(tree.children[i], [&](std::size_t child) {
                    return intervals[child].start_ns <= ns && ns < intervals[child].end_ns;
                });
            RC_ASSERT(self[i] == alone);
        }
    });
}

TEST(SpanTree, a_trace_as_deep_as_it_has_spans) {
    std::vector<Span> spans;
    constexpr int kDeep = 100'000;
    for (int i = 0; i < kDeep; ++i) {
        Span span = span_at(0, 0, i, 2 * kDeep - i);
        std::memcpy(span.span_id.bytes.data(), &i, sizeof i);
        span.span_id.bytes[7] = 1;
        if (i > 0) span.parent_id = spans.back().span_id;
        spans.push_back(std::move(span));
    }
    EXPECT_EQ(critical_path(spans).size(), 2u * kDeep - 1);
}

}  // namespace
}  // namespace spanring::analysis
