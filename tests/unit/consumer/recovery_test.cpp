// A consumer that dies anywhere: the next one, knowing only what the last frame says, goes on as if
// nothing had happened.
#include <functional>
#include <tuple>

#include "rig.hpp"

namespace spanring::consumer::testing {
namespace {

constexpr std::uint64_t kForeign[2] = {0xabcdef, 0x123456};

/// A stream with everything in it that can be in the middle of something.
RecordWriter rich_stream(Rig& rig) {
    const auto n = rig.strings.add("n");
    const auto k = rig.strings.add("k");
    const auto e = rig.strings.add("event");
    const auto scope = rig.strings.add("scope");
    RecordWriter w;
    w.page(1000, 1);
    w.record(SPANRING_REC_ATTACH_REMOTE, 0, 1, {kForeign[0], kForeign[1], 0x77});
    w.begin(n, 1001).payload(SPANRING_REC_TRACESTATE, 0, "a=b").integer(k, 1);
    w.name("inline").begin(SPANRING_ID_INLINE, 1002).event(e, 1003);
    w.integer(k, 2, SPANRING_TARGET_ITEM).name("key").integer(SPANRING_ID_INLINE, 3);
    w.record(SPANRING_REC_SCOPE, scope, k).record(SPANRING_REC_KIND, SPANRING_KIND_CLIENT, 0);
    w.begin_async(n, 1004).aim(SpanKey::of(0, 3)).integer(k, 4);
    w.payload(SPANRING_REC_STATUS, SPANRING_STATUS_ERROR, "broken");
    w.end(2, 1010).record(SPANRING_REC_RENAME, e, 0).payload(SPANRING_REC_ATTR_STRING, k, "abc");
    w.page(2000, 4).snapshot(2, 2);
    w.record(SPANRING_REC_ATTACH_REMOTE, 0, 1, {kForeign[0], kForeign[1], 0x77});
    w.record(SPANRING_REC_OPEN_FOREIGN, 0, 1, {1, kForeign[0], kForeign[1]});
    w.payload(SPANRING_REC_CONTINUE, 1, "defghijk").end_for(SpanKey::of(0, 3), 2005);
    w.begin(n, 2006).record(SPANRING_REC_TIME_BASE, 0, 0, {9000});
    w.record(SPANRING_REC_LINK, 0, 0, {kForeign[0], kForeign[1], 0x1234});
    w.record(SPANRING_REC_END, 4, 5).record(SPANRING_REC_END_SHARED, 1, 6);
    w.record(SPANRING_REC_DETACH, 0, 0);
    w.record(SPANRING_REC_IMPORT_BEGIN, n, 0, {1, 2, 3, 4, 5, 6});
    w.payload(SPANRING_REC_ATTR_STRING, k, "imported ");
    w.page(10000, 5).payload(SPANRING_REC_CONTINUE, 1, "text").integer(k, 9);
    w.payload(SPANRING_REC_ATTR_STRING | SPANRING_TARGET_RESOURCE, k, "res");
    w.record(SPANRING_REC_IMPORT_END, 0, 0).begin(n, 10001).begin(n, 10002);
    return w;
}

std::vector<codec::Span> sorted(std::vector<codec::Span> spans) {
    std::sort(spans.begin(), spans.end(), [](const codec::Span& a, const codec::Span& b) {
        return std::tie(a.span_id, a.name) < std::tie(b.span_id, b.name);
    });
    return spans;
}

std::vector<codec::Span> whole(const std::function<RecordWriter(Rig&)>& make) {
    Rig rig;
    const RecordWriter w = make(rig);
    EXPECT_TRUE(rig.feed(w));
    rig.settle();
    rig.close();
    return sorted(rig.spans());
}

TEST(Recovery, a_restart_between_any_two_records_changes_nothing) {
    const auto expected = whole(rich_stream);
    ASSERT_EQ(expected.size(), 7u);
    Rig probe;
    const RecordWriter shape = rich_stream(probe);
    for (std::size_t p = 0; p < shape.pages().size(); ++p) {
        for (const std::size_t split : shape.pages()[p].ends) {
            Rig rig;
            const RecordWriter w = rich_stream(rig);
            for (std::size_t i = 0; i < w.pages().size(); ++i) {
                const auto& page = w.pages()[i];
                const std::size_t cut = i == p ? split : page.bytes.size();
                const auto begun = rig.feed_part(page, 0, cut);
                ASSERT_TRUE(begun) << begun.error().message << " page " << i << " at " << split;
                if (i != p) continue;
                rig.restart();
                if (cut == page.bytes.size()) continue;
                const auto fed = rig.feed_part(page, cut, page.bytes.size());
                ASSERT_TRUE(fed) << fed.error().message << " page " << p << " at " << split;
            }
            rig.settle();
            rig.close();
            EXPECT_EQ(sorted(rig.spans()), expected) << "page " << p << " at " << split;
        }
    }
}

TEST(Recovery, a_restart_after_every_single_record_changes_nothing) {
    const auto expected = whole(rich_stream);
    Rig rig;
    const RecordWriter w = rich_stream(rig);
    for (const auto& page : w.pages()) {
        std::size_t from = 0;
        for (const std::size_t to : page.ends) {
            const auto fed = rig.feed_part(page, from, to);
            ASSERT_TRUE(fed) << fed.error().message << " at " << from;
            rig.restart();
            from = to;
        }
    }
    rig.settle();
    rig.close();
    EXPECT_EQ(sorted(rig.spans()), expected);
}

TEST(Recovery, held_back_operations_survive) {
    Rig rig;
    const auto n = rig.strings.add("n");
    const SpanKey key = SpanKey::of(1, 1);
    RecordWriter early(0);
    early.page(0, 1).aim_shared(key, 8).integer(n, 5).end_for(key, 9);
    ASSERT_TRUE(rig.feed(early));
    rig.turn();
    rig.restart();
    EXPECT_TRUE(rig.assembler->has_deferred());
    RecordWriter owner(1);
    owner.page(0, 1).begin_async(n, 1);
    ASSERT_TRUE(rig.feed(owner));
    rig.turn();
    const auto spans = rig.spans();
    ASSERT_EQ(spans.size(), 1u);
    EXPECT_EQ(spans[0].duration_ns, 8);
    EXPECT_EQ(spans[0].attributes.size(), 1u);
}

TEST(Recovery, a_stepped_wall_clock_changes_no_duration) {
    for (const std::int64_t step : {-3'600'000'000'000, 3'600'000'000'000}) {
        Rig rig;
        const auto n = rig.strings.add("n");
        RecordWriter w;
        w.page(0, 1).begin(n, 100).begin_async(n, 200);
        w.end_for(SpanKey::of(0, 2), 1200).end(1, 1300);
        const auto& page = w.pages()[0];
        ASSERT_TRUE(rig.feed_part(page, 0, page.ends[1]));
        rig.carry_over();
        rig.clock = TickClock(SPANRING_CLOCK_MONOTONIC, [step] {
            return ClockReading{1'000'000, 1'000'000, 1'000'000 + kRealOffset + step};
        });
        rig.restart();
        ASSERT_TRUE(rig.feed_part(page, page.ends[1], page.bytes.size()));
        rig.settle();
        const auto spans = rig.spans();
        ASSERT_EQ(spans.size(), 2u);
        for (const auto& span : spans) {
            const bool outer = *span.start_ns == kRealOffset + 100;
            EXPECT_EQ(*span.start_ns, kRealOffset + (outer ? 100 : 200));
            EXPECT_EQ(*span.duration_ns, outer ? 1200 : 1000);
        }
    }
}

// A machine that was moved, a counter that was reset: ends come before their begins, by a little
// or by far, and also over a restart.
TEST(Recovery, a_counter_that_goes_back_gives_no_negative_duration) {
    Rig rig;
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(1000, 1).begin(n, 1500).begin_async(n, 1800).begin_async(n, 1900);
    w.begin(n, 1700).end(4, 1600);  // a leaf
    w.begin(n, 1700).integer(n, 1).end(5, 1100);
    w.end_for(SpanKey::of(0, 2), 1200);  // deferred
    w.page(10, 6).snapshot(1, 1).open(1).end_for(SpanKey::of(0, 3), 20).end(1, 30);
    const auto& first = w.pages()[0];
    ASSERT_TRUE(rig.feed_part(first, 0, first.bytes.size()));
    rig.restart();
    ASSERT_TRUE(rig.feed_part(w.pages()[1], 0, w.pages()[1].bytes.size()));
    rig.settle();
    const auto spans = rig.spans();
    ASSERT_EQ(spans.size(), 5u);
    for (const auto& span : spans) EXPECT_EQ(*span.duration_ns, 0);
}

TEST(Recovery, a_changed_open_span_is_exported_with_what_is_new_only) {
    Rig rig;
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(0, 1).begin(n, 1).integer(n, 1).integer(n, 2);
    const auto& page = w.pages()[0];
    ASSERT_TRUE(rig.feed_part(page, 0, page.ends[1]));
    RowSink first;
    ASSERT_TRUE(rig.assembler->export_open(false, first));
    auto batches = first.take();
    ASSERT_EQ(batches.size(), 1u);
    EXPECT_EQ(batches[0]->rows[0].flags & codec::RowFlag::kAppend, 0u);
    EXPECT_EQ(batches[0]->rows[0].details_bytes, 16u);
    std::vector<store::StreamState> states;
    rig.assembler->export_streams(false, states);
    EXPECT_EQ(states.size(), 1u);

    RowSink second;
    ASSERT_TRUE(rig.assembler->export_open(false, second));
    EXPECT_TRUE(second.take().empty()) << "nothing changed";

    ASSERT_TRUE(rig.feed_part(page, page.ends[1], page.ends[2]));
    RowSink third;
    ASSERT_TRUE(rig.assembler->export_open(false, third));
    batches = third.take();
    ASSERT_EQ(batches.size(), 1u);
    EXPECT_NE(batches[0]->rows[0].flags & codec::RowFlag::kAppend, 0u);
    EXPECT_EQ(batches[0]->rows[0].details_bytes, 16u);
}

TEST(Recovery, state_of_other_making_is_refused) {
    Rig rig;
    const codec::Batch none;
    store::StreamState state;
    state.state = {std::byte{99}};
    EXPECT_FALSE(rig.assembler->restore({state}, none, {}, {}).ok());
    Rig other;
    const std::vector<std::byte> deferred(3, std::byte{0x80});
    EXPECT_FALSE(other.assembler->restore({}, none, {}, deferred).ok());
}

// A turn, or a consumer's life, may end where a string of an array is cut in two by a page's end.
TEST(Recovery, an_array_that_is_cut_within_an_element_goes_on_or_keeps_its_whole_elements) {
    const std::string array("\x03\0\0\0abc\x05\0\0\0defgh", 16);
    for (const bool goes_on : {true, false}) {
        for (const std::size_t cut : {2, 7, 9, 13}) {
            Rig rig;
            const std::uint32_t name = rig.strings.add("work");
            const std::uint32_t key = rig.strings.add("list");
            RecordWriter w;
            w.page(1000, 1).begin(name, 1000);
            w.payload(SPANRING_REC_ATTR_STRING_ARRAY, key, array.substr(0, cut));
            const std::size_t half = w.pages()[0].bytes.size();
            if (goes_on) w.payload(SPANRING_REC_CONTINUE, 1, array.substr(cut));
            w.end(1, 2000);
            ASSERT_TRUE(rig.feed_part(w.pages()[0], 0, half));
            rig.turn();
            rig.restart();
            ASSERT_TRUE(rig.feed_part(w.pages()[0], half, w.pages()[0].bytes.size()));
            const auto spans = rig.spans();
            ASSERT_EQ(spans.size(), 1u) << cut;
            const auto& attributes = spans[0].attributes;
            ASSERT_EQ(attributes.size(), 1u);
            using Strings = std::vector<std::string>;
            const Strings cut_off = cut < 7 ? Strings{} : Strings{"abc"};
            EXPECT_EQ(attributes[0].second,
                      codec::Value(goes_on ? Strings{"abc", "defgh"} : cut_off))
                << cut;
            EXPECT_EQ(spans[0].truncated, !goes_on && cut != 7) << cut;
        }
    }
}

}  // namespace
}  // namespace spanring::consumer::testing
