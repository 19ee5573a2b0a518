// What the kernel says of a process and of a core.
#include "usage.hpp"

#include <gtest/gtest.h>
#include <time.h>
#include <unistd.h>

#include "cores.hpp"

namespace spanring::tools::bench {
namespace {

std::uint64_t own_cpu_ns() {
    timespec used;
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000u +
           static_cast<std::uint64_t>(used.tv_nsec);
}

TEST(Usage, counts_processor_time_and_memory_of_a_process) {
    const auto before = usage_of(::getpid());
    ASSERT_TRUE(before.ok());
    EXPECT_GT(before->rss_peak_bytes, 64u << 10);
    const std::uint64_t start = own_cpu_ns();
    while (own_cpu_ns() - start < 100'000'000u) {
    }
    const auto after = usage_of(::getpid());
    ASSERT_TRUE(after.ok());
    EXPECT_GE(after->cpu_ns - before->cpu_ns, 100'000'000u);
    EXPECT_LE(after->cpu_ns, own_cpu_ns());
}

TEST(Usage, of_a_process_that_is_gone_is_an_error) {
    const auto usage = usage_of(0x3fffffff);
    ASSERT_FALSE(usage.ok());
    EXPECT_EQ(usage.error().code, ErrorCode::kNotFound);
}

TEST(Usage, a_core_that_works_is_busy) {
    const int core = usable_cores().front();
    const OnCore here(core);
    const std::uint64_t before = busy_ns_of(core);
    const std::uint64_t start = own_cpu_ns();
    while (own_cpu_ns() - start < 100'000'000u) {
    }
    EXPECT_GE(busy_ns_of(core) - before, 60'000'000u);
}

TEST(Usage, on_core_gives_the_others_back) {
    const auto before = usable_cores();
    {
        const OnCore here(before.front());
        EXPECT_EQ(usable_cores(), std::vector<int>{before.front()});
    }
    EXPECT_EQ(usable_cores(), before);
}

}  // namespace
}  // namespace spanring::tools::bench
