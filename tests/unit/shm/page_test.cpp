// Pages from claim to release, through the real writer and reader.

#include <gmock/gmock.h>

#include "ring_fixture.hpp"

namespace spanring::shm {
namespace {

using PageTest = RingTest;

constexpr std::uint64_t kEvent = SPANRING_REC_EVENT;

TEST_F(PageTest, published_records_reach_the_reader_byte_for_byte) {
    open_writer();
    SegmentReader reader = attach();
    const std::uint32_t stream = writer.acquire_slot(42);
    const PageClaim claim = begin_page(stream, 7);
    ASSERT_TRUE(claim.valid());
    PageWriter page(writer.ring(), claim);
    for (std::uint32_t i = 0; i < 5; ++i) page.append(spanring_record_head(kEvent, i, i * 10));
    page.publish();

    std::vector<PageView> pages;
    ASSERT_TRUE(reader.peek_all(&pages));
    ASSERT_EQ(pages.size(), 1U);
    EXPECT_EQ(pages[0].state, SPANRING_PAGE_WRITING);
    EXPECT_EQ(pages[0].stream, stream);
    EXPECT_EQ(pages[0].sequence, 7U);
    EXPECT_EQ(pages[0].base_ticks, 1007U);
    EXPECT_EQ(pages[0].first_ordinal, 1U);
    EXPECT_EQ(pages[0].committed, SPANRING_PAGE_DATA + 40);
    std::uint64_t heads[5] = {};
    ASSERT_TRUE(reader.copy_bytes(pages[0].page, SPANRING_PAGE_DATA, pages[0].committed,
                                  reinterpret_cast<std::byte*>(heads)));
    for (std::uint32_t i = 0; i < 5; ++i) {
        EXPECT_EQ(heads[i], spanring_record_head(kEvent, i, i * 10));
    }
}

// Free pages are passed over several at a time: every pattern of eight.
TEST_F(PageTest, each_page_that_is_not_free_is_found_wherever_it_stands) {
    std::vector<std::uint64_t> states(8);
    const RingMemory ring{.states = states.data()};
    for (std::uint32_t pattern = 0; pattern < 256; ++pattern) {
        std::vector<std::uint32_t> expected;
        for (std::uint32_t page = 0; page < 8; ++page) {
            const bool used = (pattern >> page & 1) != 0;
            states[page] = spanring_page_state(7, 3,
                                               !used           ? SPANRING_PAGE_FREE
                                               : page % 2 != 0 ? SPANRING_PAGE_WRITING
                                                               : SPANRING_PAGE_FULL);
            if (used) expected.push_back(page);
        }
        for (std::uint32_t pages = 0; pages <= 8; ++pages) {
            std::vector<std::uint32_t> found;
            for (std::uint32_t page = 0; (page = PageRing::next_used(ring, page, pages)) != pages;
                 ++page) {
                found.push_back(page);
            }
            auto within = expected;
            std::erase_if(within, [pages](std::uint32_t page) { return page >= pages; });
            ASSERT_EQ(found, within) << pattern << " of " << pages;
        }
    }
}

TEST_F(PageTest, unpublished_records_are_invisible) {
    open_writer();
    SegmentReader reader = attach();
    const PageClaim claim = begin_page(writer.acquire_slot(1), 0);
    PageWriter page(writer.ring(), claim);
    page.append(kEvent);
    PageView view;
    ASSERT_TRUE(*reader.peek(claim.page, &view));
    EXPECT_EQ(view.committed, SPANRING_PAGE_DATA);
}

TEST_F(PageTest, a_page_claimed_but_without_header_reads_as_empty) {
    open_writer();
    SegmentReader reader = attach();
    const std::uint32_t stream = writer.acquire_slot(1);
    const PageClaim claim = writer.claim_page(stream);
    ASSERT_TRUE(claim.valid());
    std::vector<PageView> pages;
    ASSERT_TRUE(reader.peek_all(&pages));
    EXPECT_THAT(pages, ::testing::IsEmpty());
}

TEST_F(PageTest, a_committed_word_of_an_older_generation_reads_as_empty) {
    open_writer();
    SegmentReader reader = attach();
    const PageClaim claim = begin_page(writer.acquire_slot(1), 0);
    claim.header->committed = spanring_page_mark(claim.generation - 1, 512);
    PageView view;
    EXPECT_FALSE(*reader.peek(claim.page, &view));
}

TEST_F(PageTest, pages_are_claimed_in_ring_order_and_reused_with_the_next_generation) {
    open_writer();
    SegmentReader reader = attach();
    const std::uint32_t stream = writer.acquire_slot(1);
    for (std::uint32_t i = 0; i < 4; ++i) {
        const PageClaim claim = begin_page(stream, i);
        ASSERT_TRUE(claim.valid());
        EXPECT_EQ(claim.page, i);
        EXPECT_EQ(claim.generation, 1U);
        ASSERT_TRUE(writer.mark_full(claim, stream));
    }
    EXPECT_FALSE(writer.claim_page(stream).valid());
    ASSERT_TRUE(reader.release(2, 1));
    EXPECT_EQ(writer.released_count(), 1U);
    const PageClaim again = writer.claim_page(stream);
    ASSERT_TRUE(again.valid());
    EXPECT_EQ(again.page, 2U);
    EXPECT_EQ(again.generation, 2U);
}

TEST_F(PageTest, a_page_can_be_released_only_when_full_and_only_once) {
    open_writer();
    SegmentReader reader = attach();
    const std::uint32_t stream = writer.acquire_slot(1);
    const PageClaim claim = begin_page(stream, 0);
    EXPECT_EQ(reader.release(claim.page, claim.generation).error().code, ErrorCode::kCorrupt);
    ASSERT_TRUE(writer.mark_full(claim, stream));
    EXPECT_EQ(reader.release(claim.page, claim.generation + 1).error().code, ErrorCode::kCorrupt);
    EXPECT_TRUE(reader.release(claim.page, claim.generation));
    EXPECT_EQ(reader.release(claim.page, claim.generation).error().code, ErrorCode::kCorrupt);
    EXPECT_EQ(writer.released_count(), 1U);
}

TEST_F(PageTest, a_mark_is_stored_once_the_consumer_says_so_or_has_released_the_page) {
    open_writer();
    SegmentReader reader = attach();
    const std::uint32_t stream = writer.acquire_slot(1);
    const PageClaim claim = begin_page(stream, 0);
    EXPECT_EQ(writer.published_mark(claim.page), 0U) << "nothing in it to wait for";
    PageWriter page(writer.ring(), claim);
    page.append(kEvent);
    page.publish();
    const std::uint64_t mark = writer.published_mark(claim.page);
    EXPECT_EQ(mark, spanring_page_mark(1, SPANRING_PAGE_DATA + 8));
    EXPECT_FALSE(writer.is_stored(claim.page, mark));
    ASSERT_TRUE(reader.set_stored(claim.page, claim.generation, page.end()));
    EXPECT_TRUE(writer.is_stored(claim.page, mark));

    page.append(kEvent);
    page.publish();
    const std::uint64_t later = writer.published_mark(claim.page);
    EXPECT_FALSE(writer.is_stored(claim.page, later));
    ASSERT_TRUE(writer.mark_full(claim, stream));
    EXPECT_FALSE(writer.is_stored(claim.page, later));
    ASSERT_TRUE(reader.release(claim.page, claim.generation));
    EXPECT_TRUE(writer.is_stored(claim.page, later));
}

TEST_F(PageTest, stored_bytes_of_an_older_life_of_the_page_do_not_count) {
    open_writer();
    SegmentReader reader = attach();
    const std::uint32_t stream = writer.acquire_slot(1);
    const PageClaim claim = begin_page(stream, 0);
    PageView view;
    ASSERT_TRUE(*reader.peek(claim.page, &view));
    ASSERT_TRUE(reader.set_stored(claim.page, claim.generation - 1, 900));
    EXPECT_EQ(*reader.stored_bytes(view), 0U);
    ASSERT_TRUE(reader.set_stored(claim.page, claim.generation, 200));
    EXPECT_EQ(*reader.stored_bytes(view), 200U);
}

TEST_F(PageTest, the_ring_grows_to_its_maximum_and_the_new_pages_are_found) {
    open_writer();
    SegmentReader reader = attach();
    const std::uint32_t stream = writer.acquire_slot(1);
    for (std::uint32_t i = 0; i < 4; ++i) ASSERT_TRUE(begin_page(stream, i).valid());
    EXPECT_FALSE(writer.claim_page(stream).valid());
    EXPECT_EQ(writer.grow(), Growth::kGrown);
    EXPECT_EQ(*reader.pages_declared(), 8U);
    for (std::uint32_t i = 4; i < 8; ++i) ASSERT_TRUE(begin_page(stream, i).valid());
    EXPECT_FALSE(writer.claim_page(stream).valid());
    EXPECT_EQ(writer.grow(), Growth::kAtMax);
    const Result<RingFill> fill = reader.fill();
    ASSERT_TRUE(fill);
    EXPECT_EQ(fill->used_bytes, 8192U);
    EXPECT_EQ(fill->declared_bytes, 8192U);
    EXPECT_EQ(fill->max_bytes, 8192U);
}

TEST_F(PageTest, pending_counts_published_tracepoints_that_are_not_stored) {
    open_writer();
    SegmentReader reader = attach();
    SegmentReader observer = attach(SegmentReader::Mode::kReadOnly);
    const PageClaim claim = begin_page(writer.acquire_slot(1), 0);
    PageWriter page(writer.ring(), claim);
    page.append(spanring_record_head(SPANRING_REC_BEGIN, 1, 0));
    page.append(spanring_record_head(SPANRING_REC_ATTR_BOOL, 2, 1));
    page.append(spanring_record_head(SPANRING_REC_DETACH, 0, 0));  // structure: not a tracepoint
    page.append(spanring_record_head(SPANRING_REC_END, 1, 5));
    EXPECT_EQ(observer.count_pending()->tracepoints, 0U) << "not published";
    page.publish();
    EXPECT_EQ(observer.count_pending()->tracepoints, 3U);
    EXPECT_EQ(observer.count_pending()->bytes, 32U);
    ASSERT_TRUE(reader.set_stored(claim.page, claim.generation, SPANRING_PAGE_DATA + 16));
    EXPECT_EQ(observer.count_pending()->tracepoints, 1U);
    ASSERT_TRUE(reader.set_stored(claim.page, claim.generation, page.end()));
    EXPECT_EQ(observer.count_pending()->tracepoints, 0U);
}

TEST_F(PageTest, pending_stops_at_what_is_no_record) {
    open_writer();
    SegmentReader observer = attach(SegmentReader::Mode::kReadOnly);
    PageWriter page(writer.ring(), begin_page(writer.acquire_slot(1), 0));
    page.append(spanring_record_head(SPANRING_REC_EVENT, 1, 0));
    page.append(
        spanring_record_head(SPANRING_REC_ATTR_STRING, 1, 500));  // longer than what is left
    page.publish();
    EXPECT_EQ(observer.count_pending()->tracepoints, 1U);
}

}  // namespace
}  // namespace spanring::shm
