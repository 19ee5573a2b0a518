#include "tree.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "make_span.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

using codec::Span;

std::string drawn(const std::vector<TreeRow>& rows) {
    std::string out;
    for (const TreeRow& row : rows) {
        out += row.guides + row.span->name + (row.orphan ? " (orphan)" : "") + "\n";
    }
    return out;
}

TEST(Tree, draws_children_below_their_parent_in_the_order_of_their_starts) {
    const std::vector<Span> spans{make_span(4, 2, 30, 1, "d"), make_span(3, 1, 40, 1, "c"),
                                  make_span(1, 0, 0, 100, "a"), make_span(2, 1, 10, 25, "b"),
                                  make_span(5, 3, 41, 1, "e")};
    EXPECT_EQ(drawn(lay_out_tree(spans)),
              "a\n"
              "├─ b\n"
              "│  └─ d\n"
              "└─ c\n"
              "   └─ e\n");
}

TEST(Tree, shows_spans_whose_parent_is_missing_behind_the_true_roots) {
    const std::vector<Span> spans{make_span(7, 99, 0, 1, "lost"), make_span(8, 7, 1, 1, "below"),
                                  make_span(1, 0, 10, 5, "root")};
    EXPECT_EQ(drawn(lay_out_tree(spans)),
              "root\n"
              "lost (orphan)\n"
              "└─ below\n");
}

TEST(Tree, cuts_circles_of_parents_at_their_earliest_span) {
    const std::vector<Span> spans{make_span(1, 2, 10, 1, "a"), make_span(2, 1, 5, 1, "b"),
                                  make_span(3, 3, 20, 1, "self")};
    const auto rows = lay_out_tree(spans);
    EXPECT_EQ(drawn(rows),
              "self (orphan)\n"
              "b (orphan)\n"
              "└─ a\n");
}

TEST(Tree, puts_the_halves_of_a_shared_span_below_each_other) {
    const std::vector<Span> spans{
        make_span(1, 0, 0, 100, "client", "web"), make_span(1, 0, 10, 80, "server", "api"),
        make_span(2, 1, 20, 5, "query", "api"), make_span(3, 1, 95, 5, "render", "web")};
    EXPECT_EQ(drawn(lay_out_tree(spans)),
              "client\n"
              "├─ server\n"
              "│  └─ query\n"
              "└─ render\n");
}

TEST(Tree, stops_indenting_at_the_depth_limit) {
    std::vector<Span> spans;
    for (std::uint8_t i = 1; i <= 6; ++i) {
        spans.push_back(make_span(i, static_cast<std::uint8_t>(i - 1), i, 1, "s"));
    }
    EXPECT_EQ(drawn(lay_out_tree(spans, 3)),
              "s\n"
              "└─ s\n"
              "   └─ s\n"
              "      └─ s\n"
              "      … 4 s\n"
              "      … 5 s\n");
}

TEST(Tree, lays_out_every_span_once_whatever_the_parents_say) {
    std::mt19937 random(11);
    for (int round = 0; round < 300; ++round) {
        std::vector<Span> spans;
        const std::size_t count = random() % 20;
        for (std::size_t i = 0; i < count; ++i) {
            spans.push_back(make_span(static_cast<std::uint8_t>(random() % 12 + 1),
                                      static_cast<std::uint8_t>(random() % 14),
                                      static_cast<std::int64_t>(random() % 5), 1));
            if (random() % 7 == 0) spans.back().start_ns.reset();
        }
        const auto rows = lay_out_tree(spans);
        std::set<const Span*> seen;
        for (const TreeRow& row : rows) seen.insert(row.span);
        ASSERT_EQ(rows.size(), spans.size());
        ASSERT_EQ(seen.size(), spans.size());
    }
}

TEST(Extent, covers_all_spans_that_have_a_start) {
    std::vector<Span> spans{make_span(1, 0, 100, 50), make_span(2, 1, 120, 80)};
    spans.push_back(make_span(3, 1, 0, 1));
    spans.back().start_ns.reset();
    const Extent extent = extent_of(spans);
    EXPECT_EQ(extent.start_ns, 100);
    EXPECT_EQ(extent.end_ns, 200);
    EXPECT_EQ(extent_of({}).duration_ns(), 0);
}

TEST(TimeBar, stands_where_the_span_was) {
    const Extent extent{0, 100};
    EXPECT_EQ(time_bar(make_span(1, 0, 0, 100), extent, 10), "██████████");
    EXPECT_EQ(time_bar(make_span(1, 0, 50, 50), extent, 10), "     █████");
    EXPECT_EQ(time_bar(make_span(1, 0, 25, 25), extent, 10), "  ▐██     ");
    EXPECT_EQ(time_bar(make_span(1, 0, 0, 1), extent, 10), "▏         ");
}

TEST(TimeBar, is_open_for_a_span_without_end) {
    Span span = make_span(1, 0, 50, 0);
    span.duration_ns.reset();
    EXPECT_EQ(time_bar(span, {0, 100}, 10), "     ▐┄┄┄┄");
}

TEST(TimeBar, always_takes_the_columns_it_was_given) {
    std::mt19937 random(3);
    for (int i = 0; i < 2000; ++i) {
        Span span = make_span(1, 0, static_cast<std::int64_t>(random() % 300) - 100,
                              static_cast<std::int64_t>(random() % 300));
        if (i % 5 == 0) span.duration_ns.reset();
        if (i % 7 == 0) span.start_ns.reset();
        const std::size_t columns = random() % 40;
        ASSERT_EQ(display_width(time_bar(span, {0, 100}, columns)), columns);
    }
}

}  // namespace
}  // namespace spanring::tools
