// How services are divided among processes, and when a span is due.
#include "worker.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace spanring::tools::replay {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

/// Service i has `counts[i]` spans.
Recording recording_of(const std::vector<int>& counts) {
    Recording recording;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        codec::Span span;
        span.resource = std::make_shared<codec::Attributes>(
            codec::Attributes{{"service.name", "s" + std::to_string(i)}});
        for (int k = 0; k < counts[i]; ++k) EXPECT_TRUE(recording.add(span).ok());
    }
    recording.finish();
    return recording;
}

TEST(Divide, one_process_per_service) {
    const auto tasks = divide(recording_of({1, 2, 3}), 0);
    ASSERT_THAT(tasks, SizeIs(3));
    for (const auto& services : tasks) EXPECT_THAT(services, SizeIs(1));
}

TEST(Divide, spreads_the_load) {
    const auto tasks = divide(recording_of({5, 1, 4, 2}), 2);
    ASSERT_THAT(tasks, SizeIs(2));
    EXPECT_THAT(tasks[0], ElementsAre(0, 1));  // 5 + 1
    EXPECT_THAT(tasks[1], ElementsAre(2, 3));  // 4 + 2
}

TEST(Divide, no_service_is_left_out_or_given_twice) {
    const auto tasks = divide(recording_of({1, 1, 1, 1, 1, 1, 1}), 3);
    std::multiset<std::uint32_t> given;
    for (const auto& services : tasks) given.insert(services.begin(), services.end());
    EXPECT_THAT(given, ElementsAre(0, 1, 2, 3, 4, 5, 6));
}

TEST(Divide, never_more_processes_than_services) {
    EXPECT_THAT(divide(recording_of({1, 2}), 10), SizeIs(2));
}

TEST(DueAfter, follows_the_recorded_pace) {
    Row row;
    row.has_start = true;
    row.start_ns = 5'000;
    EXPECT_EQ(due_after_ns(row, 1'000, 1), 4'000);
    EXPECT_EQ(due_after_ns(row, 1'000, 4), 1'000);
    EXPECT_EQ(due_after_ns(row, 1'000, 0), 0);
}

TEST(DueAfter, spans_without_a_start_are_due_at_once) {
    EXPECT_EQ(due_after_ns(Row{}, 1'000, 1), 0);
}

}  // namespace
}  // namespace spanring::tools::replay
