// The runner itself: it ends what it was given, whatever that was doing.
#include "traced.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

namespace spanring::kill {
namespace {

/// A process that makes threads and nothing else.
pid_t make_threads() {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    Traced::announce();
    for (;;) std::thread([] {}).join();
}

// The thread that was being made is traced, and was unknown: its zombie kept the process.
TEST(Traced, ends_a_process_that_is_killed_while_it_makes_a_thread) {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    ::pthread_sigmask(SIG_BLOCK, &child, nullptr);
    const std::string program = std::filesystem::read_symlink("/proc/self/exe");
    for (int i = 0; i < 300; ++i) {
        Traced traced(make_threads(), {.program = program, .addresses = {}}, false);
        traced.run(std::chrono::milliseconds(1 + i % 4));
        traced.kill();
        ASSERT_EQ(traced.state(), Traced::State::kEnded);
    }
}

}  // namespace
}  // namespace spanring::kill
