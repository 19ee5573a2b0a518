// Ten million tracepoints without a system call and without an allocation.
//
// The writing thread runs under a seccomp filter with which the kernel kills the process at any
// system call; another thread empties the ring. (Strict mode would forbid the time stamp counter,
// too.) What is excepted by design does
// not happen here: the ring has its full size from the start, and the consumer never sleeps.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <atomic>
#include <thread>

#include "../../unit/producer/mini_consumer.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SPANRING_COUNT_ALLOCATIONS 0
#else
#define SPANRING_COUNT_ALLOCATIONS 1
#endif

namespace {
thread_local bool t_count = false;
std::atomic<std::uint64_t> g_allocations{0};
}  // namespace

#if SPANRING_COUNT_ALLOCATIONS
extern "C" void* __libc_malloc(std::size_t bytes);
extern "C" void* malloc(std::size_t bytes) {
    if (t_count) ++g_allocations;
    return __libc_malloc(bytes);
}
#endif

namespace spanring::test {
namespace {

using namespace literals;

void tracepoints(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; i += 4) {
        SPANRING_SPAN("quiet");
        set("n"_key, i);
        SPANRING_EVENT("tick");
    }
}

/// From now on any system call of this thread kills the process.
bool forbid_calls() {
    sock_filter kill[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
    const sock_fprog program{1, kill};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

void write_quietly(std::atomic<bool>& done) {
    tracepoints(400'000);  // warm-up
    t_count = true;
#if SPANRING_COUNT_ALLOCATIONS
    if (!forbid_calls()) ::_exit(3);
#endif
    tracepoints(10'000'000);
    t_count = false;
    done = true;
    // Ending a thread takes calls that are not allowed any more.
    for (;;) {
    }
}

/// Empties the ring as a consumer would, without looking at what is in it.
void empty(shm::SegmentReader& reader) {
    std::vector<shm::PageView> pages;
    ASSERT_TRUE(reader.peek_all(&pages).ok());
    for (const auto& page : pages) {
        ASSERT_TRUE(reader.set_stored(page.page, page.generation, page.committed).ok());
        if (page.state != SPANRING_PAGE_FULL) continue;
        ASSERT_TRUE(reader.release(page.page, page.generation).ok());
    }
}

TEST(HotPath, makes_no_system_call_and_no_allocation) {
    TestDirectory directory;
    in_child([&] {
        Configuration configuration;
        configuration.directory = directory.path();
        configuration.ring_bytes_max = configuration.ring_bytes_initial = 4 << 20;
        ASSERT_TRUE(configure(configuration).ok());
        { Span first("first"); }
        const auto names = directory.directory().segments();
        ASSERT_EQ(names->size(), 1u);
        auto reader = shm::SegmentReader::attach(directory.directory(), names->front(),
                                                 shm::SegmentReader::Mode::kReadWrite);
        ASSERT_TRUE(reader.ok());
        std::atomic<bool> done{false};
        std::thread writer(write_quietly, std::ref(done));
        while (!done) empty(*reader);
        EXPECT_EQ(g_allocations, 0u);
        std::fflush(nullptr);
        ::_exit(::testing::Test::HasFailure() ? 1 : 0);  // with the writer, which cannot end
    });
}

}  // namespace
}  // namespace spanring::test
