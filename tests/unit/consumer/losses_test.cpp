// Losses never mispair: gaps, snapshots, lost begins and ends; and bytes that nobody of ours wrote.
#include "rig.hpp"

namespace spanring::consumer::testing {
namespace {

TEST(Losses, children_of_a_lost_begin_keep_its_id_as_parent) {
    Rig rig;
    const auto n = rig.strings.add("n");
    RecordWriter w;
    // Ordinal 2 was lost; the next page's snapshot names it.
    w.page(0, 1).begin(n, 1);
    w.page(10, 3).snapshot(2, 2).open(1).open(2, SPANRING_OPEN_LOST, 1).begin(n, 11).end(3, 12);
    w.end(2, 13).end(1, 14);
    const auto spans = rig.spans_of(w);
    ASSERT_EQ(spans.size(), 2u);
    EXPECT_EQ(spans[0].span_id, rig.id(0, 3));
    EXPECT_EQ(spans[0].parent_id, rig.id(0, 2));
    EXPECT_EQ(spans[0].trace_id, rig.trace(0, 1));
    EXPECT_EQ(spans[1].span_id, rig.id(0, 1));
}

TEST(Losses, a_lost_root_is_the_first_span_of_its_trace) {
    Rig rig;
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(10, 6).snapshot(1, 1).open(5, SPANRING_OPEN_LOST).begin(n, 11).end(6, 12);
    const auto spans = rig.spans_of(w);
    ASSERT_EQ(spans.size(), 1u);
    EXPECT_EQ(spans[0].parent_id, rig.id(0, 5));
    EXPECT_EQ(spans[0].trace_id, rig.trace(0, 5));
}

TEST(Losses, a_span_that_the_snapshot_does_not_name_has_lost_its_end) {
    Rig rig;
    const auto a = rig.strings.add("a");
    const auto b = rig.strings.add("b");
    RecordWriter w;
    w.page(0, 1).begin(a, 1).begin(b, 2);
    w.page(10, 3).snapshot(1, 1).open(1).end(1, 12);
    ASSERT_TRUE(rig.feed(w));
    rig.settle();
    const auto spans = rig.spans();
    ASSERT_EQ(spans.size(), 2u);
    EXPECT_TRUE(Rig::find(spans, "b")->end_lost);
    EXPECT_FALSE(Rig::find(spans, "b")->duration_ns.has_value());
    EXPECT_FALSE(Rig::find(spans, "a")->end_lost);
}

TEST(Losses, what_another_thread_did_to_a_span_whose_end_was_lost_is_kept) {
    Rig rig;
    const auto n = rig.strings.add("n");
    const auto k = rig.strings.add("k");
    RecordWriter w;
    w.page(0, 1).begin(n, 1).page(10, 2);
    w.begin(n, 11);
    RecordWriter other(1);
    other.page(0, 1).aim_shared(SpanKey::of(0, 1), 5).integer(k, 7);
    ASSERT_TRUE(rig.feed(w));
    rig.turn();
    ASSERT_TRUE(rig.feed(other)) << "later than the snapshot that does not name the span";
    rig.turn();
    const auto spans = rig.spans();
    ASSERT_EQ(spans.size(), 1u);
    EXPECT_TRUE(spans[0].end_lost);
    EXPECT_EQ(spans[0].attributes.size(), 1u);
}

TEST(Losses, what_is_older_than_the_part_of_a_stack_that_was_told_has_gone) {
    Rig rig;
    const auto n = rig.strings.add("n");
    const auto k = rig.strings.add("k");
    RecordWriter w;
    w.page(0, 1).begin(n, 1).begin(n, 2).begin(n, 3);
    // The next page tells two more, which are newer than 5.
    w.page(10, 8).snapshot(1, 4, 1).open(5, SPANRING_OPEN_LOST, 1);
    RecordWriter other(1);
    other.page(0, 1).aim_shared(SpanKey::of(0, 2), 5).integer(k, 7);
    ASSERT_TRUE(rig.feed(w));
    ASSERT_TRUE(rig.feed(other));
    rig.turn();
    rig.turn();
    const auto spans = rig.spans();
    ASSERT_EQ(spans.size(), 2u);
    std::size_t attributes = 0;
    for (const auto& span : spans) {
        EXPECT_TRUE(span.end_lost);
        attributes += span.attributes.size();
    }
    EXPECT_EQ(attributes, 1u) << "a span that is not in order on the stack is not found";
}

TEST(Losses, a_page_without_a_snapshot_says_that_nothing_is_open) {
    Rig rig;
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(0, 1).begin(n, 1);
    w.page(10, 2).begin(n, 11).end(2, 12);
    ASSERT_TRUE(rig.feed(w));
    rig.settle();
    const auto spans = rig.spans();
    ASSERT_EQ(spans.size(), 2u);
    EXPECT_TRUE(spans[1].end_lost);
    EXPECT_FALSE(spans[0].parent_id.valid());
}

TEST(Losses, contexts_of_a_snapshot_take_the_place_of_unknown_ones) {
    Rig rig;
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(0, 4).snapshot(1, 1).record(SPANRING_REC_ATTACH_REMOTE, 0, 1, {7, 8, 9});
    w.begin(n, 1).end(4, 2).record(SPANRING_REC_DETACH, 0, 0).begin(n, 3).end(5, 4);
    const auto spans = rig.spans_of(w);
    ASSERT_EQ(spans.size(), 2u);
    EXPECT_TRUE(spans[0].parent_id.valid());
    EXPECT_FALSE(spans[1].parent_id.valid());
}

TEST(Losses, a_cut_snapshot_leaves_the_entries_below_as_they_are) {
    Rig rig;
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(0, 1);
    for (int i = 0; i < 6; ++i) w.begin(n, 1 + static_cast<std::uint64_t>(i));
    w.page(10, 7).snapshot(2, 6, 4).open(5).open(6);
    for (int i = 6; i >= 1; --i) w.end(static_cast<std::uint64_t>(i), 20);
    const auto spans = rig.spans_of(w);
    ASSERT_EQ(spans.size(), 6u);
    for (const auto& span : spans) EXPECT_FALSE(span.end_lost);
    EXPECT_EQ(spans[2].parent_id, rig.id(0, 3));
}

TEST(Losses, a_snapshot_over_several_pages_keeps_what_is_not_yet_told) {
    Rig rig;
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(0, 1).begin(n, 1).begin(n, 2).begin(n, 3).begin(n, 4);
    // 2 has ended and 5 has begun meanwhile, both lost.
    w.page(10, 6).snapshot(1, 4, 1).open(3, 0, 1);
    w.page(11, 6).snapshot(2, 4, 2).open(4, 0, 1).open(5, SPANRING_OPEN_LOST, 1);
    w.begin(n, 12).end(6, 13).end(5, 14).end(4, 15).end(3, 16).end(1, 17);
    ASSERT_TRUE(rig.feed(w));
    rig.settle();
    const auto spans = rig.spans();
    ASSERT_EQ(spans.size(), 5u);
    for (const auto& span : spans) {
        EXPECT_EQ(span.end_lost, span.span_id == rig.id(0, 2));
        EXPECT_EQ(span.trace_id, rig.trace(0, 1));
    }
    EXPECT_EQ(spans[0].span_id, rig.id(0, 6));
    EXPECT_EQ(spans[0].parent_id, rig.id(0, 5));
    EXPECT_EQ(rig.assembler->open_spans(), 0u);
}

TEST(Losses, children_of_a_lost_span_are_in_the_trace_that_the_snapshot_tells) {
    Rig rig;
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(10, 9).snapshot(1, 1).open(7, SPANRING_OPEN_LOST, 2).begin(n, 11).end(9, 12);
    w.page(20, 12).snapshot(1, 1);
    w.record(SPANRING_REC_OPEN_FOREIGN, SPANRING_OPEN_LOST, 1, {11, 0xaa, 0xbb});
    w.begin(n, 21).end(12, 22);
    const auto spans = rig.spans_of(w);
    ASSERT_EQ(spans.size(), 2u);
    EXPECT_EQ(spans[0].trace_id, rig.trace(0, 2));
    EXPECT_EQ(spans[0].parent_id, rig.id(0, 7));
    EXPECT_EQ(to_hex(spans[1].trace_id).substr(0, 4), "aa00");
    EXPECT_EQ(spans[1].parent_id, rig.id(0, 11));
    EXPECT_EQ(spans[1].flags, 1u);
}

TEST(Losses, a_snapshot_that_keeps_what_nobody_knows_keeps_its_place) {
    Rig rig;
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(10, 70).snapshot(1, 60, 59).open(69).begin(n, 11).end(70, 12).end(69, 13);
    ASSERT_TRUE(rig.feed(w));
    ASSERT_EQ(rig.spans().size(), 1u);
    EXPECT_EQ(rig.assembler->open_spans(), 59u);
}

TEST(Losses, a_lost_end_of_an_async_span_is_told_by_its_key) {
    Rig rig;
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(0, 1).begin_async(n, 1);
    w.record(SPANRING_REC_LOST_END, 0, 0, {SpanKey::of(0, 1).value});
    ASSERT_TRUE(rig.feed(w));
    rig.settle();
    const auto spans = rig.spans();
    ASSERT_EQ(spans.size(), 1u);
    EXPECT_TRUE(spans[0].end_lost);
}

TEST(Losses, ends_of_unknown_spans_end_nothing) {
    Rig rig;
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(0, 9).begin(n, 1).end(3, 2).end_for(SpanKey::of(5, 5), 3).end(9, 4);
    ASSERT_TRUE(rig.feed(w));
    rig.settle();
    EXPECT_EQ(rig.spans().size(), 1u);
}

class Malformed : public ::testing::Test {
protected:
    void refuses() {
        const auto fed = rig.feed(w);
        ASSERT_FALSE(fed.ok());
        EXPECT_EQ(fed.error().code, ErrorCode::kCorrupt);
        rig.close();
        (void)rig.spans();
    }
    Rig rig;
    RecordWriter w;
};

TEST_F(Malformed, an_unknown_kind) {
    w.page(0, 1).record(0x1f, 0, 0);
    refuses();
}
TEST_F(Malformed, a_payload_beyond_the_bytes) {
    w.page(0, 1).begin(0, 1).record(SPANRING_REC_ATTR_STRING, 0, 4000);
    refuses();
}
TEST_F(Malformed, ordinals_that_go_back) {
    w.page(0, 5).begin(0, 1);
    w.page(1, 3).begin(0, 2);
    refuses();
}
TEST_F(Malformed, a_string_that_was_never_written) {
    w.page(0, 1).begin(12345, 1).end(1, 2);
    refuses();
}
TEST_F(Malformed, an_array_of_bools_that_are_none) {
    w.page(0, 1).begin(0, 1).payload(SPANRING_REC_ATTR_BOOL_ARRAY, 0, "abc").end(1, 2);
    refuses();
}
TEST_F(Malformed, a_snapshot_out_of_order) {
    w.page(0, 9).snapshot(2, 2).open(4).open(3);
    refuses();
}
TEST_F(Malformed, a_snapshot_of_more_than_its_depth) {
    w.page(0, 9).snapshot(2, 2, 1).open(3).open(4);
    refuses();
}
TEST_F(Malformed, a_snapshot_in_the_middle) {
    w.page(0, 9).begin(0, 1).snapshot(0, 0);
    refuses();
}
TEST_F(Malformed, a_stack_without_end) {
    Limits limits;
    limits.stack_depth_max = 100;
    Rig bounded(limits);
    w.page(0, 1);
    for (int i = 0; i < 101; ++i) w.begin(0, 1);
    EXPECT_FALSE(bounded.feed(w).ok());
}

// Any bytes at all: no crash, no hang, an answer.
TEST(AnyBytes, random_words_are_refused_or_read_but_never_harm) {
    std::uint64_t state = 42;
    const auto next = [&] {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        return state >> 11;
    };
    for (int round = 0; round < 3000; ++round) {
        Rig rig;
        rig.strings.add("x");
        RecordWriter w;
        w.page(0, 1);
        for (int i = 0; i < 40; ++i) {
            const auto kind =
                static_cast<std::uint32_t>(next() % 0x3a) | (next() % 8 == 0 ? 0x40u : 0u);
            const auto id = static_cast<std::uint32_t>(next() % 4 == 0 ? next() : next() % 3);
            const std::uint32_t bytes = spanring_record_bytes(
                spanring_record_head(kind, id & 0xffffff, static_cast<std::uint32_t>(next() % 40)));
            if (bytes == 0) continue;
            std::vector<std::uint64_t> words(bytes / 8 - 1);
            for (auto& word : words) word = next() % 3 == 0 ? next() : next() % 8;
            const std::uint32_t low = spanring_record_has_payload(kind & 0x3f) != 0
                                          ? static_cast<std::uint32_t>(words.size() * 8)
                                          : static_cast<std::uint32_t>(next() % 40);
            w.record(kind, id & 0xffffff, low, words);
        }
        (void)rig.feed(w);
        (void)rig.assembler->end_turn(true, rig.sink);
        RowSink open;
        (void)rig.assembler->export_open(true, open);
        (void)rig.assembler->end_turn(true, rig.sink);
        rig.close();
        EXPECT_EQ(rig.assembler->open_spans(), 0u);
        (void)rig.spans();
    }
}

}  // namespace
}  // namespace spanring::consumer::testing
