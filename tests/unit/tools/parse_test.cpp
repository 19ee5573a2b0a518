#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "term.hpp"

namespace spanring::tools {
namespace {

constexpr std::int64_t kNow = 1'763'700'000'000'000'000;  // 2025-11-21T04:40:00Z

TEST(ParseDuration, reads_every_unit) {
    const std::pair<const char*, std::int64_t> cases[] = {{"15ns", 15},
                                                          {"2us", 2'000},
                                                          {"2µs", 2'000},
                                                          {"1.5ms", 1'500'000},
                                                          {"3s", 3'000'000'000},
                                                          {"5m", 300'000'000'000},
                                                          {"2 h", 7'200'000'000'000},
                                                          {"7d", 604'800'000'000'000},
                                                          {"0s", 0}};
    for (const auto& [text, ns] : cases) {
        const auto parsed = parse_duration(text);
        ASSERT_TRUE(parsed.ok()) << text;
        EXPECT_EQ(*parsed, ns) << text;
    }
}

TEST(ParseDuration, refuses_what_is_none) {
    for (const char* text : {"", "5", "ms", "-1s", "1.2.3s", "5 minutes", "1e3s", "nan s", "inf s",
                             "99999999999d", "1s ", "0x10s"}) {
        const auto parsed = parse_duration(text);
        EXPECT_FALSE(parsed.ok()) << text;
        if (!parsed) {
            EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
            EXPECT_NE(parsed.error().message.find(text), std::string::npos);
        }
    }
}

TEST(ParseTime, counts_relative_times_back_from_now) {
    EXPECT_EQ(*parse_time("15m", kNow), kNow - 900'000'000'000);
    EXPECT_EQ(*parse_time("now", kNow), kNow);
}

TEST(ParseTime, reads_rfc3339_with_zone_and_fraction) {
    EXPECT_EQ(*parse_time("2025-11-21T04:40:00Z", kNow), kNow);
    EXPECT_EQ(*parse_time("2025-11-21T06:40:00+02:00", kNow), kNow);
    EXPECT_EQ(*parse_time("2025-11-20T23:10:00-05:30", kNow), kNow);
    EXPECT_EQ(*parse_time("2025-11-21t04:40:00.5z", kNow), kNow + 500'000'000);
    EXPECT_EQ(*parse_time("2025-11-21 04:40:00.123456789Z", kNow), kNow + 123'456'789);
}

TEST(ParseTime, takes_the_local_zone_when_none_is_given) {
    setenv("TZ", "UTC-2", 1);
    tzset();
    EXPECT_EQ(*parse_time("2025-11-21 06:40:00", kNow), kNow);
    setenv("TZ", "UTC", 1);
    tzset();
}

TEST(ParseTime, takes_nanoseconds_since_the_epoch) {
    EXPECT_EQ(*parse_time("1763700000000000000", kNow), kNow);
}

TEST(ParseTime, refuses_what_is_none) {
    for (const char* text :
         {"", "yesterday", "2025-11-21", "2025-13-01T00:00:00Z", "2025-02-31T00:00:00Z",
          "2025-11-21T24:00:00Z", "2025-11-21T04:40:00.Z", "2025-11-21T04:40:00+2:00",
          "2025-11-21T04:40:00Zx", "1763700000", "9999-01-01T00:00:00Z"}) {
        EXPECT_FALSE(parse_time(text, kNow).ok()) << text;
    }
}

TEST(ParseTime, what_is_shown_can_be_typed_again) {
    EXPECT_EQ(*parse_time(format_rfc3339(kNow + 987'654'321), kNow), kNow + 987'654'321);
}

TEST(ParseBytes, reads_binary_units) {
    EXPECT_EQ(*parse_bytes("512"), 512u);
    EXPECT_EQ(*parse_bytes("64MiB"), 64u << 20);
    EXPECT_EQ(*parse_bytes("10G"), 10ull << 30);
    EXPECT_EQ(*parse_bytes("1.5K"), 1536u);
    for (const char* text : {"", "-1", "10X", "MiB", "99999999T"}) {
        EXPECT_FALSE(parse_bytes(text).ok()) << text;
    }
}

TEST(ParseRate, reads_decimal_units) {
    EXPECT_DOUBLE_EQ(*parse_rate("1000"), 1000);
    EXPECT_DOUBLE_EQ(*parse_rate("200k"), 200e3);
    EXPECT_DOUBLE_EQ(*parse_rate("1.5M"), 1.5e6);
    EXPECT_FALSE(parse_rate("fast").ok());
    EXPECT_FALSE(parse_rate("-5").ok());
}

}  // namespace
}  // namespace spanring::tools
