// Flame graphs: all time is somewhere, once.
#include "spanring/analysis/flame.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "any_trace.hpp"
#include "spanring/analysis/span_tree.hpp"

namespace spanring::analysis {
namespace {

using test::any_trace;
using test::span_at;

TEST(Flame, folds_traces_into_stacks) {
    Flame flame;
    const std::vector trace{span_at(1, 0, 0, 100'000, "GET", "web"),
                            span_at(2, 1, 10'000, 40'000, "q;1\n", "db"),
                            span_at(3, 1, 50'000, 90'000, "q;1\n", "db")};
    flame.add(trace);
    flame.add(trace);
    EXPECT_EQ(flame.folded(), "web:GET 60\nweb:GET;db:q_1_ 140\n");
    EXPECT_EQ(flame.traces(), 2u);
}

TEST(Flame, holds_the_time_of_every_span) {
    codec::test::check("the sum of the stacks is that of the self times", [] {
        auto spans = any_trace();
        for (codec::Span& span : spans) {  // to whole microseconds
            if (span.start_ns) *span.start_ns *= 1000;
            if (span.duration_ns) *span.duration_ns *= 1000;
        }
        Flame flame;
        flame.add(spans);
        const SpanTree tree = tree_of(spans);
        std::int64_t wanted = 0;
        for (const std::int64_t ns : self_times(tree, intervals_of(spans, tree))) wanted += ns;
        std::istringstream lines(flame.folded());
        std::int64_t found = 0;
        for (std::string line; std::getline(lines, line);)
            found += std::stoll(line.substr(line.rfind(' ') + 1)) * 1000;
        RC_ASSERT(found == wanted);
    });
}

TEST(Flame, draws_names_that_are_no_markup) {
    Flame flame;
    flame.add({span_at(1, 0, 0, 100, "<script>&\"", "web")});
    const std::string svg = flame.svg("a <title>");
    EXPECT_EQ(svg.find("<script>"), std::string::npos);
    EXPECT_NE(svg.find("web:&lt;script&gt;&amp;&quot;"), std::string::npos);
    EXPECT_NE(svg.find("a &lt;title&gt;"), std::string::npos);
    EXPECT_EQ(svg.substr(svg.size() - 7), "</svg>\n");
}

TEST(Flame, of_nothing_is_empty) {
    const Flame flame;
    EXPECT_TRUE(flame.empty());
    EXPECT_EQ(flame.folded(), "");
    EXPECT_NE(flame.svg("none").find("</svg>"), std::string::npos);
}

TEST(Flame, is_bounded_in_depth) {
    Flame flame;
    std::vector<codec::Span> spans;
    for (int i = 0; i < 10'000; ++i) {
        codec::Span span = span_at(0, 0, i, 20'000 - i);
        std::memcpy(span.span_id.bytes.data(), &i, sizeof i);
        span.span_id.bytes[7] = 1;
        if (i > 0) span.parent_id = spans.back().span_id;
        spans.push_back(std::move(span));
    }
    flame.add(spans);
    EXPECT_LT(flame.folded().size(), 200'000u);
    EXPECT_NE(flame.svg("deep").find("</svg>"), std::string::npos);
}

}  // namespace
}  // namespace spanring::analysis
