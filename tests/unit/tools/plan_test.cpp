#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "plan_arithmetic.hpp"

namespace spanring::tools {
namespace {

PlanInput million_a_second() {
    PlanInput input;
    input.rate = 1e6;
    input.delay_seconds = 0.005;
    input.stored_bytes = 4;
    input.retention_seconds = 7 * 86400.0;
    input.record_bytes = 12;
    input.threads = 8;
    input.page_bytes = 8192;
    return input;
}

TEST(Plan, follows_the_two_laws) {
    const Plan plan = make_plan(million_a_second());
    EXPECT_DOUBLE_EQ(plan.in_flight, 5000);                    // R = G × D
    EXPECT_DOUBLE_EQ(plan.disk_bytes, 1e6 * 4 * 7 * 86400.0);  // S = G × C × T
    EXPECT_DOUBLE_EQ(plan.disk_bytes_per_day, 1e6 * 4 * 86400.0);
}

TEST(Plan, ring_holds_what_is_in_flight_and_a_page_per_thread_twice) {
    PlanInput input = million_a_second();
    input.delay_seconds = 1;  // 12 MB in flight
    const Plan plan = make_plan(input);
    EXPECT_EQ(plan.ring_bytes, 32u << 20);  // 2 × (12 MB + 64 KiB) = 24.1 MB, next power of two
    EXPECT_GE(plan.bridged_seconds, 2);
}

TEST(Plan, ring_is_never_smaller_than_a_process_begins_with) {
    PlanInput input = million_a_second();
    input.rate = 10;
    EXPECT_EQ(make_plan(input).ring_bytes, 1u << 20);
}

TEST(Plan, counts_every_process) {
    PlanInput input = million_a_second();
    input.processes = 10;
    const Plan one = make_plan(million_a_second());
    const Plan ten = make_plan(input);
    EXPECT_EQ(ten.ring_bytes, one.ring_bytes);
    EXPECT_EQ(ten.directory_bytes, 10 * one.directory_bytes);
    EXPECT_DOUBLE_EQ(ten.disk_bytes, 10 * one.disk_bytes);
}

TEST(Plan, stays_finite_for_any_input) {
    const double odd[] = {0, -1, 1e308, std::nan(""), INFINITY, -INFINITY};
    for (const double a : odd) {
        for (const double b : odd) {
            PlanInput input{a, b, a, b, a, std::numeric_limits<std::uint64_t>::max(), 65536, 0};
            const Plan plan = make_plan(input);
            EXPECT_TRUE(std::isfinite(plan.in_flight) && std::isfinite(plan.disk_bytes) &&
                        std::isfinite(plan.bridged_seconds));
            EXPECT_GE(plan.ring_bytes, 1u << 20);
        }
    }
}

}  // namespace
}  // namespace spanring::tools
