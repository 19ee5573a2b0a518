// The consumer is killed again and again under load: nothing is lost and nothing comes twice.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <random>
#include <thread>

#include "spanring/shm/directory.hpp"
#include "spanring/shm/mapping/segment_reader.hpp"
#include "spanring/spanring.hpp"
#include "world.hpp"

namespace spanring::consumer::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kThreads = 3;

/// Spans numbered without gaps, nested in pairs, by several threads; blocks when the ring is full.
void produce(std::int64_t per_thread) {
    Configuration configuration;
    configuration.policy = Policy::kBlock;
    configuration.policy_set = true;
    configuration.block_timeout_ns = 60'000'000'000;
    configuration.ring_bytes_max = 2u << 20;
    ASSERT_TRUE(configure(configuration).ok());
    std::vector<std::thread> threads;
    for (std::int64_t t = 0; t < kThreads; ++t) {
        threads.emplace_back([t, per_thread] {
            for (std::int64_t i = 0; i < per_thread; i += 2) {
                Span outer("outer");
                outer.set("n", t * per_thread + i);
                Span inner("inner");
                inner.set("n", t * per_thread + i + 1).set("text", "some text to fill the ring");
                if (i % 200 == 0) std::this_thread::sleep_for(1ms);
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(losses().total(), 0u);
    EXPECT_TRUE(flush(30s));
}

TEST(Kill, a_consumer_killed_at_any_time_loses_nothing_and_repeats_nothing) {
    const char* wanted = std::getenv("SPANRING_TEST_KILLS");
    const int kills = wanted == nullptr ? 25 : std::atoi(wanted);
    const std::int64_t per_thread = 200 * (kills + 10);
    World world;
    ASSERT_GT(world.up(), 0);
    const pid_t pid = world.producer([per_thread] { produce(per_thread); });
    std::mt19937 random(20261122);
    for (int i = 0; i < kills; ++i) {
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 30000));
        world.kill_consumer();
        ASSERT_GT(world.up(), 0);
    }
    EXPECT_EQ(World::wait_for(pid), 0);
    const auto total = static_cast<std::size_t>(kThreads * per_thread);
    const auto spans = world.spans_when([&](const auto& s) { return s.size() >= total; });
    std::map<std::int64_t, int> seen;
    std::map<SpanId, const codec::Span*> by_id;
    for (const auto& span : spans) {
        ++seen[number_of(span, "n")];
        by_id[span.span_id] = &span;
        EXPECT_FALSE(span.unfinished || span.end_lost);
    }
    EXPECT_EQ(spans.size(), total);
    EXPECT_EQ(seen.size(), total);
    for (const auto& span : spans) {
        if (span.name != "inner") continue;
        const auto parent = by_id.find(span.parent_id);
        ASSERT_NE(parent, by_id.end());
        EXPECT_EQ(number_of(*parent->second, "n") + 1, number_of(span, "n"));
        EXPECT_EQ(parent->second->trace_id, span.trace_id);
    }
    EXPECT_EQ(world.down(), 0);
}

// As if it had died between a commit and the word to the producer.
void forget_what_was_told(const World& world) {
    auto directory = shm::RingDirectory::open(world.directory, shm::RingDirectory::Create::kNo);
    ASSERT_TRUE(directory.ok());
    const auto names = directory->segments();
    ASSERT_TRUE(names.ok());
    ASSERT_EQ(names->size(), 1u);
    auto segment = shm::SegmentReader::attach(*directory, names->front(),
                                              shm::SegmentReader::Mode::kReadWrite);
    ASSERT_TRUE(segment.ok()) << segment.error().message;
    std::vector<shm::PageView> pages;
    ASSERT_TRUE(segment->peek_all(&pages).ok());
    ASSERT_FALSE(pages.empty());
    for (const auto& page : pages) {
        ASSERT_TRUE(segment->set_stored(page.page, page.generation, 0).ok());
    }
}

TEST(Kill, what_was_committed_and_not_told_is_told_by_the_next_consumer) {
    World world;
    ASSERT_GT(world.up(), 0);
    int written[2];
    int go[2];
    ASSERT_EQ(::pipe(written), 0);
    ASSERT_EQ(::pipe(go), 0);
    const pid_t pid = world.producer([&] {
        { SPANRING_SPAN("committed"); }
        EXPECT_TRUE(flush(30s));
        char byte = 0;
        EXPECT_EQ(::write(written[1], &byte, 1), 1);
        EXPECT_EQ(::read(go[0], &byte, 1), 1);
        EXPECT_TRUE(flush(30s)) << "all of it is queryable";
    });
    char byte = 0;
    ASSERT_EQ(::read(written[0], &byte, 1), 1);
    world.kill_consumer();
    forget_what_was_told(world);
    ASSERT_GT(world.up(), 0);
    ASSERT_EQ(::write(go[1], &byte, 1), 1);
    EXPECT_EQ(World::wait_for(pid), 0);
    for (const int fd : {written[0], written[1], go[0], go[1]}) ::close(fd);
    EXPECT_EQ(world.spans().size(), 1u);
    EXPECT_EQ(world.down(), 0);
}

}  // namespace
}  // namespace spanring::consumer::testing
