// A real producer, a real spanringd, a real reader: who comes first, who stops, who is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include "spanring/spanring.hpp"
#include "world.hpp"

namespace spanring::consumer::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST(Life, what_is_flushed_can_be_queried) {
    World world;
    ASSERT_GT(world.up(), 0);
    const pid_t pid = world.producer([] {
        {
            Span outer("outer");
            outer.set("i", 1);
            Span inner("inner");
            inner.event("happened");
        }
        EXPECT_TRUE(flush(10s));
    });
    EXPECT_EQ(World::wait_for(pid), 0);
    const auto spans = world.spans();
    ASSERT_EQ(spans.size(), 2u);
    EXPECT_EQ(spans[0].trace_id, spans[1].trace_id);
    const auto& inner = spans[0].name == "inner" ? spans[0] : spans[1];
    const auto& outer = spans[0].name == "inner" ? spans[1] : spans[0];
    EXPECT_EQ(inner.parent_id, outer.span_id);
    EXPECT_EQ(inner.events.size(), 1u);
    EXPECT_EQ(number_of(outer, "i"), 1);
    EXPECT_EQ(world.down(), 0);
}

/// A trace that says in which phase it was made, as the application sees it: names, attributes and
/// the ids of root, child and the event's span.
struct MadeTrace {
    char trace_id[33];
    char root_id[17];
    char child_id[17];
};

MadeTrace make_trace(int phase) {
    MadeTrace made{};
    Span root("root");
    root.set("phase", phase);
    std::snprintf(made.trace_id, sizeof made.trace_id, "%s", root.context().trace_id().c_str());
    std::snprintf(made.root_id, sizeof made.root_id, "%s", root.context().span_id().c_str());
    Span child("child");
    child.set("phase", phase);
    child.event("in phase " + std::to_string(phase));
    std::snprintf(made.child_id, sizeof made.child_id, "%s", child.context().span_id().c_str());
    return made;
}

/// Both spans of the trace, whole.
void expect_stored(const std::vector<codec::Span>& spans, const MadeTrace& made, int phase) {
    std::size_t found = 0;
    for (const auto& span : spans) {
        if (to_hex(span.trace_id) != made.trace_id) continue;
        ++found;
        const bool is_root = span.name == "root";
        EXPECT_EQ(to_hex(span.span_id), is_root ? made.root_id : made.child_id);
        EXPECT_EQ(span.parent_id.valid() ? to_hex(span.parent_id) : "",
                  is_root ? "" : made.root_id);
        EXPECT_EQ(span.name, is_root ? "root" : "child");
        EXPECT_EQ(number_of(span, "phase"), phase);
        ASSERT_EQ(span.events.size(), is_root ? 0u : 1u);
        for (const auto& event : span.events) {
            EXPECT_EQ(event.name, "in phase " + std::to_string(phase));
        }
        EXPECT_TRUE(span.duration_ns.has_value());
        EXPECT_FALSE(span.unfinished || span.end_lost || span.truncated);
    }
    EXPECT_EQ(found, 2u) << "phase " << phase;
}

/// Each byte that comes is a phase: a trace is made, its ids are told.
void make_traces(int phases, int told) {
    char phase = 0;
    while (::read(phases, &phase, 1) == 1) {
        const MadeTrace made = make_trace(phase);
        EXPECT_EQ(::write(told, &made, sizeof made), static_cast<ssize_t>(sizeof made));
    }
}

TEST(Life, an_application_that_came_first_records_whenever_a_consumer_is_there) {
    World world;
    int go[2];
    int told[2];
    ASSERT_EQ(::pipe(go) + ::pipe(told), 0);
    const pid_t pid = world.producer([&] {
        ::close(go[1]);
        make_traces(go[0], told[1]);
    });
    ::close(go[0]);
    const auto trace_of = [&](char phase) {
        MadeTrace made{};
        EXPECT_EQ(::write(go[1], &phase, 1), 1);
        EXPECT_EQ(::read(told[0], &made, sizeof made), static_cast<ssize_t>(sizeof made));
        return made;
    };
    (void)trace_of(100);  // before any consumer: not recorded
    std::vector<MadeTrace> made;
    for (char phase = 0; phase < 3; ++phase) {
        ASSERT_GT(world.up(), 0);
        made.push_back(trace_of(phase));
        EXPECT_EQ(world.down(), 0) << "what was made before the end is drained";
        (void)trace_of(101);  // nobody there
    }
    ::close(go[1]);
    EXPECT_EQ(World::wait_for(pid), 0);
    const auto spans = world.spans();
    for (int phase = 0; phase < 3; ++phase) expect_stored(spans, made[phase], phase);
    EXPECT_EQ(spans.size(), 6u) << "what was made while nobody was there was not recorded";
    for (const int end : told) ::close(end);
}

TEST(Life, a_producer_killed_inside_spans_leaves_them_unfinished_and_no_segment) {
    World world;
    ASSERT_GT(world.up(), 0);
    const pid_t pid = world.producer([] {
        Span a("a");
        Span b("b");
        b.set("k", 5);
        { Span done("done"); }
        ::kill(::getpid(), SIGKILL);
    });
    EXPECT_EQ(World::wait_for(pid), -SIGKILL);
    const auto spans = world.spans_when(
        [&](const auto& s) { return s.size() == 3 && world.files(".seg").empty(); });
    ASSERT_EQ(spans.size(), 3u);
    std::size_t unfinished = 0;
    for (const auto& span : spans) {
        EXPECT_EQ(span.unfinished, span.name != "done");
        unfinished += span.unfinished ? 1 : 0;
        EXPECT_EQ(number_of(span, "k"), span.name == "b" ? 5 : -1);
    }
    EXPECT_EQ(unfinished, 2u);
    EXPECT_TRUE(world.files(".seg").empty());
    EXPECT_EQ(world.down(), 0);
}

TEST(Life, both_killed_and_the_next_consumer_drains_what_is_left) {
    World world;
    ASSERT_GT(world.up(), 0);
    const pid_t pid = world.producer([&] {
        { Span span("first"); }
        EXPECT_TRUE(flush(10s));
        ::kill(world.consumer, SIGKILL);
        { Span span("second"); }
        Span open("open");
        ::kill(::getpid(), SIGKILL);
    });
    EXPECT_EQ(World::wait_for(pid), -SIGKILL);
    world.kill_consumer();
    ASSERT_GT(world.up(), 0);
    const auto spans = world.spans_when(
        [&](const auto& s) { return s.size() >= 3 && world.files(".seg").empty(); });
    ASSERT_EQ(spans.size(), 3u);
    EXPECT_EQ(spans[0].name, "first");
    EXPECT_EQ(spans[1].name, "second");
    EXPECT_TRUE(spans[2].unfinished);
    EXPECT_EQ(world.down(), 0);
}

// A consumer that is killed after it has said in the database that a process has ended, and before
// it removes the ring: a second link keeps the ring as it is then.
TEST(Life, a_ring_that_is_stored_to_its_end_is_removed_and_not_stored_again) {
    World world;
    ASSERT_GT(world.up(), 0);
    int told[2];
    ASSERT_EQ(::pipe(told), 0);
    const pid_t pid = world.producer([&] {
        Span open("open");
        Span inner("inner");
        { Span done("done"); }
        EXPECT_TRUE(flush(10s));
        EXPECT_EQ(::write(told[1], "x", 1), 1);
        for (;;) ::pause();
    });
    char byte = 0;
    ASSERT_EQ(::read(told[0], &byte, 1), 1);
    const auto rings = world.files(".seg");
    ASSERT_EQ(rings.size(), 1u);
    const std::string ring = world.directory + "/" + rings[0];
    const std::string kept = world.directory + "/kept";
    ASSERT_EQ(::link(ring.c_str(), kept.c_str()), 0);
    ::kill(pid, SIGKILL);
    EXPECT_EQ(World::wait_for(pid), -SIGKILL);
    const auto reaped = [&](const auto& s) { return s.size() == 3 && world.files(".seg").empty(); };
    ASSERT_EQ(world.spans_when(reaped).size(), 3u);
    world.kill_consumer();
    ASSERT_EQ(::rename(kept.c_str(), ring.c_str()), 0);
    ASSERT_GT(world.up(), 0);
    EXPECT_TRUE(world.files(".seg").empty());
    EXPECT_EQ(world.down(), 0);
    EXPECT_EQ(world.spans().size(), 3u);
    for (const int end : told) ::close(end);
}

// The limits that a producer's process is born with are not those of the consumer: it is started
// with room for a few descriptors, and takes more by itself.
TEST(Life, a_consumer_raises_its_limit_of_descriptors) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    if (before.rlim_max <= 64) GTEST_SKIP() << "the hard limit leaves no room";
    rlimit low = before;
    low.rlim_cur = 64;
    World world;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    const pid_t consumer = world.up();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    ASSERT_GT(consumer, 0);
    rlimit found{};
    ASSERT_EQ(::prlimit(consumer, RLIMIT_NOFILE, nullptr, &found), 0);
    EXPECT_EQ(found.rlim_cur, before.rlim_max);
    EXPECT_EQ(world.down(), 0);
}

TEST(Life, a_second_consumer_is_refused_and_told_who_is_first) {
    World world;
    ASSERT_GT(world.up(), 0);
    std::string said;
    EXPECT_EQ(world.run_to_end({"--dir", world.directory, "--db", world.database + "2"}, &said), 2);
    EXPECT_THAT(said, HasSubstr("another"));
    EXPECT_THAT(said, HasSubstr("pid " + std::to_string(world.consumer)));
    EXPECT_THAT(said, HasSubstr(world.directory));
    EXPECT_EQ(
        world.run_to_end({"--dir", world.directory + "/other", "--db", world.database}, &said), 2);
    EXPECT_THAT(said, HasSubstr(std::to_string(world.consumer))) << "the database is taken";
    EXPECT_EQ(world.down(), 0);
}

TEST(Life, bad_input_is_one_line_and_exit_code_2) {
    World world;
    std::string said;
    const std::string file = world.directory + "/bad.toml";
    std::ofstream(file) << "[drain]\nmax_dely = \"1ms\"\n";
    EXPECT_EQ(world.run_to_end({"--config", file}, &said), 2);
    EXPECT_EQ(said, "spanringd: " + file + ":2: unknown key \"drain.max_dely\"\n");
    EXPECT_EQ(world.run_to_end({"--no-such-flag"}, &said), 2);
    EXPECT_EQ(world.run_to_end({"--dir", file, "--db", world.database}, &said), 2);
    EXPECT_THAT(said, HasSubstr(file));
    EXPECT_EQ(world.run_to_end({"--max-delay", "soon"}, &said), 2);
    EXPECT_THAT(said, HasSubstr("--max-delay"));
}

TEST(Life, a_segment_of_garbage_is_put_aside_and_disturbs_nobody) {
    World world;
    std::ofstream(world.directory + "/99-bad.seg") << std::string(100000, 'x');
    std::ofstream(world.directory + "/98-short.seg") << "short";
    ASSERT_GT(world.up(), 0);
    const pid_t pid = world.producer([] {
        { Span span("fine"); }
        EXPECT_TRUE(flush(10s));
    });
    EXPECT_EQ(World::wait_for(pid), 0);
    EXPECT_EQ(world.spans().size(), 1u);
    EXPECT_EQ(world.files(".quarantined").size(), 2u);
    EXPECT_EQ(world.down(), 0);
}

// Its maker was killed before it had a name.
TEST(Life, a_half_made_segment_is_removed_when_it_is_old) {
    World world;
    ASSERT_GT(world.up(), 0);
    for (const char* name : {"/.new-1-aa.seg", "/.new-2-bb.seg"}) {
        std::ofstream(world.directory + name) << "half made";
    }
    const auto an_hour_ago = std::filesystem::file_time_type::clock::now() - 1h;
    std::filesystem::last_write_time(world.directory + "/.new-1-aa.seg", an_hour_ago);
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (world.files(".seg").size() != 1 && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(10ms);
    }
    EXPECT_THAT(world.files(".seg"), ::testing::ElementsAre(".new-2-bb.seg"));
    EXPECT_EQ(world.down(), 0);
}

TEST(Life, another_database_takes_only_what_the_first_has_not) {
    World world;
    int go[2];
    ASSERT_EQ(::pipe(go), 0);
    ASSERT_GT(world.up(), 0);
    const pid_t pid = world.producer([&] {
        ::close(go[1]);
        { Span span("for the first"); }
        Span across("across");
        EXPECT_TRUE(flush(10s));
        char byte = 0;
        EXPECT_EQ(::read(go[0], &byte, 1), 1);
        { Span span("for the second"); }
        across.end();
        EXPECT_TRUE(flush(10s));
    });
    ::close(go[0]);
    (void)world.spans_when([](const auto& s) { return s.size() >= 2; });
    EXPECT_EQ(world.down(), 0);
    world.database += "-second";
    ASSERT_GT(world.up(), 0);
    ASSERT_EQ(::write(go[1], "x", 1), 1);
    EXPECT_EQ(World::wait_for(pid), 0);
    ::close(go[1]);
    const auto spans = world.spans();
    ASSERT_EQ(spans.size(), 2u);
    const auto& across = spans[spans[0].name == "across" ? 0 : 1];
    const auto& inner = spans[spans[0].name == "across" ? 1 : 0];
    EXPECT_EQ(across.name, "across");
    EXPECT_EQ(inner.name, "for the second");
    EXPECT_EQ(inner.parent_id, across.span_id);
    EXPECT_EQ(world.down(), 0);
}

// What a process becomes that calls exec in the test below.
TEST(ExecTarget, DISABLED_traces_and_lives_on) {
    { Span span("after"); }
    ASSERT_TRUE(flush(10s));
    for (;;) ::pause();
}

// Its pid and start time stay the same, and nothing but them speaks for the ring it left behind.
TEST(Life, a_ring_that_was_left_by_exec_is_closed_while_the_process_lives_on) {
    World world;
    ASSERT_GT(world.up(), 0);
    const pid_t pid = world.producer([] {
        { Span span("before"); }
        Span open("open");
        ::execl("/proc/self/exe", "exec", "--gtest_filter=ExecTarget.*",
                "--gtest_also_run_disabled_tests", "--gtest_brief=1", nullptr);
    });
    const auto spans = world.spans_when(
        [&](const auto& seen) { return seen.size() == 3 && world.files(".seg").size() == 1; });
    EXPECT_EQ(::kill(pid, 0), 0);
    EXPECT_EQ(world.files(".seg").size(), 1u);
    ASSERT_EQ(spans.size(), 3u);
    for (const auto& span : spans) EXPECT_EQ(span.unfinished, span.name == "open") << span.name;
    ::kill(pid, SIGKILL);
    EXPECT_EQ(World::wait_for(pid), -SIGKILL);
    EXPECT_EQ(world.down(), 0);
    EXPECT_TRUE(world.files(".seg").empty());
}

}  // namespace
}  // namespace spanring::consumer::testing
