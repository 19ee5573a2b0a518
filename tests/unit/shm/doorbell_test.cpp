// Sleeping and waking on real threads and processes. (Every interleaving: tests/model.)

#include "spanring/shm/doorbell.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "ring_fixture.hpp"
#include "spanring/base/os.hpp"
#include "spanring/shm/clock.hpp"

namespace spanring::shm {
namespace {

constexpr std::uint64_t kLongNs = std::uint64_t{20} * 1'000'000'000U;

struct Bell {
    std::uint32_t flags{0};
    std::uint32_t word{0};
};

TEST(Doorbell, nobody_is_called_while_the_consumer_is_awake) {
    Bell bell;
    ring_if_waiting(bell.flags, bell.word);
    FutexSystem system;
    EXPECT_FALSE(Doorbell::ring(bell.word, system));
    EXPECT_EQ(bell.word, 0U);
}

TEST(Doorbell, only_the_first_ringer_makes_the_call) {
    Bell bell;
    FutexSystem system;
    Doorbell::arm(bell.flags, bell.word, system);
    EXPECT_TRUE(Doorbell::waiting(bell.flags));
    EXPECT_TRUE(Doorbell::ring(bell.word, system));
    EXPECT_FALSE(Doorbell::ring(bell.word, system));
    Doorbell::disarm(bell.flags, bell.word);
    EXPECT_FALSE(Doorbell::waiting(bell.flags));
}

TEST(Doorbell, a_consumer_that_finds_data_after_announcing_itself_does_not_sleep) {
    Bell bell;
    EXPECT_FALSE(wait_for_producers(bell.flags, bell.word, kLongNs, [] { return true; }));
    EXPECT_EQ(bell.flags, 0U);
    EXPECT_EQ(bell.word, 0U);
}

TEST(Doorbell, sleeping_ends_with_the_timeout) {
    Bell bell;
    const std::uint64_t before = monotonic_ns();
    EXPECT_TRUE(wait_for_producers(bell.flags, bell.word, 20'000'000, [] { return false; }));
    EXPECT_GE(monotonic_ns() - before, 19'000'000U);
    EXPECT_EQ(bell.flags, 0U);
}

TEST(Doorbell, other_flags_survive_a_sleep) {
    Bell bell;
    bell.flags = SPANRING_FLAG_ENABLED | (7U << SPANRING_FLAG_EPOCH_SHIFT);
    const std::uint32_t before = bell.flags;
    wait_for_producers(bell.flags, bell.word, 1'000'000, [] { return false; });
    EXPECT_EQ(bell.flags, before);
}

TEST(Doorbell, no_wake_up_is_lost_over_many_sleeps) {
    if (!register_membarrier()) GTEST_SKIP() << "this kernel has no membarrier(GLOBAL_EXPEDITED)";
    // One item in flight: the producer waits for each to be taken, so each finds the consumer on
    // its way to sleep. A lost wake-up would cost kLongNs, and the test its timeout.
    constexpr std::uint64_t kItems = 5000;
    Bell bell;
    std::atomic<std::uint64_t> published{0};
    std::atomic<std::uint64_t> taken{0};
    std::thread producer([&] {
        for (std::uint64_t i = 1; i <= kItems; ++i) {
            // release: pairs with the acquire of the consumer. As on the hot path: no fence after.
            published.store(i, std::memory_order_release);
            std::atomic_signal_fence(std::memory_order_seq_cst);  // seq_cst: compiler only
            ring_if_waiting(bell.flags, bell.word);
            // acquire: pairs with the release of `taken`.
            while (taken.load(std::memory_order_acquire) < i) std::this_thread::yield();
        }
    });
    // acquire, release: as above.
    const auto has_data = [&] {
        return published.load(std::memory_order_acquire) > taken.load(std::memory_order_acquire);
    };
    while (taken.load(std::memory_order_acquire) < kItems) {
        if (!has_data()) wait_for_producers(bell.flags, bell.word, kLongNs, has_data);
        if (has_data()) taken.fetch_add(1, std::memory_order_release);
    }
    producer.join();
    EXPECT_EQ(taken.load(), kItems);
}

TEST(Doorbell, a_producer_in_another_process_wakes_the_consumer) {
    const ScratchDirectory scratch;
    const RingDirectory directory = scratch.open();
    const Result<ControlPage> control = directory.map_control(Mapping::Access::kReadWrite);
    Result<Mapping> bell = directory.map_doorbell();
    ASSERT_TRUE(control && bell);
    auto* word = &bell->as<spanring_doorbell>()->word;
    auto* flags = const_cast<std::uint32_t*>(control->flags_word());
    const pid_t child = ::fork();
    if (child == 0) {
        const RingDirectory theirs = scratch.open();
        Result<ControlPage> page = theirs.map_control(Mapping::Access::kRead);
        Result<Mapping> their_bell = theirs.map_doorbell();
        if (!page || !their_bell) ::_exit(1);
        // acquire: pairs with the release in arm().
        while ((page->flags() & SPANRING_FLAG_WAITING) == 0) std::this_thread::yield();
        ring_if_waiting(*page->flags_word(), their_bell->as<spanring_doorbell>()->word);
        ::_exit(0);
    }
    FutexSystem system;
    Doorbell::arm(*flags, *word, system);
    Doorbell::sleep(*word, kLongNs, system);
    // relaxed: one value, written by the ringer before it woke us.
    EXPECT_EQ(RealAtomics::load(*word, std::memory_order_relaxed), 0U) << "woken, not timed out";
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
}

TEST(Doorbell, a_kernel_without_membarrier_is_reported) {
    os::inject_lasting_fault(os::Call::kMembarrier, 1, ENOSYS);
    EXPECT_FALSE(register_membarrier());
    EXPECT_FALSE(membarrier_available());
    os::clear_fault();
}

TEST(Clock, the_counter_is_used_only_if_it_is_invariant_and_the_kernel_keeps_time_by_it) {
    EXPECT_EQ(clock_kind_for("tsc\n", true), SPANRING_CLOCK_TSC);
    EXPECT_EQ(clock_kind_for("tsc", true), SPANRING_CLOCK_TSC);
    EXPECT_EQ(clock_kind_for("tsc\n", false), SPANRING_CLOCK_MONOTONIC);
    EXPECT_EQ(clock_kind_for("kvm-clock\n", true), SPANRING_CLOCK_MONOTONIC);
    EXPECT_EQ(clock_kind_for("tsc-early\n", true), SPANRING_CLOCK_MONOTONIC);
    EXPECT_EQ(clock_kind_for("", true), SPANRING_CLOCK_MONOTONIC);
}

TEST(Clock, an_unreadable_clock_source_means_monotonic) {
    os::inject_fault(os::Call::kOpen, 1, EACCES);
    EXPECT_EQ(clock_kind(), SPANRING_CLOCK_MONOTONIC);
    os::clear_fault();
}

TEST(Clock, ticks_never_run_backwards_on_a_thread) {
    for (const std::uint32_t kind : {clock_kind(), SPANRING_CLOCK_MONOTONIC}) {
        std::uint64_t last = ticks(kind);
        for (int i = 0; i < 10000; ++i) {
            const std::uint64_t now = ticks(kind);
            ASSERT_GE(now, last);
            last = now;
        }
    }
}

}  // namespace
}  // namespace spanring::shm
