// Compaction whose calls fail, or that is killed: nothing is lost and nothing stands twice.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <atomic>

#include "compaction_support.hpp"
#include "spanring/base/os.hpp"

namespace spanring::store::testing {
namespace {

using ::testing::IsEmpty;

struct CallFault {
    os::Call call;
    int errno_value;
};

class CompactionFaults : public ::testing::TestWithParam<CallFault> {};

TEST_P(CompactionFaults, at_the_nth_call_change_nothing_and_leave_nothing) {
    const CallFault fault = GetParam();
    for (std::uint64_t nth = 1;; ++nth) {
        TempDir dir;
        auto writer = open_writer(dir.db(), by_hand());
        commit_many(*writer, 1, 12);
        ASSERT_TRUE(writer->index_now().ok());
        os::inject_fault(fault.call, nth, fault.errno_value);
        auto failed = writer->compact();
        const bool injected = os::clear_fault() != 0;
        EXPECT_EQ(sorted(visible_names(dir.db())), sorted(numbered(12))) << "n = " << nth;
        EXPECT_THAT(files_in(dir.db(), ".compacting"), IsEmpty()) << "n = " << nth;
        // Again, and as the next process would.
        (void)compacted(*writer);
        writer.reset();
        auto again = compact(dir.db());
        ASSERT_TRUE(again.ok()) << again.error().message << ", n = " << nth;
        EXPECT_EQ(sorted(visible_names(dir.db())), sorted(numbered(12))) << "n = " << nth;
        if (!injected) {
            EXPECT_TRUE(failed.ok());
            break;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Calls, CompactionFaults,
                         ::testing::Values(CallFault{os::Call::kOpen, EIO},
                                           CallFault{os::Call::kWrite, ENOSPC},
                                           CallFault{os::Call::kSync, EIO},
                                           CallFault{os::Call::kRename, EIO},
                                           CallFault{os::Call::kStat, EIO}));

/// What a process announces before it is killed.
struct Announced {
    std::atomic<std::uint64_t> committed;
    std::atomic<std::uint64_t> compacted;  ///< windows
};

/// Commits, compacts (at full speed) and retires in a process that is killed at any moment.
void write_until_killed(const std::string& db, Announced& announced, WriterOptions options) {
    auto writer = Writer::open(db, options);
    if (!writer) ::_exit(3);
    // relaxed: read back by the parent after this process is dead.
    std::uint64_t next = announced.committed.load(std::memory_order_relaxed);
    // One that was committed but not announced: the page of the ring would be at its position.
    for (const InstanceDelta& delta : (*writer)->recovered().instances)
        if (!delta.pages.empty()) next = delta.pages[0].bytes;
    // A few windows ahead: each is synced when it is compacted, which may take long here.
    std::uint64_t begun = 0;
    std::atomic<std::uint64_t> mine{0};
    std::thread compacting([&] {
        for (;;) {
            if (!(*writer)->index_now().ok()) ::_exit(5);
            auto report = (*writer)->compact();
            if (!report) ::_exit(6);
            // relaxed: only counted.
            announced.compacted.fetch_add(report->windows, std::memory_order_relaxed);
            // relaxed: as above.
            mine.fetch_add(report->windows, std::memory_order_relaxed);
        }
    });
    for (;;) {
        begun += (*writer)->wants_snapshot() ? 1 : 0;
        // relaxed: only counted.
        while (begun > mine.load(std::memory_order_relaxed) + 8) ::usleep(200);
        if (!commit_numbered(**writer, next + 1).ok()) ::_exit(4);
        // relaxed: as above.
        announced.committed.store(++next, std::memory_order_relaxed);
    }
}

class Killed : public ::testing::TestWithParam<bool> {};

TEST_P(Killed, at_any_moment_compaction_and_retirement_lose_and_repeat_nothing) {
    const bool retires = GetParam();
    auto* shared = static_cast<Announced*>(
        ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(shared, MAP_FAILED);
    TempDir dir;
    WriterOptions options = by_hand(6000);
    if (retires) options.database_bytes_max = 30000;
    unsigned seed = 1;
    for (int round = 0; round < 30; ++round) {
        const pid_t pid = ::fork();
        if (pid == 0) write_until_killed(dir.db(), *shared, options);
        seed = seed * 1664525 + 1013904223;
        // At its start, or while it is compacting, at whatever.
        // relaxed: only counted.
        const auto before = shared->compacted.load(std::memory_order_relaxed);
        if (round % 3 == 0) ::usleep(seed % 60000);
        // relaxed: as above.
        while (round % 3 != 0 && shared->compacted.load(std::memory_order_relaxed) == before &&
               ::waitpid(pid, nullptr, WNOHANG) == 0)
            ::usleep(seed % 10000);
        ::kill(pid, SIGKILL);
        int status = 0;
        ::waitpid(pid, &status, 0);
        ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself: " << WEXITSTATUS(status);
        if (files_in(dir.db(), ".log").empty()) continue;
        const auto names = visible_names(dir.db());
        std::vector<std::uint64_t> numbers;
        for (const std::string& name : names) numbers.push_back(std::stoull(name.substr(1)));
        std::sort(numbers.begin(), numbers.end());
        // relaxed: the process that wrote it is dead.
        const std::uint64_t announced = shared->committed.load(std::memory_order_relaxed);
        if (numbers.empty()) {
            ASSERT_EQ(announced, 0u);
            continue;
        }
        ASSERT_GE(numbers.back(), announced) << "round " << round;
        if (!retires) {
            ASSERT_EQ(numbers.front(), 1u);
        }
        for (std::size_t i = 1; i < numbers.size(); ++i)
            ASSERT_EQ(numbers[i], numbers[i - 1] + 1) << "round " << round;
        auto checked = check(dir.db());
        ASSERT_TRUE(checked.ok());
        ASSERT_THAT(checked->problems, IsEmpty());
    }
    EXPECT_GE(shared->compacted.load(), 20u) << "it was at it";
    ::munmap(shared, 4096);
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutRetirement, Killed, ::testing::Bool());

}  // namespace
}  // namespace spanring::store::testing
