// Children that are not made by fork(2) alone: those that share our memory until they exec or end
// (vfork, posix_spawn, system, popen, clone with CLONE_VM), those that the C library knows nothing
// of (clone(2) as sandboxes use it), and those that leave their parent (daemon, double fork).
#include <sched.h>
#include <spawn.h>
#include <sys/syscall.h>

#include <atomic>
#include <string>
#include <thread>

#include "../../unit/producer/mini_consumer.hpp"

extern char** environ;

namespace spanring::test {
namespace {

using namespace literals;

constexpr int kThreads = 4;
constexpr unsigned kSignal = static_cast<unsigned>(LossReason::kSignal);

void wait_for(pid_t child) {
    int status = -1;
    ASSERT_GT(child, 0);
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

template <typename Body>
void in_threads(Body body) {
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) threads.emplace_back(body);
    for (auto& thread : threads) thread.join();
}

// ------------------------------------------------------- children that share the parent's memory

using Body = void (*)();

void by_vfork(Body body) {
    const pid_t child = ::vfork();
    if (child == 0) {
        body();
        ::_exit(0);
    }
    wait_for(child);
}

/// Without CLONE_VFORK the thread waits all the same, as it shares its thread-locals.
template <int flags>
void by_clone(Body body) {
    std::vector<char> stack(256 << 10);
    const auto run = [](void* what) {
        reinterpret_cast<Body>(what)();
        ::_exit(0);
        return 0;
    };
    wait_for(::clone(run, stack.data() + stack.size(), CLONE_VM | flags | SIGCHLD,
                     reinterpret_cast<void*>(body)));
}

struct SharedMemory : ::testing::TestWithParam<void (*)(Body)> {
    void SetUp() override {
#if defined(__SANITIZE_THREAD__)
        GTEST_SKIP() << "ThreadSanitizer makes vfork a fork";
#endif
    }
};
INSTANTIATE_TEST_SUITE_P(Vfork, SharedMemory, ::testing::Values(by_vfork));
INSTANTIATE_TEST_SUITE_P(CloneVfork, SharedMemory, ::testing::Values(by_clone<CLONE_VFORK>));
INSTANTIATE_TEST_SUITE_P(CloneVm, SharedMemory, ::testing::Values(by_clone<0>));

constexpr int kInChild = 200;

/// Enough for some pages.
void trace_in_child() {
    for (int i = 0; i < kInChild; ++i) {
        Span span("child"_key);
        span.set("text"_key, "some forty bytes that help to fill pages");
    }
}

TEST_P(SharedMemory, child_that_traces_writes_whole_records_in_the_place_of_its_thread) {
    Configuration small_pages;
    small_pages.page_bytes = 4 << 10;
    traced(
        [this](TestDirectory&, MiniConsumer& consumer) {
            constexpr int kRounds = 10;
            in_threads([this] {
                for (int i = 0; i < kRounds; ++i) {
                    Span outer("outer"_key);
                    GetParam()(trace_in_child);
                    Span after("after"_key);
                }
            });
            const auto spans = consumer.close();
            EXPECT_EQ(consumer.segments(), 1u);
            EXPECT_EQ(losses().total(), 0u);
            std::map<std::string, int> names;
            std::map<SpanId, int> children;
            std::set<SpanId> outers;
            for (const auto& span : spans) {
                ++names[span.name];
                EXPECT_TRUE(span.duration_ns.has_value());
                EXPECT_FALSE(span.unfinished);
                if (span.name == "outer") outers.insert(span.span_id);
                if (span.name != "outer") ++children[span.parent_id];
                if (span.name == "child") {
                    EXPECT_TRUE(attribute(span.attributes, "text").has_value());
                }
            }
            EXPECT_EQ(names["outer"], kThreads * kRounds);
            EXPECT_EQ(names["after"], kThreads * kRounds);
            EXPECT_EQ(names["child"], kThreads * kRounds * kInChild);
            EXPECT_EQ(children.size(), outers.size());
            for (const SpanId& id : outers) EXPECT_EQ(children[id], kInChild + 1);
        },
        small_pages);
}

TEST_P(SharedMemory, child_that_leaves_a_span_open_costs_no_other) {
    traced([this](TestDirectory&, MiniConsumer& consumer) {
        {
            Span outer("outer"_key);
            GetParam()([] {
                Span left("left"_key);
                ::execl("/bin/true", "true", nullptr);
            });
            Span after("after"_key);
        }
        { Span next("next"_key); }
        const auto spans = consumer.close();
        EXPECT_EQ(spans.size(), 4u);
        EXPECT_EQ(losses().total(), 0u);
        EXPECT_TRUE(one(spans, "left").unfinished);
        EXPECT_EQ(one(spans, "left").parent_id, one(spans, "outer").span_id);
        EXPECT_EQ(one(spans, "after").trace_id, one(spans, "outer").trace_id);
        for (const char* name : {"outer", "after", "next"})
            EXPECT_FALSE(one(spans, name).unfinished) << name;
    });
}

void one_span_in_child() {
    Span span("child"_key);
}

// Before, slot and writer noted the child's thread id for the thread's.
TEST_P(SharedMemory, child_with_the_first_tracepoint_of_its_thread_is_dropped_and_counted) {
    traced([this](TestDirectory&, MiniConsumer& consumer) {
        { Span first("first"_key); }
        in_threads([this] {
            GetParam()(one_span_in_child);
            Span own("own"_key);
        });
        std::map<std::string, int> names;
        for (const auto& span : consumer.close()) ++names[span.name];
        EXPECT_EQ(names["own"], kThreads);
        EXPECT_EQ(names["child"], 0);
        EXPECT_EQ(losses().spans[kSignal], static_cast<std::uint64_t>(kThreads));
        EXPECT_EQ(losses().total(), losses().spans[kSignal]);
        EXPECT_EQ(consumer.segments(), 1u);
    });
}

// Before, the segment was the child's: its lock was gone with the child, which the consumer takes
// for the end of the process.
TEST_P(SharedMemory, child_that_finds_the_segment_revoked_makes_none) {
    traced([this](TestDirectory& directory, MiniConsumer& consumer) {
        { Span first("first"_key); }
        const auto names = directory.directory().segments();
        auto reader = shm::SegmentReader::attach(directory.directory(), names->front(),
                                                 shm::SegmentReader::Mode::kReadWrite);
        ASSERT_TRUE(reader.ok());
        ASSERT_TRUE(reader->revoke().ok());
        ASSERT_TRUE(reader->revoke_slot(0).ok());
        GetParam()(one_span_in_child);
        EXPECT_EQ(directory.directory().segments()->size(), 1u);
        EXPECT_EQ(losses().spans[kSignal], 1u);
        { Span own("own"_key); }
        EXPECT_EQ(directory.directory().segments()->size(), 2u);
        EXPECT_TRUE(status().segment.starts_with(std::to_string(::getpid()) + "-"));
        one(consumer.close(), "own");
    });
}

void spawn() {
    pid_t child = 0;
    char name[] = "true";
    char* arguments[] = {name, nullptr};
    ASSERT_EQ(::posix_spawn(&child, "/bin/true", nullptr, nullptr, arguments, environ), 0);
    wait_for(child);
}

void open_pipe() {
    FILE* pipe = ::popen("echo spanring", "r");
    ASSERT_NE(pipe, nullptr);
    char line[16] = {};
    EXPECT_NE(std::fgets(line, sizeof line, pipe), nullptr);
    EXPECT_STREQ(line, "spanring\n");
    EXPECT_EQ(::pclose(pipe), 0);
}

TEST(SpawnedPrograms, leave_the_spans_of_all_threads_as_they_are) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        constexpr int kRounds = 5;
        in_threads([] {
            for (int i = 0; i < kRounds; ++i) {
                Span outer("outer"_key);
                spawn();
                { Span inner("inner"_key); }
                EXPECT_EQ(std::system("true"), 0);
                { Span inner("inner"_key); }
                open_pipe();
                Span inner("inner"_key);
            }
        });
        const auto spans = consumer.close();
        EXPECT_EQ(consumer.segments(), 1u);
        EXPECT_EQ(losses().total(), 0u);
        std::map<SpanId, int> inner;
        std::set<SpanId> outer;
        for (const auto& span : spans) {
            EXPECT_FALSE(span.unfinished);
            if (span.name == "inner") ++inner[span.parent_id];
            if (span.name == "outer") outer.insert(span.span_id);
        }
        EXPECT_EQ(outer.size(), static_cast<std::size_t>(kThreads * kRounds));
        for (const SpanId& id : outer) EXPECT_EQ(inner[id], 3);
    });
}

// ------------------------------------------------------------ children with memory of their own

/// As a sandbox or a container's runtime does it: no atfork handlers, and a C library that takes
/// the child for its parent.
pid_t raw_clone() {
    return static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, 0L, 0L, 0L, 0L));
}

/// What each child of another memory does. The parent's is open in it.
void trace_as_own_instance(Span& parents) {
    {
        Span own("own"_key);
        const Span own_too("own too"_key);
        parents.end();  // the parent's: ends nothing here
        own.set("pid"_key, ::getpid());
    }
    const bool named = status().segment.starts_with(std::to_string(::getpid()) + "-");
    ::_exit(named && losses().total() == 0 ? 0 : 1);
}

void expect_own_instances(const std::vector<codec::Span>& spans, int children) {
    const auto open = one(spans, "open");
    EXPECT_FALSE(open.unfinished);
    std::set<SpanId> own;
    int own_too = 0;
    for (const auto& span : spans) {
        if (span.name == "own") {
            own.insert(span.span_id);
            EXPECT_EQ(span.parent_id, open.span_id);
            EXPECT_EQ(span.trace_id, open.trace_id);
            EXPECT_EQ(attribute(span.attributes, "pid"), attribute(*span.resource, "process.pid"));
            EXPECT_NE(attribute(*span.resource, "process.pid"),
                      attribute(*open.resource, "process.pid"));
        }
        EXPECT_FALSE(span.unfinished) << span.name;
    }
    for (const auto& span : spans)
        if (span.name == "own too") own_too += own.contains(span.parent_id) ? 1 : 0;
    EXPECT_EQ(own.size(), static_cast<std::size_t>(children));
    EXPECT_EQ(own_too, children);
    EXPECT_EQ(one(spans, "after").parent_id, open.span_id);
    EXPECT_EQ(losses().total(), 0u);
}

/// Threads with an open span each, that sleep in the kernel: what they hold of malloc's locks would
/// stay held in a child that was made behind the C library's back.
class Sleepers {
public:
    Sleepers() {
        EXPECT_EQ(::pipe(fds_), 0);
        std::atomic<int> ready{0};
        for (int t = 0; t < kThreads; ++t) {
            threads_.emplace_back([this, &ready] {
                Span asleep("asleep"_key);
                ++ready;
                char byte = 0;
                EXPECT_EQ(::read(fds_[0], &byte, 1), 1);
            });
        }
        while (ready != kThreads) std::this_thread::yield();
    }
    Sleepers(const Sleepers&) = delete;
    Sleepers& operator=(const Sleepers&) = delete;
    ~Sleepers() {
        EXPECT_EQ(::write(fds_[1], "wake", kThreads), kThreads);
        for (auto& thread : threads_) thread.join();
        ::close(fds_[0]);
        ::close(fds_[1]);
    }

private:
    int fds_[2]{};
    std::vector<std::thread> threads_;
};

TEST(RawClone, makes_the_child_an_instance_of_its_own_as_fork_does) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "the sanitizers take the child for its parent, too";
#endif
    traced([](TestDirectory&, MiniConsumer& consumer) {
        constexpr int kChildren = 5;
        {
            const Sleepers sleepers;
            Span open("open"_key);
            for (int i = 0; i < kChildren; ++i) {
                const pid_t child = raw_clone();
                if (child == 0) trace_as_own_instance(open);
                wait_for(child);
            }
            const Span after("after"_key);
        }
        const auto spans = consumer.close();
        EXPECT_EQ(consumer.segments(), 1u + kChildren);
        expect_own_instances(spans, kChildren);
    });
}

TEST(RawClone, before_the_first_tracepoint_leaves_both_sides_producers) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "the sanitizers take the child for its parent, too";
#endif
    traced([](TestDirectory&, MiniConsumer& consumer) {
        const pid_t child = raw_clone();
        if (child == 0) {
            { Span span("childs"_key); }
            std::thread([] { Span span("childs thread"_key); }).join();
            by_vfork(one_span_in_child);
            ::_exit(losses().total() == 0 ? 0 : 1);
        }
        wait_for(child);
        { Span span("parents"_key); }
        const auto spans = consumer.close();
        EXPECT_EQ(consumer.segments(), 2u);
        for (const char* name : {"childs", "childs thread", "parents", "child"})
            EXPECT_FALSE(one(spans, name).unfinished) << name;
    });
}

/// Returns when the last holder of the pipe's other end has gone: a process that nobody can wait
/// for.
void wait_for_end(int fds[2]) {
    ::close(fds[1]);
    char byte = 0;
    EXPECT_EQ(::read(fds[0], &byte, 1), 1);
    EXPECT_EQ(byte, '0') << "how it ended";
    EXPECT_EQ(::read(fds[0], &byte, 1), 0);
    ::close(fds[0]);
}

/// A child that leaves its parent's session by `leave`, in which its own parent ends.
template <typename Leave>
void traced_and_left(Leave leave) {
    traced([leave](TestDirectory&, MiniConsumer& consumer) {
        int fds[2];
        ASSERT_EQ(::pipe(fds), 0);
        {
            const Sleepers sleepers;
            Span open("open"_key);
            const pid_t child = ::fork();
            if (child == 0) {
                leave();
                const pid_t last = ::fork();
                if (last == 0) trace_as_own_instance(open);
                int status = -1;
                ::waitpid(last, &status, 0);
                const char how = status == 0 ? '0' : '1';
                ::_exit(::write(fds[1], &how, 1) == 1 ? 0 : 1);
            }
            wait_for(child);
            wait_for_end(fds);
            const Span after("after"_key);
        }
        const auto spans = consumer.close();
        EXPECT_EQ(consumer.segments(), 2u) << "who only passed by made none";
        expect_own_instances(spans, 1);
    });
}

TEST(Daemon, goes_on_below_the_span_that_started_it) {
    traced_and_left([] {
        if (::daemon(1, 1) != 0) ::_exit(1);
    });
}

TEST(DoubleFork, goes_on_below_the_span_that_started_it) {
    traced_and_left([] {
        if (::fork() != 0) ::_exit(0);
    });
}

}  // namespace
}  // namespace spanring::test
