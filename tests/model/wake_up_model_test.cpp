// Every interleaving of a consumer that goes to sleep and producers that publish.

#include <gtest/gtest.h>

#include <iostream>

#include "scheduler.hpp"
#include "spanring/shm/doorbell.hpp"

namespace spanring::model {
namespace {

struct Shared {
    std::uint32_t flags;
    std::uint32_t word;
    std::uint64_t published[2];
};
Shared g_shared;

enum class Order { kPublishThenLook, kLookThenPublish };

template <typename System, Order kOrder>
void produce(int producer, std::uint64_t count) {
    using Bell = shm::BasicDoorbell<ModelAtomics, System>;
    System system;
    for (std::uint64_t i = 1; i <= count; ++i) {
        bool waiting = false;
        if (kOrder == Order::kLookThenPublish) waiting = Bell::waiting(g_shared.flags);
        // release: as `committed`.
        ModelAtomics::store(g_shared.published[producer], i, std::memory_order_release);
        if (kOrder == Order::kPublishThenLook) waiting = Bell::waiting(g_shared.flags);
        if (waiting) Bell::ring(g_shared.word, system);
    }
}

/// Sleeps until everything has come. Without a timeout: a lost wake-up is a thread that waits for
/// ever, which the model reports.
template <typename System>
void consume(std::uint64_t total) {
    using Bell = shm::BasicDoorbell<ModelAtomics, System>;
    System system;
    const auto all_there = [total] {
        std::uint64_t sum = 0;
        for (const std::uint64_t& published : g_shared.published) {
            // acquire: as of `committed`.
            sum += ModelAtomics::load(published, std::memory_order_acquire);
        }
        return sum == total;
    };
    while (!all_there()) {
        Bell::arm(g_shared.flags, g_shared.word, system);
        if (!all_there()) Bell::sleep(g_shared.word, 0, system);
        Bell::disarm(g_shared.flags, g_shared.word);
    }
}

template <typename System, Order kOrder>
Outcome explore(int producers, std::uint64_t count) {
    return Model::explore([&](Model& model) {
        g_shared = {};
        for (int i = 0; i < producers; ++i) {
            model.thread([i, count] { produce<System, kOrder>(i, count); });
        }
        model.thread(
            [producers, count] { consume<System>(static_cast<std::uint64_t>(producers) * count); });
    });
}

using Works = BasicModelSystem<true>;
using NoBarrier = BasicModelSystem<false>;

TEST(WakeUpModel, no_wake_up_is_lost_with_one_producer) {
    const Outcome outcome = explore<Works, Order::kPublishThenLook>(1, 3);
    EXPECT_EQ(outcome.violation, "");
    EXPECT_GT(outcome.states, 100U);
    std::cout << outcome.states << " states, " << outcome.runs << " runs\n";
}

TEST(WakeUpModel, no_wake_up_is_lost_with_two_producers) {
    const Outcome outcome = explore<Works, Order::kPublishThenLook>(2, 1);
    EXPECT_EQ(outcome.violation, "");
    EXPECT_GT(outcome.states, 100U);
    std::cout << outcome.states << " states, " << outcome.runs << " runs\n";
}

TEST(WakeUpModel, finds_the_lost_wake_up_without_membarrier) {
    EXPECT_NE((explore<NoBarrier, Order::kPublishThenLook>(1, 1).violation), "");
}

TEST(WakeUpModel, finds_the_lost_wake_up_if_the_flag_is_looked_at_before_publishing) {
    EXPECT_NE((explore<Works, Order::kLookThenPublish>(1, 1).violation), "");
}

}  // namespace
}  // namespace spanring::model
