// Each call of a consumer's life fails in turn, until a life makes fewer calls: it goes on or says
// so and ends, and after the next start everything that was published is stored once, and no file
// is left.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <new>

#include "consumer.hpp"
#include "spanring/base/os.hpp"
#include "spanring/base/unique_fd.hpp"
#include "spanring/spanring.hpp"
#include "world.hpp"

namespace {

/// The allocation of this process that fails, counted down to it; 0: none.
std::atomic<std::int64_t> allocations_left{0};

}  // namespace

void* operator new(std::size_t bytes) {
    if (allocations_left.load() > 0 && --allocations_left == 0) throw std::bad_alloc();
    if (void* memory = std::malloc(std::max<std::size_t>(bytes, 1))) return memory;
    throw std::bad_alloc();
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

constexpr int kSpans = 30;
// How a consumer of ours ended.
constexpr int kEndedWithFault = 0;
constexpr int kEndedWithoutFault = 10;  ///< it made fewer calls
constexpr int kSaidWhy = 1;             ///< what was drained last could not be committed
constexpr int kDidNotStart = 2;

struct Fault {
    const char* name;
    os::Call call;
    int errno_value;
    std::uint64_t stride;  ///< by default, of n; all of them with SPANRING_TEST_LONG
    /// A full disk costs the oldest window, by design: then there is but one.
    std::uint64_t window_bytes{4096};
    bool of_memory{false};  ///< the n-th allocation fails, of no call
};

void PrintTo(const Fault& fault, std::ostream* out) {
    *out << fault.name;
}

/// A consumer in a child of ours: the whole of it but for the command line. As in spanringd, nobody
/// catches what it throws.
[[noreturn]] void be_consumer(const World& world, const Fault& fault, std::uint64_t nth,
                              int ready_fd) noexcept {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    Config config;
    config.directory = world.directory;
    config.database = world.database;
    config.log_file = world.log;
    config.store.window_bytes_max = fault.window_bytes;
    config.store.sync_interval = 5ms;
    auto log = Log::open(config, false);
    if (!log) ::_exit(3);
    if (fault.of_memory) {
        // It dies of it, and that is said on the standard error.
        const UniqueFd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
        ::dup2(nowhere.get(), STDERR_FILENO);
        const rlimit no_core{0, 0};
        ::setrlimit(RLIMIT_CORE, &no_core);
        allocations_left = static_cast<std::int64_t>(nth);
    } else if (nth != 0) {
        os::inject_fault(fault.call, nth, fault.errno_value);
    }
    auto consumer = Consumer::start(config, **log);
    if (!consumer) ::_exit(kDidNotStart);
    if (::write(ready_fd, "x", 1) != 1) ::_exit(3);
    const bool good = (*consumer)->run().ok();
    consumer->reset();
    if (!good) ::_exit(kSaidWhy);
    if (fault.of_memory)
        ::_exit(allocations_left.load() > 0 ? kEndedWithoutFault : kEndedWithFault);
    ::_exit(os::clear_fault() != 0 || nth == 0 ? kEndedWithFault : kEndedWithoutFault);
}

class FaultyWorld : public World {
public:
    FaultyWorld() {
        char folder[] = "/dev/shm/spanring-faults-XXXXXX";
        EXPECT_NE(::mkdtemp(folder), nullptr);
        folder_ = folder;
        database = folder_ + "/db";
    }
    ~FaultyWorld() {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    /// False: it did not start for the fault.
    bool start(const Fault& fault, std::uint64_t nth) {
        int ends[2];
        EXPECT_EQ(::pipe(ends), 0);
        pid_ = ::fork();
        if (pid_ == 0) be_consumer(*this, fault, nth, ends[1]);
        ::close(ends[1]);
        char byte = 0;
        const bool started = ::read(ends[0], &byte, 1) == 1;
        ::close(ends[0]);
        if (!started) {
            EXPECT_EQ(wait_for(pid_), fault.of_memory ? -SIGABRT : kDidNotStart);
        }
        return started;
    }
    int stop() const {
        ::kill(pid_, SIGTERM);
        return wait_for(pid_);
    }

private:
    std::string folder_;
    pid_t pid_{-1};
};

/// Two processes: one that ends, and one that is killed with spans open.
void produce(FaultyWorld& world) {
    const pid_t ends = world.producer([] {
        for (int i = 0; i < kSpans; ++i) {
            Span outer("outer");
            outer.set("k", i);
            Span inner("inner");
            inner.set("k", i);
            inner.set("text", std::string(200, 't'));
            if (i % 10 == 9) (void)flush(300ms);
        }
    });
    const pid_t is_killed = world.producer([] {
        AsyncSpan open("open");
        open.set("k", 0);
        Span last("last");
        last.set("k", 0);
        (void)flush(300ms);
        ::raise(SIGKILL);
    });
    EXPECT_EQ(World::wait_for(ends), 0);
    EXPECT_EQ(World::wait_for(is_killed), -SIGKILL);
}

void expect_all_once(const FaultyWorld& world) {
    std::map<std::string, std::map<std::int64_t, int>> seen;
    for (const codec::Span& span : world.spans()) {
        ++seen[span.name][number_of(span, "k")];
        const bool is_open = span.name == "open" || span.name == "last";
        EXPECT_EQ(span.duration_ns.has_value(), !is_open) << span.name;
    }
    for (const char* name : {"outer", "inner"}) {
        for (int i = 0; i < kSpans; ++i) EXPECT_EQ(seen[name][i], 1) << name << " " << i;
    }
    for (const char* name : {"open", "last"}) EXPECT_EQ(seen[name][0], 1) << name;
    EXPECT_EQ(seen.size(), 4u);
    for (const char* ending : {".seg", ".quarantined", ".new", ".tmp"}) {
        EXPECT_TRUE(world.files(ending).empty()) << world.files(ending).front();
    }
    auto report = store::check(world.database);
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(report->frames_bad, 0u) << report->problems.front();
    for (const auto& entry : std::filesystem::directory_iterator(world.database)) {
        const std::string name = entry.path().filename();
        EXPECT_FALSE(name.ends_with(".compacting") || name.ends_with(".new")) << name;
    }
}

class ConsumerFaults : public ::testing::TestWithParam<Fault> {};

TEST_P(ConsumerFaults, at_the_nth_call_cost_no_span_and_leave_no_file) {
    const Fault fault = GetParam();
    const std::uint64_t stride = std::getenv("SPANRING_TEST_LONG") != nullptr ? 1 : fault.stride;
    std::map<int, int> ends;
    bool reached = true;
    for (std::uint64_t nth = 1; reached && !HasFailure(); nth += stride) {
        SCOPED_TRACE("call " + std::to_string(nth));
        FaultyWorld world;
        const bool started = world.start(fault, nth);
        // As a service manager does.
        if (!started && !world.start(fault, 0)) {
            FAIL() << "does not start any more";
        }
        produce(world);
        const int end = world.stop();
        EXPECT_TRUE(end == kEndedWithFault || end == kEndedWithoutFault || end == kSaidWhy) << end;
        reached = !started || end != kEndedWithoutFault;
        ++ends[started ? end : kDidNotStart];
        ASSERT_TRUE(world.start(fault, 0));
        EXPECT_EQ(world.stop(), kEndedWithFault);
        expect_all_once(world);
    }
    std::cout << "consumers that went on: " << ends[kEndedWithFault]
              << ", ended with an error: " << ends[kSaidWhy]
              << ", did not start: " << ends[kDidNotStart] << "\n";
}

// A consumer without memory is a consumer that was killed.
TEST(ConsumerMemory, an_allocation_that_fails_costs_no_span) {
    const bool is_long = std::getenv("SPANRING_TEST_LONG") != nullptr;
    const Fault none{"none", os::Call::kAny, 0, 1};
    Fault fault = none;
    fault.of_memory = true;
    int died = 0;
    bool reached = true;
    for (std::uint64_t nth = 1; reached && !HasFailure();
         nth += std::max<std::uint64_t>(1, is_long ? nth / 10 : nth)) {
        SCOPED_TRACE("allocation " + std::to_string(nth));
        FaultyWorld world;
        bool runs = world.start(fault, nth);
        died += runs ? 0 : 1;
        if (!runs) {
            ASSERT_TRUE(world.start(none, 0));
        }
        produce(world);
        const int end = world.stop();
        if (runs && end == -SIGABRT) ++died;
        reached = !runs || end != kEndedWithoutFault;
        EXPECT_TRUE(end == -SIGABRT || end == kEndedWithFault || end == kEndedWithoutFault) << end;
        ASSERT_TRUE(world.start(none, 0));
        EXPECT_EQ(world.stop(), kEndedWithFault);
        expect_all_once(world);
    }
    EXPECT_GT(died, 5);
    std::cout << "consumers that died for want of memory: " << died << "\n";
}

INSTANTIATE_TEST_SUITE_P(
    Calls, ConsumerFaults,
    ::testing::Values(Fault{"eio", os::Call::kAny, EIO, 1},
                      Fault{"enospc", os::Call::kAny, ENOSPC, 7, 64u << 20},
                      Fault{"eintr", os::Call::kAny, EINTR, 7},
                      Fault{"enomem", os::Call::kMap, ENOMEM, 1},
                      Fault{"emfile", os::Call::kOpen, EMFILE, 3},
                      Fault{"short_read", os::Call::kRead, os::kShortTransfer, 3},
                      Fault{"short_write", os::Call::kWrite, os::kShortTransfer, 1, 64u << 20},
                      Fault{"watch", os::Call::kWatch, ENOMEM, 1},
                      Fault{"process", os::Call::kProcess, EMFILE, 1}),
    [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace spanring::consumer::testing
