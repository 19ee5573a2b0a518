#include "shards.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <vector>

namespace spanring::kill {

SharedCounters::SharedCounters(std::size_t count) : count_(count) {
    void* shared = ::mmap(nullptr, count * sizeof *counters_, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(shared, MAP_FAILED);
    counters_ = static_cast<std::atomic<std::uint64_t>*>(shared);
}

SharedCounters::~SharedCounters() {
    ::munmap(counters_, count_ * sizeof *counters_);
}

void run_sharded(std::size_t count, int shards, std::size_t progress_every,
                 const std::function<void(std::size_t)>& run) {
    const SharedCounters next(1);
    std::vector<pid_t> pids;
    std::fflush(stdout);
    for (int i = 0; i < shards; ++i) {
        const pid_t pid = ::fork();
        ASSERT_GE(pid, 0);
        if (pid != 0) {
            pids.push_back(pid);
            continue;
        }
        for (std::size_t at; (at = next[0]++) < count && !::testing::Test::HasFatalFailure();) {
            if (at != 0 && at % progress_every == 0) {
                std::printf("%zu of %zu cases\n", at, count);
                std::fflush(stdout);
            }
            run(at);
        }
        std::fflush(stdout);
        ::_exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    for (const pid_t pid : pids) {
        int status = 0;
        EXPECT_EQ(::waitpid(pid, &status, 0), pid);
        EXPECT_EQ(status, 0) << "a shard has failed; what it says stands above";
    }
}

}  // namespace spanring::kill
