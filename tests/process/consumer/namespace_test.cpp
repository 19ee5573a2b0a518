// Processes in other namespaces, and pids that are used again at once: a ring is its process's
// until that is dead, and is reaped then.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

#include "spanring/spanring.hpp"
#include "world.hpp"

namespace spanring::consumer::testing {
namespace {

using namespace std::chrono_literals;

constexpr int kNotPossible = 77;

bool wait_until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!done() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(10ms);
    return done();
}

/// /proc of this pid namespace, seen by this mount namespace alone. Some containers forbid it.
bool mount_own_proc() {
    return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           ::mount("proc", "/proc", "proc", 0, nullptr) == 0;
}

/// Runs `body` as pid 1 of new namespaces. When it has written a byte to its descriptor, it is
/// killed. Returns 0 then, else body's exit code, minus the signal, or kNotPossible.
int in_namespaces(int flags, const std::function<int(int ready_fd)>& body) {
    const pid_t outer = ::fork();
    if (outer == 0) {
        int ready[2];
        if (::unshare(flags) != 0 || ::pipe(ready) != 0) ::_exit(kNotPossible);
        const pid_t inner = ::fork();
        if (inner < 0) ::_exit(kNotPossible);
        if (inner == 0) {
            ::close(ready[0]);
            ::_exit(body(ready[1]));
        }
        ::close(ready[1]);
        char byte = 0;
        // It is ready to be killed, or has ended by itself.
        if (::read(ready[0], &byte, 1) == 1) ::kill(inner, SIGKILL);
        const int code = World::wait_for(inner);
        ::_exit(code == -SIGKILL ? 0 : code);
    }
    return World::wait_for(outer);
}

// A user of its own, too, is what an unprivileged container has: the file's owner outside counts.
class Namespaces : public ::testing::TestWithParam<int> {};

TEST_P(Namespaces, a_producer_in_others_is_served_dies_and_is_reaped) {
    World world;
    ASSERT_GT(world.up(), 0);
    const std::string directory = world.directory;
    const int code = in_namespaces(GetParam(), [&directory](int ready) {
        (void)mount_own_proc();  // without, the process sees no start time of its own
        ::setenv("SPANRING_DIR", directory.c_str(), 1);
        { Span span("ended"); }
        Span open("open");
        if (!flush(10s)) return 1;
        if (::write(ready, "x", 1) != 1) return 2;
        for (;;) ::pause();
    });
    if (code == kNotPossible) GTEST_SKIP() << "NOT TESTED: namespaces are forbidden here";
    EXPECT_EQ(code, 0);
    const auto spans = world.spans_when([](const auto& s) { return s.size() == 2; });
    EXPECT_EQ(spans.size(), 2u);
    EXPECT_TRUE(wait_until([&] { return world.files(".seg").empty(); })) << "it is not reaped";
    const auto stored = world.spans();
    ASSERT_EQ(stored.size(), 2u);
    for (const auto& span : stored) EXPECT_EQ(span.unfinished, span.name == "open") << span.name;
    EXPECT_EQ(world.down(), 0);
}

INSTANTIATE_TEST_SUITE_P(Of, Namespaces,
                         ::testing::Values(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC,
                                           CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC |
                                               CLONE_NEWUSER));

/// fork(), but with this pid.
pid_t fork_as(pid_t wanted) {
    clone_args arguments{};
    arguments.exit_signal = SIGCHLD;
    arguments.set_tid = reinterpret_cast<std::uint64_t>(&wanted);
    arguments.set_tid_size = 1;
    return static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
}

constexpr pid_t kPid = 300;
constexpr int kLives = 10;
constexpr int kSpansEach = 20;

[[noreturn]] void live_once(const std::string& directory, int life) {
    ::setenv("SPANRING_DIR", directory.c_str(), 1);
    for (int i = 0; i < kSpansEach; ++i) Span(std::to_string(life)).set("life", life);
    Span open("open " + std::to_string(life));
    ::kill(::getpid(), SIGKILL);
    for (;;) ::pause();
}

/// Pid 1 of a namespace with consumer and producers in it. Returns an exit code.
int reuse_a_pid() {
    if (!mount_own_proc()) return kNotPossible;
    World world;
    if (world.up() <= 0) return 1;
    for (int life = 0; life < kLives; ++life) {
        // Every other time the consumer sees the dead one's ring only when its pid lives again.
        if (life % 2 == 0) ::kill(world.consumer, SIGSTOP);
        for (int twin = 0; twin < 2; ++twin) {
            const pid_t pid = fork_as(kPid);
            if (pid < 0 && life == 0 && twin == 0) return kNotPossible;
            if (pid == 0) live_once(world.directory, 2 * life + twin);
            EXPECT_EQ(World::wait_for(pid), -SIGKILL);
        }
        ::kill(world.consumer, SIGCONT);
    }
    const pid_t last = fork_as(kPid);
    if (last == 0) {
        ::setenv("SPANRING_DIR", world.directory.c_str(), 1);
        { Span span("last"); }
        for (;;) ::pause();
    }
    EXPECT_TRUE(wait_until([&] { return world.files(".seg").size() == 1; }))
        << "rings of the dead are not reaped while another process has their pid";
    std::size_t ended = 0;
    for (const auto& span : world.spans()) {
        const bool open = span.name.starts_with("open ");
        EXPECT_EQ(span.unfinished, open) << span.name;
        ended += open || span.name == "last" ? 0 : 1;
        const bool mixed =
            !open && span.name != "last" && span.name != std::to_string(number_of(span, "life"));
        EXPECT_FALSE(mixed) << span.name << " says it is of life " << number_of(span, "life");
    }
    EXPECT_EQ(ended, static_cast<std::size_t>(2 * kLives * kSpansEach));
    ::kill(last, SIGKILL);
    (void)World::wait_for(last);
    EXPECT_EQ(world.down(), 0);
    return ::testing::Test::HasFailure() ? 2 : 0;
}

TEST(PidReuse, a_ring_is_reaped_although_its_pid_lives_again_and_nothing_mixes) {
    const int code = in_namespaces(CLONE_NEWPID | CLONE_NEWNS, [](int) { return reuse_a_pid(); });
    if (code == kNotPossible) {
        GTEST_SKIP() << "NOT TESTED: no pid namespace, no /proc of it, or no choice of pids here";
    }
    EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace spanring::consumer::testing
