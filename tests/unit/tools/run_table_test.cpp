#include "run_table.hpp"

#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "make_span.hpp"

namespace spanring::tools {
namespace {

OperationTable filled() {
    OperationTable table;
    for (std::uint8_t i = 1; i <= 4; ++i) table.add(make_span(i, 0, 0, 1000, "fast", "cart"));
    codec::Span slow = make_span(9, 0, 0, 5'000'000, "slow", "pay");
    slow.status = codec::StatusCode::kError;
    table.add(slow);
    codec::Span open = make_span(10, 0, 0, 0, "open", "pay");
    open.duration_ns.reset();
    table.add(open);
    return table;
}

TEST(OperationTable, puts_the_largest_total_first) {
    const std::string text = filled().text(Terminal{});
    EXPECT_LT(text.find("slow"), text.find("fast"));
    EXPECT_LT(text.find("fast"), text.find("open"));
    EXPECT_NE(text.find("4.00 µs"), std::string::npos) << text;
}

TEST(OperationTable, counts_errors_and_percentiles_per_operation) {
    rapidjson::Document document;
    document.Parse(filled().json("0af7", 3).c_str());
    ASSERT_FALSE(document.HasParseError());
    EXPECT_EQ(document["exit_code"].GetInt(), 3);
    EXPECT_EQ(document["spans"].GetInt(), 6);
    const auto& slow = document["operations"][0];
    EXPECT_STREQ(slow["operation"].GetString(), "slow");
    EXPECT_EQ(slow["errors"].GetInt(), 1);
    const auto& fast = document["operations"][1];
    EXPECT_EQ(fast["count"].GetInt(), 4);
    EXPECT_EQ(fast["total_ns"].GetInt(), 4000);
    EXPECT_NEAR(fast["p50_ns"].GetInt(), 1000, 10);
    EXPECT_EQ(document["operations"][2]["total_ns"].GetInt(), 0);
}

}  // namespace
}  // namespace spanring::tools
