// A ring that cannot be attached for want of something (no descriptor is left, say) is not the ring
// of a process that is gone: what is known of it waits until it can be.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "consumer.hpp"
#include "spanring/base/os.hpp"
#include "spanring/spanring.hpp"
#include "world.hpp"

namespace spanring::consumer::testing {
namespace {

using namespace std::chrono_literals;

/// Waits until what was logged behind the first `from` bytes has this text.
bool log_says(const World& world, std::size_t from, const std::string& text) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (world.log_text().find(text, from) == std::string::npos) {
        if (std::chrono::steady_clock::now() >= end) return false;
        std::this_thread::sleep_for(20ms);
    }
    return true;
}

/// A consumer in a child of ours, whose n-th open(2) of a file with this in its name fails. Returns
/// its pid once it drains, or 0 if it did not start for it.
pid_t start_with_fault(const World& world, const std::string& name_part, std::uint64_t nth) {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
        Config config;
        config.directory = world.directory;
        config.database = world.database;
        config.log_file = world.log;
        auto log = Log::open(config, false);
        if (!log) ::_exit(3);
        os::inject_open_fault(name_part.c_str(), nth, EMFILE);
        auto consumer = Consumer::start(config, **log);
        if (!consumer) ::_exit(2);
        if (::write(ready[1], "x", 1) != 1) ::_exit(3);
        ::_exit((*consumer)->run().ok() ? 0 : 1);
    }
    ::close(ready[1]);
    char byte = 0;
    const bool started = ::read(ready[0], &byte, 1) == 1;
    ::close(ready[0]);
    if (started) return pid;
    EXPECT_EQ(World::wait_for(pid), 2);
    return 0;
}

TEST(Attach, a_ring_that_could_not_be_attached_is_tried_again_and_not_ended) {
    World world;
    int told[2], go[2];
    ASSERT_EQ(::pipe(told), 0);
    ASSERT_EQ(::pipe(go), 0);
    ASSERT_GT(world.up(), 0);
    const pid_t producer = world.producer([&] {
        Span open("open");
        open.set("k", 1);
        AsyncSpan async("async");
        EXPECT_TRUE(flush(10s));
        EXPECT_EQ(::write(told[1], "x", 1), 1);
        char byte = 0;
        EXPECT_EQ(::read(go[0], &byte, 1), 1);
        async.end();
        open.end();
        EXPECT_TRUE(flush(20s));
    });
    char byte = 0;
    ASSERT_EQ(::read(told[0], &byte, 1), 1);
    world.kill_consumer();

    std::size_t waited = 0;
    std::size_t others = 0;
    const auto started_with_fault = [&](const std::string& name_part, std::uint64_t nth) {
        const std::size_t before = world.log_text().size();
        const pid_t pid = start_with_fault(world, name_part, nth);
        if (pid == 0) return;
        const bool failed = world.log_text().find("cannot attach", before) != std::string::npos;
        if (failed) {
            // Somebody else's spans begin a window, whose snapshot must speak of this ring, too.
            ++waited;
            ++others;
            EXPECT_EQ(World::wait_for(world.producer([] {
                          { Span span("other"); }
                          EXPECT_TRUE(flush(20s));
                      })),
                      0);
        }
        if (waited == 1 && failed) {
            EXPECT_TRUE(log_says(world, before, "attached pid " + std::to_string(producer)));
        }
        ::kill(pid, SIGKILL);
        (void)World::wait_for(pid);
        const auto spans = world.spans();
        EXPECT_EQ(spans.size(), others + 2) << name_part << nth;
        for (const auto& span : spans) {
            EXPECT_EQ(span.duration_ns.has_value(), span.name == "other") << name_part << nth;
        }
    };
    // The ring of the producer, wherever a consumer opens it; then whatever it opens to start.
    const std::string ring = std::to_string(producer) + "-";
    for (std::uint64_t nth = 1; nth <= 4; ++nth) started_with_fault(ring, nth);
    EXPECT_GT(waited, 0u);
    for (std::uint64_t nth = 1; nth <= 40; ++nth) started_with_fault("", nth);
    ASSERT_GT(world.up(), 0);
    ASSERT_EQ(::write(go[1], "x", 1), 1);
    EXPECT_EQ(World::wait_for(producer), 0);
    std::size_t finished = 0;
    for (const auto& span : world.spans()) {
        EXPECT_TRUE(span.duration_ns.has_value()) << span.name;
        finished += span.name == "open" || span.name == "async" ? 1 : 0;
        EXPECT_EQ(number_of(span, "k"), span.name == "open" ? 1 : -1);
    }
    EXPECT_EQ(finished, 2u);
    EXPECT_EQ(world.down(), 0);
    for (const int end : {told[0], told[1], go[0], go[1]}) ::close(end);
}

}  // namespace
}  // namespace spanring::consumer::testing
