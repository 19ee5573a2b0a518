// The mix as calls: what a trace's text becomes.
#include "mix_traces.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>

namespace spanring::bench {
namespace {

using testing::ElementsAre;

TEST(MixTraces, spans_of_one_process_are_one_call) {
    const MixTrace trace = read_mix_trace("1 a))");
    ASSERT_EQ(trace.size(), 1u);
    EXPECT_EQ(trace[0].caller, -1);
    EXPECT_THAT(trace[0].steps, ElementsAre(1, 10, kMixEnd, kMixEnd));
}

TEST(MixTraces, a_child_in_another_process_is_a_call_below_its_caller) {
    const MixTrace trace = read_mix_trace("1 2 >3 >4))) 5) >6))");
    ASSERT_EQ(trace.size(), 4u);
    EXPECT_THAT(trace[0].steps, ElementsAre(1, 2, kMixEnd, 5, kMixEnd, kMixEnd));
    EXPECT_THAT(trace[1].steps, ElementsAre(3, kMixEnd));
    EXPECT_EQ(trace[1].caller, 0);
    EXPECT_EQ(trace[1].caller_span, 1);
    EXPECT_EQ(trace[2].caller, 1);
    EXPECT_EQ(trace[2].caller_span, 0);
    EXPECT_EQ(trace[3].caller, 0);
    EXPECT_EQ(trace[3].caller_span, 0);
}

TEST(MixTraces, every_recorded_trace_is_whole) {
    const std::vector<MixTrace> traces = read_mix();
    ASSERT_GE(traces.size(), 16u);
    for (const MixTrace& trace : traces) {
        for (std::size_t i = 0; i < trace.size(); ++i) {
            EXPECT_LT(trace[i].caller, static_cast<std::int32_t>(i));
            EXPECT_EQ(trace[i].caller < 0, i == 0);
            int depth = 0;
            for (const std::int32_t step : trace[i].steps) {
                EXPECT_LT(step, static_cast<std::int32_t>(std::size(kOperations)));
                depth += step == kMixEnd ? -1 : 1;
                EXPECT_GE(depth, 0);
            }
            EXPECT_EQ(depth, 0);
        }
    }
}

}  // namespace
}  // namespace spanring::bench
