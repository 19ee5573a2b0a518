#include "select.hpp"

#include <gtest/gtest.h>

namespace spanring::tools {
namespace {

constexpr std::int64_t kSelectedNow = 1'763'700'000'000'000'000;

TEST(Selection, without_flags_lets_every_span_through) {
    EXPECT_EQ(to_condition(Selection{}, kSelectedNow).value(), store::Condition{});
}

TEST(Selection, becomes_the_condition_that_it_describes) {
    Selection selection;
    selection.service = "cart";
    selection.operation = "GET /";
    selection.duration_min = "1.5ms";
    selection.duration_max = "2s";
    selection.since = "15m";
    selection.until = "2025-11-21T04:40:00Z";
    selection.attributes = {"http.status_code=500", "query=a=b", "empty="};
    selection.errors = true;
    const store::SpanFilter filter{
        .service = "cart",
        .operation = "GET /",
        .duration_ns_min = 1'500'000,
        .duration_ns_max = 2'000'000'000,
        .since_ns = kSelectedNow - 900'000'000'000,
        .until_ns = kSelectedNow,
        .attributes = {{"http.status_code", "500"}, {"query", "a=b"}, {"empty", ""}},
        .errors_only = true};
    EXPECT_EQ(to_condition(selection, kSelectedNow).value(), store::Condition(filter));
}

TEST(Selection, a_query_and_flags_are_both_to_be_met) {
    Selection selection;
    selection.service = "cart";
    selection.query = "{ duration > 5ms }";
    const auto slow = store::Condition::compare(store::Property::kDuration, store::Operator::kMore,
                                                std::int64_t{5'000'000});
    EXPECT_EQ(to_condition(selection, kSelectedNow).value(),
              store::Condition::all_of({store::SpanFilter{.service = "cart"}, slow}));
}

TEST(Selection, a_query_that_is_none_is_pointed_at) {
    Selection selection;
    const auto said = [&](const char* query) {
        selection.query = query;
        return to_condition(selection, kSelectedNow).error().message;
    };
    EXPECT_EQ(said("{ name = }"),
              "--query: column 10: a value was expected, found '}' in { name = }");
    EXPECT_EQ(said("{ } | count() > 2").find("--query: one '{ ... }' is expected"), 0u);
    EXPECT_EQ(said("{ } && { }").find("--query: one '{ ... }' is expected"), 0u);
    EXPECT_EQ(said("{ rootName = \"a\" }").find("--query: what a whole trace has"), 0u);
}

TEST(Selection, errors_name_the_flag) {
    Selection selection;
    selection.duration_min = "fast";
    EXPECT_EQ(to_condition(selection, kSelectedNow).error().message.find("--min"), 0u);
    selection = {};
    selection.until = "tomorrow";
    EXPECT_EQ(to_condition(selection, kSelectedNow).error().message.find("--until"), 0u);
    selection = {};
    selection.attributes = {"novalue"};
    EXPECT_EQ(to_condition(selection, kSelectedNow).error().message.find("--attribute"), 0u);
    selection.attributes = {"=value"};
    EXPECT_FALSE(to_condition(selection, kSelectedNow).ok());
}

TEST(ParseTraceId, takes_32_and_16_digits_and_nothing_else) {
    EXPECT_TRUE(parse_trace_id("4bf92f3577b34da6a3ce929d0e0e4736").ok());
    EXPECT_TRUE(parse_trace_id("A3CE929D0E0E4736").ok());
    for (const char* text : {"", "xyz", "4bf92f3577b34da6a3ce929d0e0e473", "0000000000000000"}) {
        EXPECT_FALSE(parse_trace_id(text).ok()) << text;
    }
}

}  // namespace
}  // namespace spanring::tools
