// A hundred thousand spans that are open at once while the consumer is killed.
#include <gtest/gtest.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <vector>

#include "spanring/spanring.hpp"
#include "world.hpp"

namespace spanring::consumer::testing {
namespace {

using namespace std::chrono_literals;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::int64_t kSpans = 10'000;  // a sanitized consumer takes a minute to restore more
#else
constexpr std::int64_t kSpans = 100'000;
#endif
/// The consumer learns the counter's rate from two reads 10 ms apart, and again in its next life.
constexpr std::int64_t kClockSlackNs = 2'000'000;

std::int64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

/// Begins them all, waits for a byte, ends the odd ones forwards and the even ones backwards.
void produce(int told, int go) {
    Configuration configuration;
    configuration.policy = Policy::kBlock;
    configuration.policy_set = true;
    configuration.block_timeout_ns = 60'000'000'000;
    configuration.ring_bytes_max = 4u << 20;
    ASSERT_TRUE(configure(configuration).ok());
    std::vector<AsyncSpan> spans;
    spans.reserve(kSpans);
    for (std::int64_t i = 0; i < kSpans; ++i) {
        const std::int64_t before = now_ns();
        spans.emplace_back("work");
        spans.back().set("n", i).set("begun_after", before).set("begun_before", now_ns());
    }
    ASSERT_TRUE(flush(60s));
    ASSERT_EQ(::write(told, "x", 1), 1);
    char byte = 0;
    ASSERT_EQ(::read(go, &byte, 1), 1);
    const auto end = [](AsyncSpan& span) {
        span.set("ended_after", now_ns());
        span.end();
    };
    for (std::size_t i = 1; i < kSpans; i += 2) end(spans[i]);
    for (std::size_t i = kSpans; i > 0; i -= 2) end(spans[i - 2]);
    EXPECT_EQ(losses().total(), 0u);
    EXPECT_TRUE(flush(60s));
}

TEST(OpenSpans, a_hundred_thousand_survive_a_kill_and_end_once_with_their_durations) {
    World world;
    int told[2], go[2];
    ASSERT_EQ(::pipe(told), 0);
    ASSERT_EQ(::pipe(go), 0);
    ASSERT_GT(world.up(), 0);
    const pid_t pid = world.producer([&] { produce(told[1], go[0]); });
    char byte = 0;
    ASSERT_EQ(::read(told[0], &byte, 1), 1);
    world.kill_consumer();
    ASSERT_GT(world.up(), 0);
    ASSERT_EQ(::write(go[1], "x", 1), 1);
    EXPECT_EQ(World::wait_for(pid), 0);
    const std::int64_t ended_before = now_ns();
    std::vector<bool> seen(kSpans);
    std::size_t count = 0;
    for (const auto& span : world.spans()) {
        ++count;
        const std::int64_t n = number_of(span, "n");
        ASSERT_TRUE(n >= 0 && n < kSpans);
        EXPECT_FALSE(seen[static_cast<std::size_t>(n)]) << n << " twice";
        seen[static_cast<std::size_t>(n)] = true;
        ASSERT_TRUE(span.duration_ns.has_value()) << n;
        EXPECT_FALSE(span.unfinished || span.end_lost || span.truncated);
        const std::int64_t least = number_of(span, "ended_after") - number_of(span, "begun_before");
        EXPECT_GE(*span.duration_ns, least - kClockSlackNs) << n;
        EXPECT_LE(*span.duration_ns, ended_before - number_of(span, "begun_after")) << n;
    }
    EXPECT_EQ(count, static_cast<std::size_t>(kSpans));
    EXPECT_EQ(world.down(), 0);
    EXPECT_TRUE(world.files(".quarantined").empty());
    for (const int end : {told[0], told[1], go[0], go[1]}) ::close(end);
}

}  // namespace
}  // namespace spanring::consumer::testing
