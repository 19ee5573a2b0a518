#include "meter.hpp"

#include <gtest/gtest.h>

namespace spanring::tools {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

store::CommittedFrame frame(std::int64_t committed_ns, std::uint64_t tracepoints,
                            std::uint64_t bytes, std::int64_t delay_ns, std::size_t spans,
                            bool native = true) {
    store::CommittedFrame made;
    made.committed_ns = committed_ns;
    made.tracepoints = tracepoints;
    made.bytes = bytes;
    InstanceId instance;
    instance.bytes[0] = 7;
    made.instance_tracepoints = {{instance, tracepoints}};
    made.batches.emplace_back();
    for (std::size_t i = 0; i < spans; ++i) {
        codec::Row row;
        row.flags = codec::RowFlag::kHasStart | codec::RowFlag::kHasDuration |
                    (native ? codec::RowFlag::kNativeSpan : 0u);
        row.duration_ns = 1000;
        row.start_ns = committed_ns - delay_ns - row.duration_ns;
        made.batches.back().rows.push_back(row);
    }
    return made;
}

TEST(Meter, measures_rate_delay_and_bytes_each_on_their_own) {
    Meter meter(2 * kSecond);
    meter.restart(10 * kSecond);
    meter.add(frame(10 * kSecond + 1, 600, 3000, 1'000'000, 100));
    meter.add(frame(11 * kSecond, 1400, 5000, 1'000'000, 300));
    const Measurement measured = meter.measure(12 * kSecond);
    EXPECT_DOUBLE_EQ(measured.tracepoints_per_second, 1000);
    EXPECT_DOUBLE_EQ(measured.spans_per_second, 200);
    EXPECT_DOUBLE_EQ(measured.bytes_per_tracepoint, 4);
    EXPECT_DOUBLE_EQ(measured.bytes_per_span, 20);
    EXPECT_NEAR(measured.delay_ns_mean, 1e6, 1);
    EXPECT_NEAR(static_cast<double>(measured.delay_ns_p50), 1e6, 1e4);
    ASSERT_EQ(measured.instance_rate.size(), 1u);
    EXPECT_DOUBLE_EQ(measured.instance_rate.begin()->second, 1000);
}

TEST(Meter, forgets_what_lies_before_its_window) {
    Meter meter(kSecond);
    meter.restart(kSecond);
    meter.add(frame(kSecond + 1, 1000, 1, 1, 1));
    meter.add(frame(9 * kSecond + kSecond / 2, 50, 1, 1, 1));
    EXPECT_DOUBLE_EQ(meter.measure(10 * kSecond).tracepoints_per_second, 50);
    EXPECT_DOUBLE_EQ(meter.measure(20 * kSecond).tracepoints_per_second, 0);
}

TEST(Meter, imported_spans_say_nothing_about_the_delay) {
    Meter meter(kSecond);
    meter.restart(0);
    meter.add(frame(kSecond, 10, 1, 3600 * kSecond, 5, false));
    const Measurement measured = meter.measure(kSecond);
    EXPECT_EQ(measured.spans, 5u);
    EXPECT_EQ(measured.delay_ns_p99, 0);
}

TEST(Meter, large_frames_weigh_as_much_as_their_spans) {
    Meter meter(10 * kSecond);
    meter.restart(0);
    meter.add(frame(kSecond, 1, 1, 5'000'000, 10));
    meter.add(frame(2 * kSecond, 1, 1, 1'000'000, 5000));
    const Measurement measured = meter.measure(3 * kSecond);
    EXPECT_NEAR(static_cast<double>(measured.delay_ns_p50), 1e6, 1e4);
    EXPECT_NEAR(static_cast<double>(measured.delay_ns_p99), 1e6, 1e4);
}

TEST(Meter, without_frames_measures_nothing) {
    Meter meter(kSecond);
    const Measurement measured = meter.measure(kSecond);
    EXPECT_EQ(measured.tracepoints, 0u);
    EXPECT_DOUBLE_EQ(measured.bytes_per_tracepoint, 0);
}

}  // namespace
}  // namespace spanring::tools
