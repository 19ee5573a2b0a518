#include "select.hpp"

#include <gtest/gtest.h>

namespace spanring::tools {
namespace {

constexpr std::int64_t kNow = 1'763'700'000'000'000'000;

TEST(Selection, without_flags_lets_every_span_through) {
    const auto filter = to_filter(Selection{}, kNow);
    ASSERT_TRUE(filter.ok());
    EXPECT_FALSE(filter->service || filter->operation || filter->duration_ns_min ||
                 filter->duration_ns_max || filter->since_ns || filter->until_ns ||
                 filter->errors_only);
    EXPECT_TRUE(filter->attributes.empty());
}

TEST(Selection, becomes_the_filter_that_it_describes) {
    Selection selection;
    selection.service = "cart";
    selection.operation = "GET /";
    selection.duration_min = "1.5ms";
    selection.duration_max = "2s";
    selection.since = "15m";
    selection.until = "2025-11-21T04:40:00Z";
    selection.attributes = {"http.status_code=500", "query=a=b", "empty="};
    selection.errors = true;
    const auto filter = to_filter(selection, kNow);
    ASSERT_TRUE(filter.ok());
    EXPECT_EQ(filter->service, "cart");
    EXPECT_EQ(filter->operation, "GET /");
    EXPECT_EQ(filter->duration_ns_min, 1'500'000);
    EXPECT_EQ(filter->duration_ns_max, 2'000'000'000);
    EXPECT_EQ(filter->since_ns, kNow - 900'000'000'000);
    EXPECT_EQ(filter->until_ns, kNow);
    EXPECT_TRUE(filter->errors_only);
    const std::vector<std::pair<std::string, std::string>> wanted{
        {"http.status_code", "500"}, {"query", "a=b"}, {"empty", ""}};
    EXPECT_EQ(filter->attributes, wanted);
}

TEST(Selection, errors_name_the_flag) {
    Selection selection;
    selection.duration_min = "fast";
    EXPECT_EQ(to_filter(selection, kNow).error().message.find("--min"), 0u);
    selection = {};
    selection.until = "tomorrow";
    EXPECT_EQ(to_filter(selection, kNow).error().message.find("--until"), 0u);
    selection = {};
    selection.attributes = {"novalue"};
    EXPECT_EQ(to_filter(selection, kNow).error().message.find("--attribute"), 0u);
    selection.attributes = {"=value"};
    EXPECT_FALSE(to_filter(selection, kNow).ok());
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
