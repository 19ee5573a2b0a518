// Shared objects that each link the library statically: one context, one segment.
#include <dlfcn.h>

#include <fstream>
#include <thread>

#include "../../unit/producer/mini_consumer.hpp"

namespace spanring::test {
namespace {

using Work = void (*)();

Work work_of(void* object) {
    return reinterpret_cast<Work>(::dlsym(object, "plugin_work"));
}

TEST(Copies, of_the_library_share_context_and_segment) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        void* one_object = ::dlopen(PLUGIN_ONE, RTLD_NOW | RTLD_LOCAL);
        void* two_object = ::dlopen(PLUGIN_TWO, RTLD_NOW | RTLD_LOCAL);
        ASSERT_NE(one_object, nullptr) << ::dlerror();
        ASSERT_NE(two_object, nullptr) << ::dlerror();
        {
            Span outer("outer");
            work_of(one_object)();
            work_of(two_object)();
        }
        std::thread([&] {
            work_of(two_object)();
            Span host("host");
            work_of(one_object)();
        }).join();
        const auto spans = consumer.drain();
        EXPECT_EQ(consumer.segments(), 1u);
        ASSERT_EQ(spans.size(), 6u);
        int below_outer = 0;
        int below_host = 0;
        int roots = 0;
        for (const auto& span : spans) {
            if (span.name != "plugin") continue;
            below_outer += span.parent_id == one(spans, "outer").span_id ? 1 : 0;
            below_host += span.parent_id == one(spans, "host").span_id ? 1 : 0;
            roots += span.parent_id.valid() ? 0 : 1;
        }
        EXPECT_EQ(below_outer, 2);
        EXPECT_EQ(below_host, 1);
        EXPECT_EQ(roots, 1);
        EXPECT_EQ(losses().total(), 0u);
    });
}

// Before, the thread id noted with its writer was the child's: the second copy took the writer for
// a dead thread's, and gave it back under the first.
TEST(Copies, agree_on_a_thread_whose_vforked_child_traced_first) {
#if defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "ThreadSanitizer makes vfork a fork";
#endif
    traced([](TestDirectory&, MiniConsumer& consumer) {
        { Span first("first"); }
        const Work one_work = work_of(::dlopen(PLUGIN_ONE, RTLD_NOW | RTLD_LOCAL));
        const Work two_work = work_of(::dlopen(PLUGIN_TWO, RTLD_NOW | RTLD_LOCAL));
        std::thread([&] {
            const pid_t child = ::vfork();
            if (child == 0) {
                one_work();
                ::_exit(0);
            }
            ::waitpid(child, nullptr, 0);
            one_work();
            two_work();
            Span host("host");
            one_work();
        }).join();
        const auto spans = consumer.drain();
        EXPECT_EQ(spans.size(), 5u);
        constexpr auto kSignal = static_cast<unsigned>(LossReason::kSignal);
        EXPECT_EQ(losses().spans[kSignal], 1u);
        EXPECT_EQ(losses().details[kSignal], 1u);
        EXPECT_EQ(losses().total(), 2u);
        EXPECT_EQ(*consumer.segment(0).slots_declared(), 2u);
    });
}

/// Pages in this process's address space.
long mapped_pages() {
    long pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return pages;
}

TEST(Copies, may_be_loaded_and_unloaded_again_and_again) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        // The sanitizers keep what they know of an object that was unloaded.
        constexpr int kCycles = 300;
        constexpr long kMorePagesMax = 1L << 40;
#else
        constexpr int kCycles = 10'000;
        // What malloc may have mapped meanwhile: 4 MiB, far less than 9,000 of anything of ours.
        constexpr long kMorePagesMax = 1024;
#endif
        std::size_t stored = 0;
        long mapped_early = 0;
        Span outer("outer");
        for (int i = 0; i < kCycles; ++i) {
            void* object = ::dlopen(i % 2 == 0 ? PLUGIN_ONE : PLUGIN_TWO, RTLD_NOW | RTLD_LOCAL);
            ASSERT_NE(object, nullptr);
            if (i == kCycles / 10) mapped_early = mapped_pages();
            std::thread(work_of(object)).join();
            ::dlclose(object);
            if (i % 100 == 99) stored += consumer.drain().size();
        }
        EXPECT_EQ(stored + consumer.drain().size(), static_cast<std::size_t>(kCycles));
        EXPECT_LE(mapped_pages(), mapped_early + kMorePagesMax);
        EXPECT_EQ(consumer.segments(), 1u);
    });
}

}  // namespace
}  // namespace spanring::test
