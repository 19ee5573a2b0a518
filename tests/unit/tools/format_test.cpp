#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "term.hpp"

namespace spanring::tools {
namespace {

TEST(FormatDuration, shows_three_digits_in_the_unit_that_fits) {
    EXPECT_EQ(format_duration(0), "0 ns");
    EXPECT_EQ(format_duration(999), "999 ns");
    EXPECT_EQ(format_duration(1'000), "1.00 µs");
    EXPECT_EQ(format_duration(45'600), "45.6 µs");
    EXPECT_EQ(format_duration(456'000'000), "456 ms");
    EXPECT_EQ(format_duration(7'890'000'000), "7.89 s");
    EXPECT_EQ(format_duration(59'900'000'000), "59.9 s");
}

TEST(FormatDuration, never_rounds_up_to_a_thousand_of_a_unit) {
    EXPECT_EQ(format_duration(999'499), "999 µs");
    EXPECT_EQ(format_duration(999'500), "1.00 ms");
    EXPECT_EQ(format_duration(999'999'999), "1.00 s");
}

TEST(FormatDuration, uses_two_units_from_a_minute_on) {
    EXPECT_EQ(format_duration(60'000'000'000), "1 m 00 s");
    EXPECT_EQ(format_duration(185'000'000'000), "3 m 05 s");
    EXPECT_EQ(format_duration(7'800'000'000'000), "2 h 10 m");
    EXPECT_EQ(format_duration(273'600'000'000'000), "3 d 04 h");
}

TEST(FormatDuration, survives_the_ends_of_the_range) {
    EXPECT_EQ(format_duration(-1'500), "-1.50 µs");
    EXPECT_EQ(format_duration(std::numeric_limits<std::int64_t>::min()).front(), '-');
    EXPECT_EQ(format_duration(std::numeric_limits<std::int64_t>::max()), "106751 d 23 h");
}

TEST(FormatBytes, counts_in_powers_of_1024) {
    EXPECT_EQ(format_bytes(0), "0 B");
    EXPECT_EQ(format_bytes(1023), "1023 B");
    EXPECT_EQ(format_bytes(1536), "1.5 KiB");
    EXPECT_EQ(format_bytes(16u << 20), "16.0 MiB");
    EXPECT_EQ(format_bytes((1u << 20) - 1), "1.0 MiB");
    EXPECT_EQ(format_bytes(10ull << 30), "10.0 GiB");
}

TEST(FormatCount, groups_thousands) {
    EXPECT_EQ(format_count(0), "0");
    EXPECT_EQ(format_count(999), "999");
    EXPECT_EQ(format_count(1'000), "1,000");
    EXPECT_EQ(format_count(426'210), "426,210");
    EXPECT_EQ(format_count(1'234'567), "1,234,567");
}

TEST(FormatRate, shortens_large_rates) {
    EXPECT_EQ(format_rate(0), "0.0");
    EXPECT_EQ(format_rate(42), "42");
    EXPECT_EQ(format_rate(12'345), "12.3 k");
    EXPECT_EQ(format_rate(4'560'000), "4.56 M");
    EXPECT_EQ(format_rate(std::nan("")), "–");
}

TEST(FormatTime, rfc3339_is_utc_with_nanoseconds) {
    EXPECT_EQ(format_rfc3339(0), "1970-01-01T00:00:00.000000000Z");
    EXPECT_EQ(format_rfc3339(1'763'700'000'123'456'789), "2025-11-21T04:40:00.123456789Z");
    EXPECT_EQ(format_rfc3339(-1), "1969-12-31T23:59:59.999999999Z");
}

TEST(FormatTime, people_see_their_own_zone) {
    setenv("TZ", "UTC-2", 1);  // POSIX: two hours east
    tzset();
    EXPECT_EQ(format_time(1'763'700'000'123'456'789), "2025-11-21 06:40:00.123");
    setenv("TZ", "UTC", 1);
    tzset();
    EXPECT_EQ(format_time(1'763'700'000'123'456'789), "2025-11-21 04:40:00.123");
}

}  // namespace
}  // namespace spanring::tools
