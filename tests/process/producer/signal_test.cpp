// Signal handlers that trace, over a thread that is in malloc, in its first tracepoint or in its
// exit: nothing waits for itself, nothing is allocated, nothing goes uncounted.
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <map>
#include <thread>

#include "../../unit/producer/mini_consumer.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SPANRING_OWN_MALLOC 0
#else
#define SPANRING_OWN_MALLOC 1
#endif

namespace {
/// Allocations until a signal comes in the middle of one; 0: none comes.
thread_local int t_interrupt_in = 0;
thread_local bool t_inside = false;
std::atomic<int> g_interrupted{0};
std::atomic<int> g_nested{0};

/// As a lock would, which a handler over its holder waits for in vain.
void inside_malloc() {
    if (t_inside) ++g_nested;
    if (t_interrupt_in == 0 || --t_interrupt_in != 0) return;
    t_inside = true;
    ++g_interrupted;
    ::raise(SIGUSR1);
    t_inside = false;
}
}  // namespace

#if SPANRING_OWN_MALLOC
extern "C" void* __libc_malloc(std::size_t bytes);
extern "C" void* __libc_calloc(std::size_t count, std::size_t bytes);
extern "C" void* malloc(std::size_t bytes) {
    inside_malloc();
    return __libc_malloc(bytes);
}
extern "C" void* calloc(std::size_t count, std::size_t bytes) {
    inside_malloc();
    return __libc_calloc(count, bytes);
}
#endif

namespace spanring::test {
namespace {

using namespace literals;

std::atomic<std::uint64_t> g_handled{0};
/// Unknown to the optimizer, which must not drop the allocation.
volatile std::size_t g_bytes = 100;

void on_signal(int) {
    { Span span("handler"_key); }
    ++g_handled;
}

void handle(int number) {
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    ASSERT_EQ(::sigaction(number, &action, nullptr), 0);
}

std::uint64_t lost_spans() {
    std::uint64_t sum = 0;
    for (const std::uint64_t reason : losses().spans) sum += reason;
    return sum;
}

TEST(Signals, in_malloc_before_the_threads_first_tracepoint_allocate_nothing) {
    if (SPANRING_OWN_MALLOC == 0) GTEST_SKIP() << "the sanitizer's malloc cannot be interrupted";
    traced([](TestDirectory&, MiniConsumer& consumer) {
        { Span warm("handler"_key); }
        handle(SIGUSR1);
        constexpr int kThreads = 20;
        for (int i = 0; i < kThreads; ++i) {
            std::thread([] {
                t_interrupt_in = 1;
                std::free(::malloc(g_bytes));
                { Span own("own"_key); }
            }).join();
        }
        EXPECT_EQ(g_interrupted, kThreads);
        EXPECT_EQ(g_nested, 0);
        EXPECT_EQ(g_handled, static_cast<std::uint64_t>(kThreads));
        EXPECT_EQ(lost_spans(), 0u) << "a thread's writer can be had without malloc";
        EXPECT_EQ(consumer.drain().size(), 2u * kThreads + 1);
        EXPECT_LE(*consumer.segment(0).slots_declared(), 3u) << "and is given back";
    });
}

TEST(Signals, in_a_malloc_of_the_first_tracepoint_are_dropped_and_counted) {
    if (SPANRING_OWN_MALLOC == 0) GTEST_SKIP() << "the sanitizer's malloc cannot be interrupted";
    for (int nth = 1;; ++nth) {
        bool hit = false;
        TestDirectory directory;
        int fds[2];
        ASSERT_EQ(::pipe(fds), 0);
        in_child([&] {
            ASSERT_TRUE(configure({.directory = directory.path()}).ok());
            handle(SIGUSR1);
            MiniConsumer consumer(directory.directory());
            t_interrupt_in = nth;
            { Span first("first"_key); }
            const char interrupted = g_interrupted != 0 ? 1 : 0;
            t_interrupt_in = 0;
            EXPECT_EQ(g_nested, 0) << nth;
            EXPECT_EQ(consumer.drain().size() + lost_spans(), 1u + g_handled) << nth;
            ASSERT_EQ(::write(fds[1], &interrupted, 1), 1);
        });
        char interrupted = 0;
        ASSERT_EQ(::read(fds[0], &interrupted, 1), 1);
        ::close(fds[0]);
        ::close(fds[1]);
        hit = interrupted != 0;
        if (!hit) {
            EXPECT_GT(nth, 1);
            break;
        }
        ASSERT_LT(nth, 500);
    }
}

TEST(Signals, in_a_storm_over_first_tracepoints_and_exits_add_up) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        { Span warm("handler"_key); }
        handle(SIGUSR1);
        constexpr int kThreads = 2000;
        constexpr int kSignals = 20;
        std::uint64_t stored = 0;
        for (int i = 0; i < kThreads; ++i) {
            std::thread thread([] {
                { Span own("own"_key); }
            });
            for (int s = 0; s < kSignals; ++s) ::pthread_kill(thread.native_handle(), SIGUSR1);
            thread.join();
            if (i % 50 == 49) stored += consumer.drain().size();
        }
        stored += consumer.drain().size();
        EXPECT_GT(g_handled, static_cast<std::uint64_t>(kThreads) / 10);
        EXPECT_EQ(stored + lost_spans(), kThreads + 1 + g_handled);
        EXPECT_LE(*consumer.segment(0).slots_declared(), 16u);
    });
}

/// Sends the calling thread SIGPROF ten thousand times a second. ITIMER_PROF would do so at each
/// tick of the kernel at most.
class Storm {
public:
    Storm() {
        sigevent event{};
        event.sigev_notify = SIGEV_THREAD_ID;
        event.sigev_signo = SIGPROF;
        event._sigev_un._tid = ::gettid();  // glibc 2.36 has no name for it
        EXPECT_EQ(::timer_create(CLOCK_MONOTONIC, &event, &timer_), 0);
        const itimerspec each{{0, 100'000}, {0, 100'000}};
        EXPECT_EQ(::timer_settime(timer_, 0, &each, nullptr), 0);
    }
    Storm(const Storm&) = delete;
    Storm& operator=(const Storm&) = delete;
    ~Storm() { ::timer_delete(timer_); }

private:
    timer_t timer_{};
};

thread_local std::uint64_t t_stormed = 0;

void on_storm(int) {
    Span span("handler"_key);
    span.set("n"_key, 1);
    event("in handler"_key);
    ++t_stormed;
    ++g_handled;
}

// Before, a handler that found a page just before its thread dropped a span in the belief that the
// ring was full shifted the ordinals in that page: its spans lost their ends, and nobody counted.
TEST(Signals, of_ten_thousand_a_second_over_each_of_several_threads_leave_every_record_whole) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        { Span warm("outer"_key); }
        struct sigaction action {};
        action.sa_handler = on_storm;
        action.sa_flags = SA_RESTART;
        ASSERT_EQ(::sigaction(SIGPROF, &action, nullptr), 0);
        constexpr int kThreads = 4;
        constexpr std::uint64_t kSignals = 2000;  // over each thread
        std::atomic<std::uint64_t> outer{1};
        std::atomic<int> running{kThreads};
        std::vector<std::thread> threads;
        for (int t = 0; t < kThreads; ++t) {
            threads.emplace_back([&] {
                {
                    const Storm storm;
                    while (t_stormed < kSignals) {
                        Span span("outer"_key);
                        span.set("text"_key, "a value").event("event"_key);
                        ++outer;
                    }
                }
                --running;
            });
        }
        std::map<std::string, std::uint64_t> names;
        std::uint64_t without_end = 0;  // the ring is full now and then
        const auto count = [&](const std::vector<codec::Span>& spans) {
            for (const auto& span : spans) {
                ++names[span.name];
                if (span.end_lost || span.unfinished) {
                    ++without_end;
                } else {
                    EXPECT_TRUE(span.duration_ns.has_value() && *span.duration_ns >= 0);
                }
                if (span.name == "handler") {
                    EXPECT_LE(span.attributes.size(), 1u);
                    EXPECT_LE(span.events.size(), 1u);
                }
            }
        };
        while (running != 0) count(consumer.drain());
        for (auto& thread : threads) thread.join();
        count(consumer.close());
        std::uint64_t lost_ends = 0;
        for (const std::uint64_t reason : losses().ends) lost_ends += reason;
        EXPECT_EQ(without_end, lost_ends);
        EXPECT_GE(g_handled, kThreads * kSignals);
        EXPECT_GT(names["handler"], 0u);
        EXPECT_EQ(names["outer"] + names["handler"] + lost_spans(), outer + g_handled);
    });
}

std::atomic<int> g_recorded{0};
std::atomic<int> g_dropped{0};
std::atomic<int> g_failed{0};

/// Forks; the child traces, and ends in the handler.
void fork_on_signal(int) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(20);
        { Span span("forked"_key); }
        const bool allocated = g_nested != 0;
        // Named after the process that made it.
        const bool own = status().segment.starts_with(std::to_string(::getpid()) + "-");
        ::_exit(allocated ? 2 : own ? 0 : 1);
    }
    int ended = 0;
    ::waitpid(child, &ended, 0);
    ++(ended == 0                                    ? g_recorded
       : WIFEXITED(ended) && WEXITSTATUS(ended) == 1 ? g_dropped
                                                     : g_failed);
}

TEST(Signals, that_fork_over_a_tracepoint_leave_a_child_that_may_trace) {
    if (SPANRING_OWN_MALLOC == 0) GTEST_SKIP() << "the sanitizer's own locks stay held";
    Configuration small;
    small.ring_bytes_max = small.ring_bytes_initial = 256 << 10;
    traced(
        [](TestDirectory&, MiniConsumer& consumer) {
            { Span warm("work"_key); }
            ASSERT_NE(::signal(SIGUSR1, fork_on_signal), SIG_ERR);
            int forked = 0;
            const auto count = [&] {
                for (const auto& span : consumer.drain()) forked += span.name == "forked" ? 1 : 0;
            };
            constexpr int kForks = 60;
            std::atomic<bool> stop{false};
            std::atomic<bool> ready{false};
            std::thread worker([&] {
                while (!stop) {
                    {
                        const AsyncSpan slow("work"_key);  // always the slow path
                    }
                    ready = true;
                }
            });
            // A thread's first tracepoint allocates, and glibc's fork over malloc waits for itself.
            while (!ready) std::this_thread::yield();
            while (g_recorded + g_dropped + g_failed < kForks) {
                ::pthread_kill(worker.native_handle(), SIGUSR1);
                const int before = g_recorded + g_dropped + g_failed;
                while (g_recorded + g_dropped + g_failed == before) std::this_thread::yield();
                if (before % 10 == 0) count();
            }
            stop = true;
            worker.join();
            count();
            EXPECT_EQ(g_failed, 0);
            EXPECT_EQ(forked, g_recorded);
            EXPECT_GT(g_recorded, 0);
            EXPECT_GT(g_dropped, 0);
        },
        small);
}

TEST(Signals, that_fork_in_a_malloc_of_the_first_tracepoint_harm_neither_side) {
    if (SPANRING_OWN_MALLOC == 0) GTEST_SKIP() << "the sanitizer's malloc cannot be interrupted";
    traced([](TestDirectory&, MiniConsumer& consumer) {
        ASSERT_NE(::signal(SIGUSR1, fork_on_signal), SIG_ERR);
        t_interrupt_in = 10;
        { Span first("first"_key); }
        EXPECT_EQ(g_interrupted, 1);
        EXPECT_EQ(g_failed, 0);
        EXPECT_EQ(consumer.drain().size(), 1u + g_recorded);
    });
}

}  // namespace
}  // namespace spanring::test
