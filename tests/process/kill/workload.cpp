#include "workload.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <chrono>
#include <map>
#include <random>
#include <thread>

#include "spanring/spanring.hpp"
#include "spanring/store/database.hpp"

namespace spanring::kill {
namespace {

using consumer::testing::number_of;

constexpr std::size_t kProgressBytes = 4096;
/// The consumer looks at idle threads every 100 ms, and takes pages that it has seen twice.
constexpr auto kIdle = std::chrono::milliseconds(350);
/// Numbers of spans: those of a thread lie in a range of this size.
constexpr std::int64_t kRange = 1'000'000;

std::string text_attribute(const codec::Span& span) {
    for (const auto& [key, value] : span.attributes) {
        const auto* text = std::get_if<std::string>(&value);
        if (key == "text" && text != nullptr) return *text;
    }
    return {};
}

}  // namespace

Workload::Workload(WorkloadSize size) : size_(size) {
    void* shared =
        ::mmap(nullptr, kProgressBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(shared, MAP_FAILED);
    static_assert(sizeof(Progress) * kProducersMax * kThreadsMax <= kProgressBytes);
    progress_ = static_cast<Progress*>(shared);
}

Workload::~Workload() {
    ::munmap(progress_, kProgressBytes);
}

// Hardly compresses, so that windows fill.
std::string Workload::text_of(std::int64_t number) const {
    std::minstd_rand random(static_cast<unsigned>(number + 1));
    std::string text;
    while (text.size() < size_.text_bytes) {
        text.push_back(static_cast<char>('!' + (random() >> 8) % 90));
    }
    return text;
}

void Workload::write_thread(int producer, int thread) const {
    Progress& at = progress(producer, thread);
    const std::int64_t first = (producer * kThreadsMax + thread) * kRange;
    for (std::uint32_t pair = 0; pair < pairs_of(thread); ++pair) {
        const std::int64_t number = first + 2 * pair;
        const std::string text = text_of(number + 1);
        Span outer("outer"_key);
        outer.set("n"_key, number);
        at.begun.store(2 * pair + 1);
        {
            Span inner("inner"_key);
            inner.set("n"_key, number + 1).set("text"_key, text);
            at.begun.store(2 * pair + 2);
        }
        at.ended.store(2 * pair + 1);
        outer.end();
        at.ended.store(2 * pair + 2);
    }
}

void Workload::produce(int number) const {
    Configuration configuration;
    configuration.policy = Policy::kBlock;
    configuration.policy_set = true;
    configuration.block_timeout_ns = 60'000'000'000;
    configuration.page_bytes = 1024;
    configuration.ring_bytes_initial = 8u << 10;
    configuration.ring_bytes_max = size_.idle_threads == 0 ? 64u << 10 : 16u << 10;
    ASSERT_TRUE(configure(configuration).ok());
    std::vector<std::thread> threads;
    std::atomic<bool> over{size_.idle_threads == 0};
    for (int t = 0; t < kBusyThreads + size_.idle_threads; ++t) {
        threads.emplace_back([&, t] {
            write_thread(number, t);
            over.wait(false);
        });
    }
    if (!over) {
        std::this_thread::sleep_for(kIdle);
        over = true;
        over.notify_all();
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(losses().total(), 0u);
    EXPECT_TRUE(flush(std::chrono::seconds(30)));
}

void Workload::check(const consumer::testing::World& world, const std::vector<bool>& killed,
                     bool may_miss_oldest) const {
    const auto spans = world.spans();
    std::map<std::int64_t, std::vector<const codec::Span*>> by_thread;
    std::size_t unnumbered = 0;
    for (const auto& span : spans) {
        const std::int64_t number = number_of(span, "n");
        if (number >= 0) {
            by_thread[number / kRange].push_back(&span);
            continue;
        }
        // Its writer was killed between the begin and the attribute.
        EXPECT_TRUE(span.unfinished) << span.name;
        ++unnumbered;
    }
    std::size_t under_way = 0;
    for (int producer = 0; producer < static_cast<int>(killed.size()); ++producer) {
        const bool was_killed = killed[static_cast<std::size_t>(producer)];
        const int threads = kBusyThreads + size_.idle_threads;
        if (was_killed) under_way += static_cast<std::size_t>(threads);
        for (int thread = 0; thread < threads; ++thread) {
            SCOPED_TRACE("producer " + std::to_string(producer) + ", thread " +
                         std::to_string(thread));
            check_thread(producer, thread, was_killed, may_miss_oldest,
                         by_thread[producer * kThreadsMax + thread]);
        }
    }
    EXPECT_LE(unnumbered, under_way);
    auto reader = store::Reader::open(world.database);
    ASSERT_TRUE(reader.ok()) << reader.error().message;
    auto stats = (*reader)->stats();
    ASSERT_TRUE(stats.ok()) << stats.error().message;
    for (const auto& losses : stats->losses) {
        EXPECT_EQ(losses.spans + losses.ends + losses.details, 0u) << losses.process_name;
    }
}

void Workload::check_thread(int producer, int thread, bool killed, bool may_miss_oldest,
                            const std::vector<const codec::Span*>& seen) const {
    const std::int64_t first = (producer * kThreadsMax + thread) * kRange;
    const std::uint32_t begun = progress(producer, thread).begun.load();
    const std::uint32_t ended = progress(producer, thread).ended.load();
    if (!killed) {
        EXPECT_EQ(ended, 2 * pairs_of(thread));
    }
    std::vector<const codec::Span*> of(2 * pairs_of(thread), nullptr);
    for (const codec::Span* span : seen) {
        const auto index = static_cast<std::size_t>(number_of(*span, "n") - first);
        ASSERT_LT(index, of.size());
        EXPECT_EQ(of[index], nullptr) << "twice: " << index;
        of[index] = span;
        EXPECT_LE(index, begun) << "was never begun";
    }
    bool any = false;
    for (std::uint32_t place = 0; place < of.size(); ++place) {
        // In the order of their ends, in which they are retired: the inner one comes first.
        const std::uint32_t i = place ^ 1u;
        if (of[i] == nullptr) {
            const bool retired = may_miss_oldest && !any;
            if (i < begun && !retired) ADD_FAILURE() << "lost: " << i << " of " << begun;
            continue;
        }
        any = true;
        const codec::Span& span = *of[i];
        // The inner one, which is odd, ends first.
        const std::uint32_t nth = i % 2 == 1 ? i : i + 2;
        if (ended >= nth) {
            EXPECT_TRUE(span.duration_ns.has_value() && !span.unfinished && !span.end_lost) << i;
        } else if (ended + 1 < nth) {
            EXPECT_TRUE(span.unfinished && !span.duration_ns.has_value()) << i;
        }
        if (i % 2 == 0) continue;
        if (i < begun) {
            EXPECT_EQ(text_attribute(span), text_of(first + i)) << i;
        }
        const codec::Span* outer = of[i - 1];
        if (outer == nullptr) continue;
        EXPECT_EQ(span.parent_id, outer->span_id) << i;
        EXPECT_EQ(span.trace_id, outer->trace_id) << i;
    }
}

}  // namespace spanring::kill
