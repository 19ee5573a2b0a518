// A segment that is replaced: the consumer took this live process for dead.
#include <fcntl.h>
#include <sys/resource.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <thread>

#include "call_faults.hpp"
#include "mini_consumer.hpp"
#include "spanring/base/os.hpp"
#include "tracepoint.hpp"

namespace spanring::test {
namespace {

using namespace literals;
using testing::open_descriptors;

TEST(Consumers, that_judge_us_dead_by_mistake_get_a_new_segment) {
    traced([](TestDirectory& directory, MiniConsumer& consumer) {
        { Span span("before"_key); }
        auto names = directory.directory().segments();
        ASSERT_EQ(names->size(), 1u);
        auto reader = shm::SegmentReader::attach(directory.directory(), names->front(),
                                                 shm::SegmentReader::Mode::kReadWrite);
        ASSERT_TRUE(reader->revoke().ok());
        for (int i = 0; i < 2000; ++i) Span("filler"_key).set("x"_key, i);
        { Span span("after"); }
        const auto spans = consumer.close();
        EXPECT_EQ(consumer.segments(), 2u);
        one(spans, "before");
        one(spans, "after");
    });
}

void revoke_all(const TestDirectory& directory) {
    const auto names = directory.directory().segments();
    ASSERT_TRUE(names.ok());
    for (const auto& name : *names) {
        auto reader = shm::SegmentReader::attach(directory.directory(), name,
                                                 shm::SegmentReader::Mode::kReadWrite);
        ASSERT_TRUE(reader.ok() && reader->revoke().ok());
    }
}

TEST(Replacement, by_another_thread_amid_a_tracepoint_leaves_nothing_to_claim) {
    traced([](TestDirectory& directory, MiniConsumer& consumer) {
        { Span before("before"); }
        {
            detail::Tracepoint amid;
            ASSERT_TRUE(amid.ready());
            revoke_all(directory);
            std::thread([] { Span other("other"); }).join();
            LossReason reason{};
            EXPECT_FALSE(detail::turn_page(amid.process(), amid.writer(), 8, reason));
            EXPECT_FALSE(detail::claim_ahead(amid.process(), amid.writer(), 2, reason));
        }
        { Span after("after"); }
        const auto spans = consumer.close();
        EXPECT_EQ(spans.size(), 3u);
        one(spans, "before");
        one(spans, "other");
        one(spans, "after");
    });
}

TEST(Replacement, that_fails_again_and_again_counts_older_losses_once) {
    traced([](TestDirectory& directory, MiniConsumer&) {
        {
            Span span("span");
            detail::Tracepoint lossy;
            for (int i = 0; i < 10; ++i) lossy.lost(detail::Loss::kDetail);
        }
        revoke_all(directory);
        for (int attempt = 0; attempt < 3; ++attempt) {
            os::inject_lasting_fault(os::Call::kAllocate, 1, ENOSPC);
            { Span lost("lost"); }
            EXPECT_GT(os::clear_fault(), 0u);
            detail::process()->retry_at_ns = 0;
        }
        EXPECT_EQ(losses().details[0], 10u);
        { Span stored("stored"); }
        EXPECT_EQ(losses().details[0], 10u);
        EXPECT_EQ(losses().spans[static_cast<unsigned>(LossReason::kNoMemory)], 3u);
    });
}

TEST(Replacement, that_fails_at_any_call_leaves_no_segment_behind) {
    Configuration small;
    small.ring_bytes_max = small.ring_bytes_initial = 64 << 10;
    traced(
        [](TestDirectory& directory, MiniConsumer&) {
            { Span first("first"_key); }
            std::size_t segments = 1;
            int failures = 0;
            for (std::uint64_t nth = 1;; ++nth) {
                ASSERT_LT(nth, 200u);
                revoke_all(directory);
                detail::process()->retry_at_ns = 0;
                os::inject_fault(os::Call::kAllocate, nth, ENOSPC);
                const std::uint32_t epoch = detail::process()->epoch;
                { Span span("span"_key); }
                const bool replaced = detail::process()->epoch != epoch;
                if (os::clear_fault() == 0) break;
                segments += replaced ? 1 : 0;
                failures += replaced ? 0 : 1;
                EXPECT_EQ(directory.directory().segments()->size(), segments) << nth;
            }
            EXPECT_GT(failures, 0);
        },
        small);
}

// They were dropped and not counted, although begin and end are written as long as the page has
// room.
TEST(Replacement, that_fails_counts_the_details_of_spans_that_go_on) {
    traced([](TestDirectory& directory, MiniConsumer& consumer) {
        { Span first("span"_key); }
        revoke_all(directory);
        os::inject_lasting_fault(os::Call::kAllocate, 1, ENOSPC);
        {
            Span span("span"_key);
            span.set("key", 1);
            event("event"_key);
            span.set_status(StatusCode::kError, "text");
        }
        EXPECT_GT(os::clear_fault(), 0u);
        EXPECT_EQ(losses().details[static_cast<unsigned>(LossReason::kNoMemory)], 3u);
        EXPECT_EQ(consumer.close().size(), 2u);
    });
}

std::size_t mapped_segments() {
    std::ifstream maps("/proc/self/maps");
    std::size_t count = 0;
    for (std::string line; std::getline(maps, line);) {
        if (line.find(".seg") != std::string::npos) ++count;
    }
    return count;
}

Configuration tiny_ring() {
    Configuration small;
    small.ring_bytes_max = small.ring_bytes_initial = 256 << 10;
    return small;
}

TEST(Replacement, again_and_again_keeps_neither_descriptors_nor_mappings) {
    traced(
        [](TestDirectory& directory, MiniConsumer&) {
            { Span first("first"_key); }
            const std::size_t descriptors = open_descriptors();
            for (int i = 0; i < 40; ++i) {
                revoke_all(directory);
                { Span span("span"); }
            }
            EXPECT_EQ(open_descriptors(), descriptors);
            EXPECT_EQ(mapped_segments(), 1u);
            EXPECT_EQ(losses().total(), 0u);
        },
        tiny_ring());
}

TEST(Replacement, beside_busy_threads_loses_nothing_that_is_not_counted) {
    traced(
        [](TestDirectory& directory, MiniConsumer& consumer) {
            std::atomic<bool> stop{false};
            std::atomic<std::uint64_t> emitted{0};
            std::vector<std::thread> threads;
            for (int t = 0; t < 3; ++t) {
                threads.emplace_back([&] {
                    while (!stop) {
                        {
                            Span span("busy"_key);
                            span.set("text", "inline and interned");
                        }
                        ++emitted;
                        std::this_thread::sleep_for(std::chrono::microseconds(20));
                    }
                });
            }
            std::uint64_t stored = 0;
            for (int i = 0; i < 60; ++i) {
                revoke_all(directory);
                std::this_thread::sleep_for(std::chrono::milliseconds(2));
                stored += consumer.drain().size();
            }
            stop = true;
            for (auto& thread : threads) thread.join();
            stored += consumer.close().size();
            const Losses lost = losses();
            std::uint64_t spans = 0;
            for (const std::uint64_t reason : lost.spans) spans += reason;
            EXPECT_EQ(stored + spans, emitted);
            EXPECT_GT(consumer.segments(), 2u);
        },
        tiny_ring());
}

/// Threads that have a slot in the segment of their first tracepoint, and stay idle.
class IdleThreads {
public:
    ~IdleThreads() { end(); }
    void add() {
        std::atomic<bool> ready{false};
        threads_.emplace_back([&] {
            { Span span("idle"); }
            ready = true;
            while (!stop_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
            { Span span("awake"); }
        });
        while (!ready) std::this_thread::yield();
    }
    void end() {
        stop_ = true;
        for (auto& thread : threads_) thread.join();
        threads_.clear();
    }

private:
    std::atomic<bool> stop_{false};
    std::vector<std::thread> threads_;
};

TEST(Replacement, waits_for_threads_to_leave_when_many_older_segments_are_held) {
    traced(
        [](TestDirectory& directory, MiniConsumer& consumer) {
            IdleThreads idle;
            for (std::uint32_t i = 0; i < detail::kSegmentsMax; ++i) {
                idle.add();
                revoke_all(directory);
            }
            EXPECT_EQ(mapped_segments(), detail::kSegmentsMax);
            { Span lost("lost"); }
            EXPECT_EQ(losses().spans[static_cast<unsigned>(LossReason::kNoMemory)], 1u);
            EXPECT_NE(status().reason.find("replaced"), std::string::npos) << status().reason;
            detail::process()->retry_at_ns = 0;
            idle.end();
            detail::process()->retry_at_ns = 0;
            { Span again("again"); }
            EXPECT_EQ(mapped_segments(), 1u);
            std::map<std::string, int> names;
            for (const auto& span : consumer.close()) ++names[span.name];
            EXPECT_EQ(names["idle"], static_cast<int>(detail::kSegmentsMax));
            EXPECT_EQ(names["again"], 1);
        },
        tiny_ring());
}

TEST(Replacement, that_fails_leaks_no_descriptor_and_is_tried_again) {
    traced(
        [](TestDirectory& directory, MiniConsumer& consumer) {
            { Span first("first"); }
            const std::size_t descriptors = open_descriptors();
            std::uint64_t attempts = 0;
            for (const auto& [call, error] :
                 {std::pair{os::Call::kOpen, EMFILE}, std::pair{os::Call::kOpen, ENFILE},
                  std::pair{os::Call::kAllocate, ENOSPC}}) {
                revoke_all(directory);
                for (int i = 0; i < 3; ++i, ++attempts) {
                    detail::process()->retry_at_ns = 0;
                    os::inject_lasting_fault(call, 1, error);
                    { Span lost("lost"); }
                    EXPECT_GT(os::clear_fault(), 0u);
                    EXPECT_EQ(open_descriptors(), descriptors);
                }
            }
            EXPECT_EQ(losses().spans[static_cast<unsigned>(LossReason::kNoMemory)], attempts);
            detail::process()->retry_at_ns = 0;
            { Span stored("stored"); }
            EXPECT_EQ(open_descriptors(), descriptors);
            one(consumer.close(), "stored");
        },
        tiny_ring());
}

TEST(Replacement, after_the_application_closed_our_descriptors_closes_none_of_its_own) {
    traced(
        [](TestDirectory& directory, MiniConsumer&) {
            { Span first("first"); }
            const int segment = detail::process()->wiped->current->writer.mapping().fd;
            const int ring = detail::process()->directory->fd();
            const int own = ::open("/dev/null", O_RDWR);
            ASSERT_EQ(::dup2(own, segment), segment);
            ASSERT_EQ(::dup2(own, ring), ring);
            revoke_all(directory);
            { Span span("span"); }
            EXPECT_EQ(mapped_segments(), 1u);
            EXPECT_NE(::fcntl(segment, F_GETFD), -1) << "the application's by now";
            EXPECT_NE(::fcntl(ring, F_GETFD), -1);
            EXPECT_EQ(losses().total(), 0u);
        },
        tiny_ring());
}

TEST(Start, without_memory_for_its_thread_counts_and_records_later) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        os::inject_fault(os::Call::kAdvise, 1, ENOMEM);
        { Span lost("lost"); }
        EXPECT_EQ(os::clear_fault(), 1u);
        { Span stored("stored"); }
        EXPECT_EQ(losses().spans[static_cast<unsigned>(LossReason::kNoMemory)], 1u);
        one(consumer.close(), "stored");
    });
}

TEST(Start, without_descriptors_counts_and_records_later) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        for (int i = 0; i < 4; ++i) {
            os::inject_lasting_fault(os::Call::kOpen, 1, EMFILE);
            { Span lost("lost"); }
            EXPECT_GT(os::clear_fault(), 0u) << i;
            detail::process()->retry_at_ns = 0;
        }
        { Span stored("stored"); }
        EXPECT_EQ(losses().spans[static_cast<unsigned>(LossReason::kNoMemory)], 4u);
        const auto spans = consumer.close();
        EXPECT_EQ(spans.size(), 1u);
        one(spans, "stored");
    });
}

}  // namespace
}  // namespace spanring::test
