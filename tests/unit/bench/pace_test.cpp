// The pace of a producer, with a program that only counts.
#include "pace.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace spanring::tools::bench {
namespace {

using namespace std::chrono_literals;

class Counting : public Program {
public:
    std::uint64_t warm_up() override { return 0; }
    std::uint64_t emit(std::uint64_t wanted) override {
        largest = std::max(largest, wanted);
        if (stall > 0ms) std::this_thread::sleep_for(std::exchange(stall, 0ms));
        return wanted;
    }
    std::uint64_t largest{0};
    std::chrono::milliseconds stall{0};
};

TEST(Pace, never_makes_more_than_asked_for) {
    for (const bool sleep : {false, true}) {
        Counting program;
        std::atomic<std::uint64_t> emitted{7};
        const Paced paced = run_paced(program, {10'000, 100'000, 0.2, sleep}, emitted);
        EXPECT_GT(paced.spans, 0u);
        EXPECT_LE(static_cast<double>(paced.spans), static_cast<double>(paced.ns) * 1e-5 + 1);
        EXPECT_EQ(emitted.load(), 7 + paced.spans);
        EXPECT_LE(paced.busy_ns, paced.ns);
    }
}

// As they come at random, the way from one to the next is now shorter, now longer.
TEST(Pace, keeps_the_rate_with_bursts_that_are_far_apart) {
    Counting program;
    std::atomic<std::uint64_t> emitted{0};
    const Paced paced = run_paced(program, {10'000, 50'000'000, 1, true}, emitted);
    // What fell due behind the last burst is missing: one and a half at most.
    EXPECT_GE(static_cast<double>(paced.spans), static_cast<double>(paced.ns) * 1e-5 - 760);
    EXPECT_GT(program.largest, 500u) << "they do not come like a clock";
}

TEST(Pace, makes_up_for_a_little_of_a_long_stall) {
    Counting program;
    program.stall = 100ms;
    std::atomic<std::uint64_t> emitted{0};
    (void)run_paced(program, {100'000, 100'000, 0.2, true}, emitted);
    // 5 ms and the longest way to the next burst, at 100 per ms.
    EXPECT_LE(program.largest, 516u);
}

TEST(Pace, without_a_rate_runs_on) {
    Counting program;
    std::atomic<std::uint64_t> emitted{0};
    const Paced paced = run_paced(program, {0, 100'000, 0.05, false}, emitted);
    EXPECT_GE(paced.ns, 50'000'000u);
    EXPECT_GT(paced.spans, 1000u);
}

}  // namespace
}  // namespace spanring::tools::bench
