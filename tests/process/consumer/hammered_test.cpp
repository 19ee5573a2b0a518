// A process that rings the doorbell without end and without a word to say.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "spanring/abi/control_layout.h"
#include "spanring/spanring.hpp"
#include "world.hpp"

namespace spanring::consumer::testing {
namespace {

using namespace std::chrono_literals;

/// How often the process's main thread, the drain, has gone to sleep.
long long sleeps_of(pid_t pid) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(in, line);) {
        long long count = 0;
        if (std::sscanf(line.c_str(), "voluntary_ctxt_switches: %lld", &count) == 1) return count;
    }
    return -1;
}

[[noreturn]] void hammer(const std::string& path, std::uint64_t* rings) {
    const int fd = ::open(path.c_str(), O_RDWR);
    void* page =
        ::mmap(nullptr, sizeof(spanring_doorbell), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) ::_exit(1);
    auto* word = &static_cast<spanring_doorbell*>(page)->word;
    for (;;) {
        // relaxed, both: whatever order it comes in, it is no protocol.
        if (__atomic_exchange_n(word, 0u, __ATOMIC_RELAXED) == 1) {
            __atomic_fetch_add(rings, 1, __ATOMIC_RELAXED);
        }
        ::syscall(SYS_futex, word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
    }
}

TEST(Hammered, doorbell_costs_a_turn_each_max_delay_and_no_more) {
    World world;
    ASSERT_GT(world.up(), 0);
    auto* rings = static_cast<std::uint64_t*>(
        ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(rings, MAP_FAILED);
    const std::string doorbell = world.directory + "/" SPANRING_DOORBELL_FILE;
    const pid_t hostile = world.producer([&] { hammer(doorbell, rings); });
    std::this_thread::sleep_for(300ms);  // it sleeps after 100 ms without data
    const auto began = std::chrono::steady_clock::now();
    const long long before = sleeps_of(world.consumer);
    std::this_thread::sleep_for(1s);
    const long long sleeps = sleeps_of(world.consumer) - before;
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - began);
    // relaxed: a figure.
    EXPECT_GT(__atomic_load_n(rings, __ATOMIC_RELAXED), 20u) << "it was not hammered at all";
    EXPECT_GE(before, 0);
    // A turn rests once and waits once; twice as many for what else it may wait for.
    EXPECT_LE(sleeps, 4 * took.count());
    const pid_t other = world.producer([] {
        { Span span("heard"); }
        EXPECT_TRUE(flush(10s));
    });
    EXPECT_EQ(World::wait_for(other), 0);
    ::kill(hostile, SIGKILL);
    (void)World::wait_for(hostile);
    EXPECT_EQ(world.down(), 0);
    ::munmap(rings, 4096);
}

}  // namespace
}  // namespace spanring::consumer::testing
