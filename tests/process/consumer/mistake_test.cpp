// A live process that is judged dead by mistake: it goes on in a ring of its own making, and what
// it wrote before, during and after is stored or counted.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include "spanring/abi/segment_layout.h"
#include "spanring/spanring.hpp"
#include "world.hpp"

namespace spanring::consumer::testing {
namespace {

using namespace std::chrono_literals;

std::uint64_t sum(const auto& counts) {
    return std::accumulate(std::begin(counts), std::end(counts), std::uint64_t{0});
}

/// What a process of another pid namespace says of its start, to whoever sees only its lock.
void hide_start(const std::string& segment) {
    const int fd = ::open(segment.c_str(), O_RDWR);
    ASSERT_GE(fd, 0);
    const std::uint64_t unknown = 0;
    EXPECT_EQ(
        ::pwrite(fd, &unknown, sizeof unknown, offsetof(spanring_segment_header, pid_start_ticks)),
        static_cast<ssize_t>(sizeof unknown));
    ::close(fd);
}

/// In the producer: POSIX takes the record lock away with any descriptor of the file.
void drop_lock(const std::string& segment) {
    const int fd = ::open(segment.c_str(), O_RDONLY);
    EXPECT_GE(fd, 0);
    ::close(fd);
}

/// What the producer says at its end.
struct Report {
    std::uint64_t begun{0};
    std::uint64_t lost_spans{0};
    std::uint64_t lost_ends{0};
    std::uint64_t lost_details{0};
};

class Mistake : public ::testing::Test {
protected:
    /// `before` runs with a ring that the consumer will lose sight of, `after` once it is lost.
    Report run(const std::function<void(Report&)>& before,
               const std::function<void(Report&)>& after) {
        int up[2], down[2];
        EXPECT_EQ(::pipe(up), 0);
        EXPECT_EQ(::pipe(down), 0);
        EXPECT_GT(world.up(), 0);
        world.kill_consumer();  // so that its successor attaches what hide_start made of the ring
        const pid_t pid = world.producer([&] {
            Report report;
            char byte = 0;
            { Span first("first"); }
            report.begun = 1;
            EXPECT_EQ(::write(up[1], "x", 1), 1);
            EXPECT_EQ(::read(down[0], &byte, 1), 1);
            before(report);
            drop_lock(own_ring());
            after(report);
            EXPECT_TRUE(flush(10s));
            report.lost_spans = sum(losses().spans);
            report.lost_ends = sum(losses().ends);
            report.lost_details = sum(losses().details);
            EXPECT_EQ(::write(up[1], &report, sizeof report), static_cast<ssize_t>(sizeof report));
        });
        char byte = 0;
        EXPECT_EQ(::read(up[0], &byte, 1), 1);
        hide_start(ring_of(pid));
        EXPECT_GT(world.up(), 0);
        // While the consumer sleeps, the first tracepoint takes the slow way to ring for it.
        const pid_t noise = world.producer([] {
            for (;;) {
                { Span span("noise"); }
                std::this_thread::sleep_for(5ms);
            }
        });
        EXPECT_EQ(::write(down[1], "x", 1), 1);
        Report report;
        EXPECT_EQ(::read(up[0], &report, sizeof report), static_cast<ssize_t>(sizeof report));
        EXPECT_EQ(World::wait_for(pid), 0);
        ::kill(noise, SIGKILL);
        EXPECT_EQ(World::wait_for(noise), -SIGKILL);
        for (const int end : {up[0], up[1], down[0], down[1]}) ::close(end);
        return report;
    }
    /// In the producer.
    void wait_until_reaped() const {
        const auto end = std::chrono::steady_clock::now() + 20s;
        const std::string file = own_ring();
        while (std::filesystem::exists(file) && std::chrono::steady_clock::now() < end) {
            std::this_thread::sleep_for(1ms);
        }
        EXPECT_FALSE(std::filesystem::exists(file));
    }

    [[nodiscard]] std::vector<codec::Span> spans_when(
        const std::function<bool(const std::vector<codec::Span>&)>& enough) const {
        std::vector<codec::Span> found;
        (void)world.spans_when([&](const auto& all) {
            found.clear();
            std::copy_if(all.begin(), all.end(), std::back_inserter(found),
                         [](const auto& span) { return span.name != "noise"; });
            return enough(found);
        });
        return found;
    }

    World world;

private:
    [[nodiscard]] std::string ring_of(pid_t pid) const {
        for (const std::string& name : world.files(".seg")) {
            if (name.starts_with(std::to_string(pid) + "-")) return world.directory + "/" + name;
        }
        ADD_FAILURE() << "no ring";
        return {};
    }
    /// In the producer: before the consumer has lost sight of it.
    [[nodiscard]] std::string own_ring() const {
        static const std::string ring = ring_of(::getpid());
        return ring;
    }
};

/// By a call site that knows its name's number after the first time: the hot path.
void one_span() {
    SPANRING_SPAN("next");
}

/// A span is open while its process is judged dead; `next` is begun before or after the first thing
/// that is done to it: a begin and an end have a way of their own through the producer.
class MistakeOrder : public Mistake, public ::testing::WithParamInterface<bool> {};

TEST_P(MistakeOrder, what_is_done_to_a_span_after_the_last_look_is_counted) {
    const bool begin_first = GetParam();
    std::unique_ptr<Span> open;
    const Report report = run(
        [&](Report& r) {
            open = std::make_unique<Span>("open");
            open->set("early", 1);
            one_span();
            r.begun += 2;
        },
        [&](Report& r) {
            wait_until_reaped();
            if (begin_first) one_span();
            open->set("late", 2);
            open.reset();
            if (!begin_first) one_span();
            ++r.begun;
        });
    EXPECT_EQ(report.lost_spans, 0u);
    EXPECT_EQ(report.lost_ends, 1u);
    EXPECT_EQ(report.lost_details, 1u);
    const auto spans = spans_when([](const auto& s) { return s.size() == 4; });
    ASSERT_EQ(spans.size(), 4u);
    for (const auto& span : spans) {
        EXPECT_EQ(span.unfinished, span.name == "open") << span.name;
        EXPECT_EQ(number_of(span, "early"), span.name == "open" ? 1 : -1);
        EXPECT_EQ(number_of(span, "late"), -1);
    }
    EXPECT_EQ(world.down(), 0);
    EXPECT_TRUE(world.files(".quarantined").empty());
}

INSTANTIATE_TEST_SUITE_P(BeginFirst, MistakeOrder, ::testing::Bool());

TEST_F(Mistake, what_threads_write_meanwhile_is_stored_or_counted) {
    constexpr std::uint64_t kWriters = 3;
    const Report report = run([](Report&) {},
                              [&](Report& r) {
                                  std::atomic<bool> stop{false};
                                  std::atomic<std::uint64_t> begun{0};
                                  std::vector<std::thread> threads;
                                  for (std::uint64_t t = 0; t < kWriters; ++t) {
                                      threads.emplace_back([&stop, &begun] {
                                          std::uint64_t mine = 0;
                                          while (!stop.load()) {
                                              one_span();
                                              Span span("span");
                                              span.set("n", static_cast<std::int64_t>(mine));
                                              if (++mine % 4 == 0) {
                                                  std::this_thread::sleep_for(1ms);
                                              }
                                          }
                                          begun += 2 * mine;
                                      });
                                  }
                                  wait_until_reaped();
                                  std::this_thread::sleep_for(100ms);
                                  stop.store(true);
                                  for (auto& thread : threads) thread.join();
                                  r.begun += begun.load();
                              });
    const auto spans =
        spans_when([&](const auto& s) { return s.size() + report.lost_spans >= report.begun; });
    EXPECT_EQ(spans.size() + report.lost_spans, report.begun);
    std::uint64_t unfinished = 0;
    std::uint64_t without = 0;
    for (const auto& span : spans) {
        unfinished += span.unfinished ? 1 : 0;
        without += span.name == "span" && number_of(span, "n") == -1 ? 1 : 0;
    }
    EXPECT_EQ(unfinished, report.lost_ends);
    EXPECT_EQ(without, report.lost_details);
    EXPECT_EQ(world.down(), 0);
    EXPECT_TRUE(world.files(".quarantined").empty());
}

}  // namespace
}  // namespace spanring::consumer::testing
