// Each call of a consumer's life fails in turn, until a life makes fewer calls: it goes on or says
// so and ends, and after the next start everything that was published is stored once, and no file
// is left.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>

#include "consumer.hpp"
#include "faulty_world.hpp"
#include "spanring/base/os.hpp"

namespace spanring::consumer::testing {
namespace {

using namespace std::chrono_literals;

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
};

void PrintTo(const Fault& fault, std::ostream* out) {
    *out << fault.name;
}

/// A consumer in a child of ours: the whole of it but for the command line.
[[noreturn]] void be_consumer(const World& world, const Fault& fault, std::uint64_t nth,
                              int ready_fd) {
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
    if (nth != 0) os::inject_fault(fault.call, nth, fault.errno_value);
    auto consumer = Consumer::start(config, **log);
    if (!consumer) ::_exit(kDidNotStart);
    if (::write(ready_fd, "x", 1) != 1) ::_exit(3);
    const bool good = (*consumer)->run().ok();
    consumer->reset();
    if (!good) ::_exit(kSaidWhy);
    ::_exit(os::clear_fault() != 0 || nth == 0 ? kEndedWithFault : kEndedWithoutFault);
}

class FaultyWorld : public World {
public:
    FaultyWorld() : World(kTmpfs) {}
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
            EXPECT_EQ(wait_for(pid_), kDidNotStart);
        }
        return started;
    }
    int stop() const {
        ::kill(pid_, SIGTERM);
        return wait_for(pid_);
    }

private:
    pid_t pid_{-1};
};

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
        produce(world, 300ms);
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
