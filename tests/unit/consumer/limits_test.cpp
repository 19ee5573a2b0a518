// Too much open at once: an honest program that never ends its spans goes on, and everything of it
// is stored or counted.
#include <map>

#include "rig.hpp"

namespace spanring::consumer::testing {
namespace {

constexpr std::uint64_t kSpans = 250;

/// `kSpans` asynchronous begins, ten to a page.
RecordWriter many_begins(std::uint32_t name) {
    RecordWriter w;
    for (std::uint64_t i = 0; i < kSpans; ++i) {
        if (i % 10 == 0) w.page(i, i + 1);
        w.begin_async(name, i);
    }
    return w;
}

RecordWriter ends_of_all(std::uint32_t stream) {
    RecordWriter w(stream);
    for (std::uint64_t i = 0; i < kSpans; ++i) {
        if (i % 10 == 0) w.page(1000 + i, 1);
        w.end_for(SpanKey::of(0, i + 1), 1000 + i);
    }
    return w;
}

TEST(TooMuchOpen, the_oldest_spans_are_stored_as_unfinished_and_their_ends_counted) {
    Limits limits;
    limits.open_max = 100;
    Rig rig(limits);
    const auto n = rig.strings.add("n");
    ASSERT_TRUE(rig.feed(many_begins(n)));
    EXPECT_LE(rig.assembler->open_spans(), limits.open_max);
    EXPECT_GE(rig.assembler->open_spans(), limits.open_max * 3 / 4);
    const std::uint64_t closed = rig.assembler->counts().spans_closed_early;
    EXPECT_EQ(closed + rig.assembler->open_spans(), kSpans);
    ASSERT_TRUE(rig.feed(ends_of_all(1)));
    rig.settle();
    EXPECT_EQ(rig.assembler->counts().ends_late, closed);
    EXPECT_EQ(rig.assembler->open_spans(), 0u);

    const auto spans = rig.spans();
    ASSERT_EQ(spans.size(), kSpans);
    std::map<std::int64_t, bool> unfinished;
    for (const auto& span : spans) {
        EXPECT_TRUE(unfinished.emplace(*span.start_ns - kRealOffset, span.unfinished).second);
        EXPECT_EQ(span.duration_ns.has_value(), !span.unfinished);
    }
    for (const auto& [start, early] : unfinished) {
        EXPECT_EQ(early, start < static_cast<std::int64_t>(closed)) << start;
    }
}

TEST(TooMuchOpen, late_ends_are_known_after_a_restart) {
    Limits limits;
    limits.open_max = 100;
    Rig rig(limits);
    const auto n = rig.strings.add("n");
    ASSERT_TRUE(rig.feed(many_begins(n)));
    const std::uint64_t closed = rig.assembler->counts().spans_closed_early;
    rig.restart();
    ASSERT_TRUE(rig.feed(ends_of_all(1)));
    rig.settle();
    EXPECT_EQ(rig.assembler->counts().ends_late, closed);
    EXPECT_EQ(rig.spans().size(), kSpans);
}

TEST(TooMuchOpen, details_over_the_limit_close_the_oldest_and_keep_their_place_as_parents) {
    Limits limits;
    limits.open_details_bytes_max = 1000;
    Rig rig(limits);
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(0, 1).begin(rig.strings.add("outer"), 1).integer(n, 1);
    for (std::uint64_t i = 0; i < 100; ++i) {
        w.begin_async(n, 2 + i).aim(SpanKey::of(0, i + 2)).integer(n, 7);
    }
    w.begin(rig.strings.add("inner"), 200).end(102, 201).end(1, 202);
    for (const auto& page : w.pages()) {
        std::size_t from = 0;
        for (const std::size_t to : page.ends) {
            ASSERT_TRUE(rig.feed_part(page, from, to)) << from;
            EXPECT_LE(rig.assembler->held_bytes() - rig.assembler->open_spans() * kOpenSpanBytes,
                      limits.open_details_bytes_max);
            from = to;
        }
    }
    EXPECT_EQ(rig.assembler->counts().ends_late, 1u);  // of the outer one
    rig.close();
    const auto spans = rig.spans();
    ASSERT_EQ(spans.size(), 102u);
    const auto* outer = Rig::find(spans, "outer");
    const auto* inner = Rig::find(spans, "inner");
    ASSERT_NE(outer, nullptr);
    ASSERT_NE(inner, nullptr);
    EXPECT_TRUE(outer->unfinished);
    EXPECT_EQ(outer->attributes.size(), 1u);
    EXPECT_EQ(inner->parent_id, outer->span_id);
    EXPECT_EQ(inner->duration_ns, 1);
}

TEST(TooMuchOpen, details_held_back_for_nobody_are_let_go) {
    Limits limits;
    limits.open_details_bytes_max = 1000;
    Rig rig(limits);
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(0, 1);
    for (int i = 0; i < 200; ++i) w.aim_shared(SpanKey::of(5, 1), 1).integer(n, i);
    const auto& page = w.pages()[0];
    std::size_t from = 0;
    for (const std::size_t to : page.ends) {
        ASSERT_TRUE(rig.feed_part(page, from, to)) << from;
        from = to;
    }
    EXPECT_LE(rig.assembler->held_bytes(), limits.open_details_bytes_max);
}

TEST(TooMuchOpen, shrinking_closes_details_first_and_then_what_is_oldest) {
    Rig rig;
    const auto n = rig.strings.add("n");
    ASSERT_TRUE(rig.feed(many_begins(n)));
    rig.assembler->shrink_to(50 * kOpenSpanBytes, rig.sink);
    EXPECT_LE(rig.assembler->held_bytes(), 50 * kOpenSpanBytes);
    EXPECT_GE(rig.assembler->open_spans(), 49u);
    rig.close();
    EXPECT_EQ(rig.spans().size(), kSpans);
}

TEST(TooMuchOpen, more_entries_on_stacks_than_any_program_has_are_a_breach) {
    Limits limits;
    limits.stack_entries_max = 10;
    Rig rig(limits);
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(0, 1);
    for (std::uint64_t i = 0; i < 11; ++i) w.begin(n, i);
    EXPECT_FALSE(rig.feed(w));
}

}  // namespace
}  // namespace spanring::consumer::testing
