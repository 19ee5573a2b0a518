// The process around the tracer: fork, threads that come and go, signals, first use, failures.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "mini_consumer.hpp"
#include "spanring/base/os.hpp"
#include "spanring/call_sites.hpp"
#include "spanring/shm/process_identity.hpp"
#include "tracepoint.hpp"

namespace spanring::test {
namespace {

using namespace literals;

std::string resource_text(const codec::Span& span, const std::string& key) {
    const auto value = attribute(*span.resource, key);
    return value && std::holds_alternative<std::string>(*value) ? std::get<std::string>(*value)
                                                                : "";
}

void wait_for(pid_t child) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

/// What malloc may have mapped meanwhile: 4 MiB, far less than 9,000 of anything of ours.
constexpr long kPagesSpare = 1024;

TEST(Fork, makes_the_child_a_producer_of_its_own_below_the_parents_span) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        std::string child_id;
        {
            Span outer("outer"_key);
            Span open("open"_key);
            const pid_t child = ::fork();
            if (child == 0) {
                Span own("own");
                own.set("key"_key, 1);
                SPANRING_SPAN("own too");
                own.end();
                open.end();  // the parent's: ends nothing here
                ::_exit(losses().total() == 0 ? 0 : 1);
            }
            wait_for(child);
            Span after("after"_key);
        }
        const auto spans = consumer.close();
        EXPECT_EQ(consumer.segments(), 2u);
        const auto open = one(spans, "open");
        const auto own = one(spans, "own");
        EXPECT_EQ(own.parent_id, open.span_id);
        EXPECT_EQ(own.trace_id, open.trace_id);
        EXPECT_EQ(one(spans, "own too").parent_id, own.span_id);
        EXPECT_EQ(one(spans, "after").parent_id, open.span_id);
        EXPECT_NE(attribute(*own.resource, "process.pid"),
                  attribute(*open.resource, "process.pid"));
        EXPECT_EQ(resource_text(own, "service.name"), "test");
    });
}

TEST(Fork, beside_running_threads_leaves_both_sides_whole) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "the sanitizers' own locks, held by another thread at the fork, stay held";
#endif
    traced([](TestDirectory&, MiniConsumer& consumer) {
        std::atomic<bool> stop{false};
        std::atomic<std::uint64_t> emitted{0};
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t) {
            threads.emplace_back([&] {
                while (!stop) {
                    { Span span("threads"_key); }
                    ++emitted;
                    std::this_thread::sleep_for(std::chrono::microseconds(20));
                }
            });
        }
        constexpr int kForks = 20;
        for (int i = 0; i < kForks; ++i) {
            const pid_t child = ::fork();
            if (child == 0) {
                { Span span("forked"); }
                std::thread([] { Span span("forked thread"); }).join();
                ::_exit(0);
            }
            wait_for(child);
        }
        stop = true;
        for (auto& thread : threads) thread.join();
        std::map<std::string, std::uint64_t> names;
        for (const auto& span : consumer.close()) ++names[span.name];
        EXPECT_EQ(names["threads"], emitted);
        EXPECT_EQ(names["forked"], static_cast<std::uint64_t>(kForks));
        EXPECT_EQ(names["forked thread"], static_cast<std::uint64_t>(kForks));
        EXPECT_EQ(losses().total(), 0u);
    });
}

TEST(Fork, while_another_thread_holds_the_locks_leaves_them_open_in_the_child) {
#if defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "ThreadSanitizer does not know that the lock is another one in the child";
#endif
    traced([](TestDirectory&, MiniConsumer& consumer) {
        { Span parents("parents"); }
        std::atomic<bool> held{false};
        std::atomic<bool> stop{false};
        std::thread holder([&] {
            const detail::OwnerGuard guard(detail::process()->wiped->lock);
            const detail::OwnerGuard sites(detail::process()->wiped->sites_lock);
            held = true;
            while (!stop) std::this_thread::yield();
        });
        while (!held) std::this_thread::yield();
        const pid_t child = ::fork();
        if (child == 0) {
            ::alarm(20);
            { SPANRING_SPAN("childs"); }
            std::thread([] { Span span("childs thread"); }).join();
            const bool sites = call_sites().size() == 1;
            ::_exit(sites && losses().total() == 0 ? 0 : 1);
        }
        wait_for(child);
        stop = true;
        holder.join();
        const auto spans = consumer.close();
        EXPECT_EQ(consumer.segments(), 2u);
        EXPECT_NE(one(spans, "childs").trace_id, one(spans, "parents").trace_id);
        one(spans, "childs thread");
    });
}

std::atomic<std::uint64_t> g_handled{0};

void on_signal(int) {
    Span span("handler"_key);
    span.set("n"_key, 1);
    event("in handler"_key);
    ++g_handled;
}

TEST(Signals, over_tracepoints_leave_every_record_whole) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        {
            Span warm("handler"_key);
            warm.set("n"_key, 0).event("in handler"_key);
        }
        struct sigaction action {};
        action.sa_handler = on_signal;
        action.sa_flags = SA_RESTART;
        ASSERT_EQ(::sigaction(SIGPROF, &action, nullptr), 0);
        const itimerval timer{{0, 100}, {0, 100}};
        ASSERT_EQ(::setitimer(ITIMER_PROF, &timer, nullptr), 0);
        std::uint64_t outer = 0;
        std::map<std::string, std::uint64_t> names;
        const auto count = [&] {
            for (const auto& span : consumer.drain()) {
                ++names[span.name];
                EXPECT_TRUE(span.duration_ns.has_value());
            }
        };
        sigset_t profiling;
        ::sigemptyset(&profiling);
        ::sigaddset(&profiling, SIGPROF);
        while (g_handled < 200) {
            for (int i = 0; i < 20'000; ++i, ++outer) {
                Span span("outer"_key);
                span.set("i"_key, i);
            }
            // Not while the test's own consumer runs: it allocates.
            ::sigprocmask(SIG_BLOCK, &profiling, nullptr);
            count();
            ::sigprocmask(SIG_UNBLOCK, &profiling, nullptr);
        }
        const itimerval off{};
        ::setitimer(ITIMER_PROF, &off, nullptr);
        count();
        const Losses lost = losses();
        std::uint64_t spans = 0;
        for (const auto reason : lost.spans) spans += reason;
        EXPECT_EQ(names["outer"] + names["handler"] + spans, outer + g_handled + 1);
        EXPECT_EQ(lost.ends[0] + lost.ends[1], 0u);
    });
}

/// Pages in this process's address space.
long mapped_pages() {
    long pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return pages;
}

TEST(Threads, that_come_and_go_give_everything_back) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        std::uint64_t stored = 0;
        constexpr int kThreads = 10'000;
        long mapped_early = 0;
        for (int i = 0; i < kThreads; ++i) {
            if (i == kThreads / 10) mapped_early = mapped_pages();
            std::thread([] { Span span("short"_key); }).join();
            if (i % 50 == 49) stored += consumer.drain().size();
        }
        stored += consumer.drain().size();
        EXPECT_EQ(stored, static_cast<std::uint64_t>(kThreads));
        EXPECT_EQ(losses().total(), 0u);
        EXPECT_LE(mapped_pages(), mapped_early + kPagesSpare);
        const auto slots = consumer.segment(0).slots_declared();
        ASSERT_TRUE(slots.ok());
        EXPECT_LE(*slots, 3u);
    });
}

/// Takes the pages of all threads that are not inside a tracepoint, as the consumer does when the
/// ring is nearly full. Returns how many.
int take_pages(const TestDirectory& directory) {
    const auto names = directory.directory().segments();
    auto reader = shm::SegmentReader::attach(directory.directory(), names->front(),
                                             shm::SegmentReader::Mode::kReadWrite);
    std::vector<shm::PageView> pages;
    EXPECT_TRUE(reader.ok() && reader->peek_all(&pages).ok());
    for (const auto& page : pages) EXPECT_TRUE(reader->revoke_slot(page.stream).ok());
    EXPECT_TRUE(reader->take_barrier());
    int taken = 0;
    for (const auto& page : pages) {
        if (page.state != SPANRING_PAGE_WRITING) continue;
        const auto took = reader->try_take(page);
        taken += took.ok() && *took ? 1 : 0;
    }
    return taken;
}

TEST(Threads, that_are_idle_leave_their_pages_to_others_and_go_on_with_another) {
    Configuration eight_pages;
    eight_pages.page_bytes = 8 << 10;
    eight_pages.ring_bytes_max = eight_pages.ring_bytes_initial = 64 << 10;
    traced(
        [](TestDirectory& directory, MiniConsumer& consumer) {
            constexpr int kIdle = 8;
            std::atomic<int> idle{0};
            std::atomic<int> turn{0};
            std::vector<std::thread> threads;
            for (int t = 0; t < kIdle; ++t) {
                threads.emplace_back([&, t] {
                    Span open("open"_key);
                    ++idle;
                    while (turn != t + 1) std::this_thread::yield();
                    { Span awake("awake"_key); }
                    open.end();
                });
            }
            while (idle != kIdle) std::this_thread::yield();
            { Span lost("lost"); }
            EXPECT_EQ(losses().spans[0], 1u) << "each page has its owner";
            EXPECT_EQ(consumer.drain().size(), 0u);
            EXPECT_EQ(take_pages(directory), kIdle);
            EXPECT_EQ(consumer.drain().size(), 0u);  // and releases them
            std::vector<codec::Span> spans;
            { Span other("other"); }
            for (int t = 0; t < kIdle; ++t) {
                turn = t + 1;
                threads[static_cast<std::size_t>(t)].join();
                for (auto& span : consumer.drain()) spans.push_back(std::move(span));
            }
            std::map<std::string, int> names;
            for (const auto& span : spans) ++names[span.name];
            EXPECT_EQ(names["open"], kIdle);
            EXPECT_EQ(names["awake"], kIdle);
            EXPECT_EQ(names["other"], 1);
            EXPECT_EQ(losses().total(), 1u);
        },
        eight_pages);
}

struct Late {
    ~Late() { Span span("late"_key); }
};

TEST(Threads, still_record_in_destructors_of_thread_locals) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        std::thread([] {
            // Constructed first, so destroyed after the tracer's own thread-exit hook.
            static thread_local Late late;
            (void)&late;
            Span span("early");
        }).join();
        const auto spans = consumer.drain();
        EXPECT_EQ(spans.size(), 2u);
        one(spans, "late");
    });
}

TEST(Consumers, that_come_late_get_what_is_emitted_from_then_on) {
    traced(
        [](TestDirectory& directory, MiniConsumer& consumer) {
            { Span dark("dark"); }
            directory.control().set_enabled(true);
            { Span first("first"); }
            directory.control().set_enabled(false);
            { Span dark("dark again"); }
            directory.control().set_enabled(true);
            { Span second("second"); }
            const auto spans = consumer.drain();
            EXPECT_EQ(spans.size(), 2u);
            one(spans, "first");
            one(spans, "second");
        },
        {}, false);
}

std::atomic<bool> g_guarded{false};

TEST(Signals, over_a_flush_that_settles_for_exited_threads_find_its_guard) {
    traced([](TestDirectory&, MiniConsumer&) {
        { Span span("span"); }
        ::signal(SIGUSR1, [](int) {
            if (detail::t_writer->busy != 0) g_guarded = true;
        });
        const pthread_t flusher = ::pthread_self();
        std::atomic<bool> held{false};
        std::thread holder([&] {
            const detail::OwnerGuard guard(detail::process()->wiped->lock);
            held = true;
            for (int i = 0; i < 500 && !g_guarded; ++i) {
                ::pthread_kill(flusher, SIGUSR1);
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
        });
        while (!held) std::this_thread::yield();
        (void)flush_ns(0);
        holder.join();
        EXPECT_TRUE(g_guarded);
    });
}

/// What the page's next owner has published, as far as the one before can tell.
constexpr std::uint64_t kNextOwnersMark = 0x7777'0000'0040;
std::uint64_t* g_taken_mark = nullptr;

/// Destroyed before the tracer's own thread-exit hook: it is constructed after it.
struct TakenAtExit {
    ~TakenAtExit() {
        detail::Writer& writer = *detail::t_writer;
        detail::remember_lost_end(writer, writer.next_key - 1);
        g_taken_mark = writer.committed;
        // relaxed, both: the same thread reads them.
        __atomic_store_n(g_taken_mark, kNextOwnersMark, __ATOMIC_RELAXED);
        __atomic_store_n(&writer.slot->revoked, 1U, __ATOMIC_RELAXED);
    }
};

TEST(Threads, that_end_after_their_page_was_taken_leave_it_to_its_next_owner) {
    traced([](TestDirectory&, MiniConsumer&) {
        std::thread([] {
            { Span span("span"); }
            static thread_local TakenAtExit taken;
            (void)&taken;
        }).join();
        ASSERT_NE(g_taken_mark, nullptr);
        // relaxed: the thread was joined.
        EXPECT_EQ(__atomic_load_n(g_taken_mark, __ATOMIC_RELAXED), kNextOwnersMark);
    });
}

TEST(Configuration, is_refused_after_the_first_tracepoint) {
    traced([](TestDirectory&, MiniConsumer&) {
        { Span span("first"); }
        const auto again = configure({.service_name = "late"});
        ASSERT_FALSE(again.ok());
        EXPECT_EQ(again.error().code, ErrorCode::kBusy);
    });
}

TEST(Start, survives_the_failure_of_every_call) {
    for (std::uint64_t nth = 1;; ++nth) {
        bool failed = true;
        TestDirectory directory;
        int pipe_fds[2];
        ASSERT_EQ(::pipe(pipe_fds), 0);
        in_child([&] {
            os::inject_fault(os::Call::kAny, nth, ENOSPC);
            (void)configure({.service_name = "faulty", .directory = directory.path()});
            {
                Span span("span");
                span.set("key", 1);
            }
            (void)status();
            (void)losses();
            const char hit = os::clear_fault() != 0 ? 1 : 0;
            ASSERT_EQ(::write(pipe_fds[1], &hit, 1), 1);
        });
        char hit = 0;
        ASSERT_EQ(::read(pipe_fds[0], &hit, 1), 1);
        failed = hit != 0;
        ::close(pipe_fds[0]);
        ::close(pipe_fds[1]);
        if (!failed) break;
        ASSERT_LT(nth, 200u);
    }
}

TEST(Start, without_a_directory_says_why) {
    in_child([] {
        ASSERT_TRUE(configure({.directory = "/proc/no/such/place"}).ok());
        { Span span("nothing"); }
        const Status now = status();
        EXPECT_FALSE(now.recording);
        EXPECT_NE(now.reason.find("/proc/no"), std::string::npos) << now.reason;
    });
}

std::size_t reasons_shown() {
    std::ifstream maps("/proc/self/maps");
    std::size_t count = 0;
    for (std::string line; std::getline(maps, line);) {
        count += line.find(shm::kReasonPrefix) != std::string::npos ? 1 : 0;
    }
    return count;
}

TEST(Start, shows_its_reason_to_others_until_it_heals_and_not_as_its_childs) {
    traced([](TestDirectory&, MiniConsumer&) {
        for (int i = 0; i < 3; ++i) {
            os::inject_lasting_fault(os::Call::kAllocate, 1, ENOSPC);
            { Span lost("lost"); }
            EXPECT_GT(os::clear_fault(), 0u);
            detail::process()->retry_at_ns = 0;
            EXPECT_EQ(reasons_shown(), 1u);
        }
        const pid_t child = ::fork();
        if (child == 0) ::_exit(reasons_shown() == 0 ? 0 : 1);
        wait_for(child);
        { Span stored("stored"); }
        EXPECT_EQ(reasons_shown(), 0u);
    });
}

}  // namespace
}  // namespace spanring::test
