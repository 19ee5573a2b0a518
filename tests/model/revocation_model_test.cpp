// Every interleaving of a thread that writes now and then and a consumer that takes its page away.

#include <gtest/gtest.h>

#include <iostream>

#include "small_ring.hpp"

namespace spanring::model {
namespace {

using Ring = shm::BasicPageRing<ModelAtomics>;

SmallRing g_ring;
Received g_received;
Written g_written;

/// The tracer's way, without its surroundings: nesting, revoked?, record, publish, nesting. The
/// thread starts with a page. `kNestingReleases` false is a seeded bug.
template <bool kNestingReleases>
void write_with_nesting(std::uint32_t count) {
    const shm::RingMemory memory = g_ring.memory();
    spanring_thread_slot& slot = g_ring.slots[0];
    shm::PageClaim claim{0, 1, &memory.header(0)};
    std::uint32_t end = SPANRING_PAGE_DATA;
    for (std::uint32_t i = 0; i < count; ++i) {
        // relaxed: the consumer's membarrier orders it before the look at `revoked`.
        ModelAtomics::store(slot.nesting, 1U, std::memory_order_relaxed);
        // relaxed: as above.
        if (ModelAtomics::load(slot.revoked, std::memory_order_relaxed) != 0) {
            Ring::mark_full(memory, claim, 0);
            // relaxed: a word for ourselves now.
            ModelAtomics::store(slot.revoked, 0U, std::memory_order_relaxed);
            claim = Ring::claim(memory, kPagesMax, g_ring.claim_next, 0);
            Ring::write_header(claim, {0, 1, 500, 1});
            end = SPANRING_PAGE_DATA;
        }
        // relaxed: published by the next store.
        ModelAtomics::store(g_ring.record(claim.page, end), record_value(0, i),
                            std::memory_order_relaxed);
        end += 8;
        Ring::publish(claim, end);
        ++g_written.published;
        // release: pairs with the acquire in SegmentReader::slot(): `committed` comes first.
        ModelAtomics::store(
            slot.nesting, 0U,
            kNestingReleases ? std::memory_order_release : std::memory_order_relaxed);
    }
}

/// Revoke, barrier, look, take, drain, give back.
template <bool kBarrier>
void take_page(Model& model) {
    const shm::RingMemory memory = g_ring.memory();
    // relaxed: ordered by the barrier.
    ModelAtomics::store(g_ring.slots[0].revoked, 1U, std::memory_order_relaxed);
    if (kBarrier) model.barrier();
    // acquire: as SegmentReader::slot().
    if (ModelAtomics::load(g_ring.slots[0].nesting, std::memory_order_acquire) != 0) return;
    Ring::take(memory, 0, 1, 0);
    drain_page<ModelAtomics>(model, g_ring, g_received, 0);
}

template <bool kBarrier, bool kNestingReleases>
Outcome explore(std::uint32_t records) {
    return Model::explore([records](Model& model) {
        g_ring.reset();
        g_received = {};
        g_written = {};
        const shm::RingMemory memory = g_ring.memory();
        const shm::PageClaim first = Ring::claim(memory, kPagesMax, g_ring.claim_next, 0);
        Ring::write_header(first, {0, 0, 500, 1});
        model.thread([records] { write_with_nesting<kNestingReleases>(records); });
        model.thread([&model] { take_page<kBarrier>(model); });
        model.at_end([&model] {
            // Pages may still be `writing`: the drain does not need them full.
            for (std::uint32_t page = 0; page < kPagesMax; ++page) {
                drain_page<ModelAtomics>(model, g_ring, g_received, page);
            }
            model.require(g_received.next[0] == g_written.published, "a published record is lost");
        });
    });
}

TEST(RevocationModel, a_page_taken_from_an_idle_thread_loses_nothing) {
    const Outcome outcome = explore<true, true>(2);
    EXPECT_EQ(outcome.violation, "");
    EXPECT_GT(outcome.states, 100U);
    std::cout << outcome.states << " states, " << outcome.runs << " runs\n";
}

TEST(RevocationModel, finds_the_lost_record_without_membarrier) {
    EXPECT_NE((explore<false, true>(2).violation), "");
}

TEST(RevocationModel, finds_the_lost_record_if_nesting_is_cleared_before_publishing) {
    EXPECT_NE((explore<true, false>(2).violation), "");
}

}  // namespace
}  // namespace spanring::model
