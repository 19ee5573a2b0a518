// Full rings: what is stored and what is counted lost add up exactly, and nothing mispairs.
#include <atomic>
#include <thread>

#include "mini_consumer.hpp"

namespace spanring::test {

/// A scope that outlives its thread; reachable, and so no leak.
std::atomic<Scope*> g_kept{nullptr};

namespace {

using namespace literals;

Configuration small_ring() {
    Configuration configuration;
    configuration.ring_bytes_max = 64 << 10;
    configuration.ring_bytes_initial = 64 << 10;
    return configuration;
}

std::uint64_t sum(const std::uint64_t (&counts)[kLossReasons]) {
    std::uint64_t total = 0;
    for (const auto count : counts) total += count;
    return total;
}

struct Seen {
    std::map<std::string, codec::Span> by_id;
    std::uint64_t end_lost{0};
    std::uint64_t attributes{0};
    std::uint64_t events{0};
    std::uint64_t unfinished{0};
};

void look(Seen& seen, const std::vector<codec::Span>& spans) {
    for (const auto& span : spans) {
        EXPECT_TRUE(seen.by_id.emplace(to_hex(span.span_id), span).second) << "stored twice";
        seen.end_lost += span.end_lost ? 1 : 0;
        seen.unfinished += span.unfinished ? 1 : 0;
        seen.attributes += span.attributes.size();
        seen.events += span.events.size();
    }
}

TEST(FullRing, drops_and_counts_exactly) {
    traced(
        [](TestDirectory&, MiniConsumer& consumer) {
            constexpr std::uint64_t kSpans = 40'000;
            Seen seen;
            std::uint64_t details = 0;
            for (std::uint64_t i = 0; i < kSpans / 2; ++i) {
                Span outer("outer");
                const bool outer_recording = outer.recording();
                {
                    Span inner("inner"_key);
                    if (inner.recording()) {
                        inner.set("n"_key, i).event("e"_key);
                        details += 2;
                    }
                }
                if (outer_recording) {
                    outer.set("text", "some text that takes room");
                    ++details;
                }
                if (i % 7000 == 6999) look(seen, consumer.drain());
            }
            look(seen, consumer.drain());
            (void)flush_ns(0);  // writes what this thread still owes, now that there is room
            look(seen, consumer.drain());
            const Losses lost = losses();
            EXPECT_GT(lost.spans[0], 0u) << "the ring never filled";
            EXPECT_EQ(seen.by_id.size() + sum(lost.spans), kSpans);
            EXPECT_EQ(seen.end_lost, sum(lost.ends));
            EXPECT_EQ(seen.attributes + seen.events + sum(lost.details), details);
            EXPECT_EQ(seen.unfinished, 0u);
            EXPECT_EQ(consumer.close().size(), 0u) << "spans left open";
            for (const auto& [id, span] : seen.by_id) {
                EXPECT_EQ(span.parent_id.valid(), span.name == "inner");
            }
        },
        small_ring());
}

TEST(FullRing, tells_async_ends_that_were_lost) {
    traced(
        [](TestDirectory&, MiniConsumer& consumer) {
            std::vector<AsyncSpan> open;
            for (int i = 0; i < 1000; ++i) open.emplace_back("async");
            while (Span("fill").recording()) {
            }
            const std::uint64_t before = sum(losses().ends);
            for (auto& span : open) span.end();
            EXPECT_EQ(sum(losses().ends) - before, 1000u);
            Seen seen;
            look(seen, consumer.drain());
            (void)flush_ns(0);
            look(seen, consumer.drain());
            std::uint64_t lost = 0;
            for (const auto& [id, span] : seen.by_id) {
                lost += span.name == "async" && span.end_lost ? 1 : 0;
            }
            EXPECT_EQ(lost, 1000u);
        },
        small_ring());
}

TEST(Disabled, ends_of_threads_without_a_slot_are_counted_and_told) {
    traced([](TestDirectory& directory, MiniConsumer& consumer) {
        AsyncSpan open("async");
        directory.control().set_enabled(false);
        std::thread([&] {
            open.end();
            EXPECT_EQ(sum(losses().ends), 1u);
            directory.control().set_enabled(true);
            Span next("next");
        }).join();
        const auto spans = consumer.drain();
        EXPECT_TRUE(one(spans, "async").end_lost);
    });
}

TEST(FullRing, is_told_by_the_next_thread_if_its_own_has_gone) {
    traced(
        [](TestDirectory&, MiniConsumer& consumer) {
            std::thread([] {
                Span open("open");
                while (Span("fill").recording()) {
                }
            }).join();
            const std::uint64_t ends = sum(losses().ends);
            EXPECT_GE(ends, 1u);
            Seen seen;
            look(seen, consumer.drain());
            (void)flush_ns(1'000'000);
            look(seen, consumer.drain());
            EXPECT_EQ(seen.end_lost, ends);
            EXPECT_EQ(consumer.close().size(), 0u);
        },
        small_ring());
}

TEST(FullRing, contexts_of_an_exited_thread_are_there_until_they_are_told) {
    constexpr const char* kRemote = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    traced(
        [&](TestDirectory&, MiniConsumer& consumer) {
            Span* open = nullptr;
            std::thread([&] {
                // Neither ends with its thread: the stack has to be told when there is room again.
                g_kept = new Scope(Context::from_headers(kRemote, "vendor=1", "").attach());
                open = new Span("open");
                while (Span("fill").recording()) {
                }
            }).join();
            Seen seen;
            look(seen, consumer.drain());
            (void)flush_ns(1'000'000);
            delete open;
            look(seen, consumer.drain());
            look(seen, consumer.close());
            std::uint64_t found = 0;
            for (const auto& [id, span] : seen.by_id) {
                EXPECT_EQ(to_hex(span.trace_id), "0af7651916cd43dd8448eb211c80319c");
                found += span.name == "open" ? 1 : 0;
            }
            EXPECT_EQ(found, 1u);
        },
        small_ring());
}

TEST(FullRing, with_the_block_policy_loses_nothing) {
    Configuration configuration = small_ring();
    configuration.policy = Policy::kBlock;
    configuration.block_timeout_ns = 20'000'000'000;
    traced(
        [](TestDirectory&, MiniConsumer& consumer) {
            std::atomic<bool> done{false};
            constexpr int kSpans = 20'000;
            std::thread writer([&] {
                for (int i = 0; i < kSpans; ++i) {
                    Span span("blocked"_key);
                    span.set("n"_key, i);
                    if (i % 1000 == 0) span.set("large", std::string(100'000, 'x'));
                }
                done = true;
            });
            Seen seen;
            while (!done) look(seen, consumer.drain());
            writer.join();
            look(seen, consumer.drain());
            EXPECT_EQ(seen.by_id.size(), static_cast<std::size_t>(kSpans));
            EXPECT_EQ(seen.attributes, kSpans + 20u);
            EXPECT_EQ(losses().total(), 0u);
        },
        configuration);
}

// Three writers of values that take up to half of the ring each, who give up now and then.
TEST(FullRing, with_the_block_policy_keeps_large_values_whole) {
    Configuration configuration = small_ring();
    configuration.page_bytes = 1024;
    configuration.policy = Policy::kBlock;
    configuration.block_timeout_ns = 2'000'000;
    traced(
        [](TestDirectory&, MiniConsumer& consumer) {
            constexpr std::size_t kLarge = 12'000;
            std::atomic<int> running{3};
            std::atomic<std::uint64_t> details{0};
            std::vector<std::thread> threads;
            for (int t = 0; t < 3; ++t) {
                threads.emplace_back([&] {
                    for (int i = 0; i < 300; ++i) {
                        Span span("large");
                        if (!span.recording()) continue;
                        const std::string text(kLarge, 'x');
                        span.set("text", text);
                        span.event("event", {{"text", text}});
                        details += 2;
                    }
                    --running;
                });
            }
            Seen seen;
            while (running != 0) {
                std::this_thread::sleep_for(std::chrono::milliseconds(5));
                look(seen, consumer.drain());
            }
            for (auto& thread : threads) thread.join();
            for (int i = 0; i < 3; ++i) {
                (void)flush_ns(0);
                look(seen, consumer.drain());
            }
            const Losses lost = losses();
            EXPECT_GT(sum(lost.details), 0u) << "nobody ever gave up";
            EXPECT_EQ(seen.attributes + seen.events + sum(lost.details), details);
            const auto is_whole = [](const auto& attribute) {
                return std::get<std::string>(attribute.second).size() == kLarge;
            };
            for (const auto& [id, span] : seen.by_id) {
                for (const auto& attribute : span.attributes) EXPECT_TRUE(is_whole(attribute));
                for (const auto& event : span.events) {
                    ASSERT_EQ(event.attributes.size(), 1u);
                    EXPECT_TRUE(is_whole(event.attributes[0]));
                }
            }
        },
        configuration);
}

// Each value claims pages for the worst case. What it leaves is the next one's, or the ring would
// fill with pages that nobody writes.
TEST(FullRing, does_not_keep_the_pages_that_large_values_leave) {
    Configuration configuration = small_ring();
    configuration.page_bytes = 1024;
    traced(
        [](TestDirectory&, MiniConsumer& consumer) {
            constexpr std::size_t kValues = 500;
            const std::string text(1000, 'x');
            Seen seen;
            for (std::size_t i = 0; i < kValues; ++i) {
                Span outer("outer"_key);
                Span("large"_key).set("text"_key, text);
                outer.end();
                look(seen, consumer.drain());
            }
            EXPECT_EQ(losses().total(), 0u);
            EXPECT_EQ(seen.attributes, kValues);
        },
        configuration);
}

TEST(FullRing, gives_a_blocked_tracepoint_up_after_its_time) {
    Configuration configuration = small_ring();
    configuration.policy = Policy::kBlock;
    configuration.block_timeout_ns = 1'000'000;
    traced(
        [](TestDirectory&, MiniConsumer&) {
            while (Span("fill").recording()) {
            }
            EXPECT_GE(losses().spans[0], 1u);
        },
        configuration);
}

TEST(FullRing, shared_by_threads_adds_up) {
    traced(
        [](TestDirectory&, MiniConsumer& consumer) {
            constexpr int kThreads = 4;
            constexpr int kEach = 20'000;
            std::atomic<int> running{kThreads};
            std::vector<std::thread> threads;
            for (int t = 0; t < kThreads; ++t) {
                threads.emplace_back([&] {
                    for (int i = 0; i < kEach / 2; ++i) {
                        Span a("a"_key);
                        Span b("b"_key);
                    }
                    --running;
                });
            }
            Seen seen;
            while (running != 0) look(seen, consumer.drain());
            for (auto& thread : threads) thread.join();
            look(seen, consumer.drain());
            (void)flush_ns(1'000'000);
            look(seen, consumer.drain());
            const Losses lost = losses();
            EXPECT_EQ(seen.by_id.size() + sum(lost.spans),
                      static_cast<std::uint64_t>(kThreads) * kEach);
            EXPECT_EQ(seen.end_lost, sum(lost.ends));
            EXPECT_EQ(consumer.close().size(), 0u);
        },
        small_ring());
}

}  // namespace
}  // namespace spanring::test
