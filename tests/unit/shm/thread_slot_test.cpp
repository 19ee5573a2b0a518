// Thread slots, and taking the page of an idle thread.

#include <gmock/gmock.h>

#include <set>
#include <thread>

#include "ring_fixture.hpp"
#include "spanring/shm/doorbell.hpp"

namespace spanring::shm {
namespace {

using ThreadSlotTest = RingTest;

TEST_F(ThreadSlotTest, a_slot_that_is_taken_over_goes_on_counting) {
    open_writer();
    SegmentReader reader = attach();
    const std::uint32_t stream = writer.acquire_slot(11);
    EXPECT_EQ(stream, 0U);
    writer.slot(stream)->next_ordinal = 77;
    writer.slot(stream)->next_sequence = 5;
    writer.slot(stream)->lost_spans[SPANRING_LOST_RING_FULL] = 3;
    EXPECT_EQ(writer.acquire_slot(12), 1U) << "in use";
    writer.release_slot(stream);
    EXPECT_EQ(reader.slot(stream)->state, SPANRING_SLOT_FREE);
    EXPECT_EQ(writer.acquire_slot(13), stream);
    const Result<SlotView> view = reader.slot(stream);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->state, SPANRING_SLOT_USED);
    EXPECT_EQ(view->tid, 13U);
    EXPECT_EQ(view->next_ordinal, 77U);
    EXPECT_EQ(view->next_sequence, 5U);
    EXPECT_EQ(view->lost_spans[SPANRING_LOST_RING_FULL], 3U);
    EXPECT_EQ(*reader.slots_declared(), 2U);
}

TEST_F(ThreadSlotTest, there_are_as_many_slots_as_declared_and_no_more) {
    open_writer();
    std::set<std::uint32_t> streams;
    for (int i = 0; i < 64; ++i) streams.insert(writer.acquire_slot(1));
    EXPECT_EQ(streams.size(), 64U);
    EXPECT_FALSE(streams.contains(SegmentWriter::kNoSlot));
    EXPECT_EQ(writer.acquire_slot(1), SegmentWriter::kNoSlot);
    writer.release_slot(33);
    EXPECT_EQ(writer.acquire_slot(1), 33U);
}

TEST_F(ThreadSlotTest, ten_thousand_short_threads_need_few_slots) {
    open_writer();
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 2500; ++i) {
                const std::uint32_t stream = writer.acquire_slot(1);
                ASSERT_NE(stream, SegmentWriter::kNoSlot);
                ++writer.slot(stream)->next_ordinal;
                writer.release_slot(stream);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    SegmentReader reader = attach();
    EXPECT_LE(*reader.slots_declared(), 4U);
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < *reader.slots_declared(); ++i)
        sum += reader.slot(i)->next_ordinal;
    EXPECT_EQ(sum, 10000U) << "a slot had two owners at once";
}

TEST_F(ThreadSlotTest, a_slot_beyond_the_declared_ones_is_a_breach) {
    open_writer();
    SegmentReader reader = attach();
    writer.acquire_slot(1);
    EXPECT_EQ(reader.slot(1).error().code, ErrorCode::kCorrupt);
    EXPECT_EQ(reader.revoke_slot(1).error().code, ErrorCode::kCorrupt);
}

class RevocationTest : public RingTest {
protected:
    void SetUp() override {
        SegmentOptions options = small_segment();
        options.membarrier = register_membarrier();
        if (!options.membarrier) GTEST_SKIP() << "this kernel has no membarrier(GLOBAL_EXPEDITED)";
        open_writer(options);
        stream = writer.acquire_slot(1);
        claim = begin_page(stream, 0);
        PageWriter page(writer.ring(), claim);
        page.append(SPANRING_REC_EVENT);
        page.publish();
    }
    std::uint32_t stream{0};
    PageClaim claim;
};

TEST_F(RevocationTest, the_page_of_an_idle_thread_is_taken_with_what_it_published) {
    SegmentReader reader = attach();
    PageView view;
    ASSERT_TRUE(*reader.peek(claim.page, &view));
    ASSERT_TRUE(reader.revoke_slot(stream));
    EXPECT_EQ(writer.slot(stream)->revoked, 1U);
    ASSERT_TRUE(reader.take_barrier());
    EXPECT_TRUE(*reader.try_take(view));
    ASSERT_TRUE(*reader.peek(claim.page, &view));
    EXPECT_EQ(view.state, SPANRING_PAGE_FULL);
    EXPECT_EQ(view.committed, SPANRING_PAGE_DATA + 8);
    EXPECT_FALSE(writer.mark_full(claim, stream)) << "the owner learns that it is gone";
    EXPECT_TRUE(reader.release(claim.page, claim.generation));
}

TEST_F(RevocationTest, the_page_of_a_thread_inside_a_tracepoint_is_left_alone) {
    SegmentReader reader = attach();
    PageView view;
    ASSERT_TRUE(*reader.peek(claim.page, &view));
    writer.slot(stream)->nesting = 1;
    ASSERT_TRUE(reader.revoke_slot(stream));
    ASSERT_TRUE(reader.take_barrier());
    EXPECT_FALSE(*reader.try_take(view));
    ASSERT_TRUE(*reader.peek(claim.page, &view));
    EXPECT_EQ(view.state, SPANRING_PAGE_WRITING);
}

TEST_F(RevocationTest, a_page_that_its_owner_gave_up_meanwhile_counts_as_taken) {
    SegmentReader reader = attach();
    PageView view;
    ASSERT_TRUE(*reader.peek(claim.page, &view));
    ASSERT_TRUE(writer.mark_full(claim, stream));
    EXPECT_TRUE(*reader.try_take(view));
}

TEST_F(RevocationTest, without_membarrier_nothing_may_be_taken) {
    SegmentWriter other{};
    ASSERT_TRUE(other.open(directory, small_segment()));
    Result<SegmentReader> reader =
        SegmentReader::attach(directory, other.file_name(), SegmentReader::Mode::kReadWrite);
    ASSERT_TRUE(reader);
    EXPECT_FALSE(*reader->rings_reliably());
    EXPECT_FALSE(reader->take_barrier());
    EXPECT_TRUE(attach().take_barrier());
    other.destroy();
}

TEST_F(RevocationTest, a_new_owner_of_the_slot_does_not_inherit_the_revocation) {
    SegmentReader reader = attach();
    ASSERT_TRUE(reader.revoke_slot(stream));
    writer.release_slot(stream);
    ASSERT_EQ(writer.acquire_slot(2), stream);
    EXPECT_EQ(writer.slot(stream)->revoked, 0U);
}

}  // namespace
}  // namespace spanring::shm
