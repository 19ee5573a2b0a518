#include "spanring/query/duration_histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace spanring::query {
namespace {

TEST(DurationHistogram, is_exact_for_small_values) {
    DurationHistogram histogram;
    for (std::int64_t ns = 0; ns < 100; ++ns) histogram.add(ns);
    EXPECT_EQ(histogram.percentile(0.5), 49);
    EXPECT_EQ(histogram.percentile(0.99), 98);
    EXPECT_EQ(histogram.percentile(1), 99);
}

TEST(DurationHistogram, is_within_a_percent_of_the_exact_percentile) {
    std::mt19937_64 random(7);
    std::lognormal_distribution<double> durations(14, 3);  // around 1 ms, over six decades
    DurationHistogram histogram;
    std::vector<std::int64_t> exact;
    for (int i = 0; i < 20'000; ++i) {
        exact.push_back(static_cast<std::int64_t>(durations(random)));
        histogram.add(exact.back());
    }
    std::sort(exact.begin(), exact.end());
    for (const double fraction : {0.01, 0.25, 0.5, 0.9, 0.99, 0.999}) {
        const auto rank = static_cast<std::size_t>(std::ceil(fraction * 20'000)) - 1;
        const auto wanted = static_cast<double>(exact[rank]);
        EXPECT_NEAR(static_cast<double>(histogram.percentile(fraction)), wanted, wanted * 0.01 + 1);
    }
}

TEST(DurationHistogram, never_exceeds_the_largest_value) {
    DurationHistogram histogram;
    histogram.add(1'000'001);
    EXPECT_LE(histogram.percentile(1), 1'000'001);
    EXPECT_GE(histogram.percentile(1), 990'000);
}

TEST(DurationHistogram, takes_the_whole_range) {
    DurationHistogram histogram;
    histogram.add(std::numeric_limits<std::int64_t>::max());
    histogram.add(-5);
    EXPECT_EQ(histogram.count(), 2u);
    EXPECT_EQ(histogram.percentile(0.5), 0);
    EXPECT_GT(histogram.percentile(1), std::numeric_limits<std::int64_t>::max() / 100 * 99);
}

TEST(DurationHistogram, weighs_values_by_their_times) {
    DurationHistogram histogram;
    histogram.add(10, 99);
    histogram.add(100, 1);
    EXPECT_EQ(histogram.count(), 100u);
    EXPECT_EQ(histogram.percentile(0.99), 10);
    EXPECT_EQ(histogram.percentile(1), 100);
}

TEST(DurationHistogram, without_values_is_zero) {
    EXPECT_EQ(DurationHistogram().percentile(0.5), 0);
}

}  // namespace
}  // namespace spanring::query
