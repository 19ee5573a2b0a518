// An allocation of a consumer's life fails: it ends as if it had been killed, or goes on, and after
// the next start everything that was published is stored once, and no file is left.
//
// Of all allocations, some evenly spread; with SPANRING_TEST_LONG many more. This program has an
// operator new of its own.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <map>
#include <new>
#include <thread>

#include "consumer.hpp"
#include "faulty_world.hpp"

namespace {

struct Allocations {
    std::atomic<std::uint64_t> made;
    std::atomic<std::uint64_t> fails_at;  ///< 0: none
};
/// In memory that the consumer's process shares with the test; null where nothing is to fail.
Allocations* g_allocations = nullptr;

}  // namespace

// Sequentially consistent: clarity is worth more than time here.
void* operator new(std::size_t bytes) {
    if (g_allocations != nullptr) {
        const std::uint64_t number = g_allocations->made.fetch_add(1) + 1;
        if (number == g_allocations->fails_at.load()) throw std::bad_alloc();
    }
    void* memory = std::malloc(bytes == 0 ? 1 : bytes);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}
// As the library's own; a sanitizer has another one, which does not fit the delete below.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    try {
        return ::operator new(bytes);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace spanring::consumer::testing {
namespace {

using namespace std::chrono_literals;

constexpr int kStopped = 0;
constexpr int kSaidWhy = 1;  ///< what was drained last could not be committed
constexpr int kDidNotStart = 2;

/// The whole of a consumer but for the command line. On a thread, as nothing may catch around it
/// what nothing catches in spanringd.
void be_consumer(const World& world, Allocations* allocations, int ready_fd) {
    Config config;
    config.directory = world.directory;
    config.database = world.database;
    config.log_file = world.log;
    config.store.window_bytes_max = 4096;
    config.store.sync_interval = 5ms;
    auto log = Log::open(config, false);
    if (!log) ::_exit(3);
    g_allocations = allocations;
    auto consumer = Consumer::start(config, **log);
    if (!consumer) ::_exit(kDidNotStart);
    if (::write(ready_fd, "x", 1) != 1) ::_exit(3);
    const bool good = (*consumer)->run().ok();
    consumer->reset();
    g_allocations = nullptr;
    ::_exit(good ? kStopped : kSaidWhy);
}

class ConsumerMemory : public ::testing::Test {
protected:
    ConsumerMemory() {
        allocations_ =
            static_cast<Allocations*>(::mmap(nullptr, sizeof(Allocations), PROT_READ | PROT_WRITE,
                                             MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    }
    ~ConsumerMemory() override { ::munmap(allocations_, sizeof(Allocations)); }

    /// Returns whether it drains.
    bool start(const World& world, std::uint64_t fails_at) {
        allocations_->made = 0;
        allocations_->fails_at = fails_at;
        int ends[2];
        EXPECT_EQ(::pipe(ends), 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            // What the C++ library says of an exception that nobody catches.
            ::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), 2);
            sigset_t set;
            sigemptyset(&set);
            sigaddset(&set, SIGTERM);
            ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
            std::thread(be_consumer, std::cref(world), allocations_, ends[1]).join();
        }
        ::close(ends[1]);
        char byte = 0;
        const bool started = ::read(ends[0], &byte, 1) == 1;
        ::close(ends[0]);
        return started;
    }
    /// Returns how it ended.
    int stop() const {
        ::kill(pid_, SIGTERM);
        return World::wait_for(pid_);
    }

    /// A life in which this allocation fails, and one in which none does. Returns how the first
    /// one ended.
    int live_with(std::uint64_t fails_at) {
        World world(kTmpfs);
        int end = kDidNotStart;
        const bool started = start(world, fails_at);
        if (!started) end = World::wait_for(pid_);
        if (!started && !start(world, 0)) ADD_FAILURE() << "does not start any more";
        produce(world, 20ms);
        const int stopped = stop();
        if (started) end = stopped;
        drained_ += started ? 1 : 0;
        EXPECT_TRUE(end == kStopped || end == kSaidWhy || end == kDidNotStart || end == -SIGABRT)
            << end;
        if (!start(world, 0)) ADD_FAILURE() << "does not start any more";
        EXPECT_EQ(stop(), kStopped);
        expect_all_once(world);
        return end;
    }

    Allocations* allocations_;
    pid_t pid_{-1};
    int drained_{0};  ///< lives in which it came so far
};

TEST_F(ConsumerMemory, that_fails_once_costs_no_span_and_leaves_no_file) {
    World world(kTmpfs);
    ASSERT_TRUE(start(world, 0));
    produce(world, 300ms);
    EXPECT_EQ(stop(), kStopped);
    const std::uint64_t all = allocations_->made;
    ASSERT_GT(all, 1000U);
    const std::uint64_t places = std::getenv("SPANRING_TEST_LONG") != nullptr ? 1000 : 40;
    std::map<int, int> ends;
    for (std::uint64_t place = 0; place < places && !HasFailure(); ++place) {
        const std::uint64_t nth = 1 + place * all / places;
        SCOPED_TRACE("allocation " + std::to_string(nth));
        ++ends[live_with(nth)];
    }
    std::cout << "of " << all << " allocations; consumers that had begun to drain: " << drained_
              << ", ended by the failure: " << ends[-SIGABRT] << "\n";
    if (HasFailure()) return;
    EXPECT_GT(ends[-SIGABRT], 0) << "no allocation failed";
    EXPECT_GT(drained_, 0);
}

}  // namespace
}  // namespace spanring::consumer::testing
