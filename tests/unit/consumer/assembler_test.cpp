// The assembler's rules, each by a hand-written stream.
#include "rig.hpp"

namespace spanring::consumer::testing {
namespace {

using codec::Span;

TEST(Assembler, nests_spans_and_derives_their_ids) {
    Rig rig;
    const auto a = rig.strings.add("a");
    const auto b = rig.strings.add("b");
    RecordWriter w(3);
    w.page(1000, 1).begin(a, 1000).begin(b, 1010).end(2, 1030).end(1, 1100);
    const auto spans = rig.spans_of(w);
    ASSERT_EQ(spans.size(), 2u);
    EXPECT_EQ(spans[0].name, "b");
    EXPECT_EQ(spans[0].span_id, rig.id(3, 2));
    EXPECT_EQ(spans[0].parent_id, rig.id(3, 1));
    EXPECT_EQ(spans[0].trace_id, rig.trace(3, 1));
    EXPECT_EQ(spans[0].duration_ns, 20);
    EXPECT_EQ(spans[1].trace_id, rig.trace(3, 1));
    EXPECT_FALSE(spans[1].parent_id.valid());
    EXPECT_EQ(spans[1].start_ns, 1000 + kRealOffset);
    EXPECT_EQ(spans[1].duration_ns, 100);
    EXPECT_EQ(rig.assembler->open_spans(), 0u);
    EXPECT_EQ(rig.assembler->counts().tracepoints, 4u);
}

TEST(Assembler, an_end_takes_its_span_out_of_the_middle_of_the_stack) {
    Rig rig;
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(0, 1).begin(n, 1).begin(n, 2).begin(n, 3).end(2, 4).begin(n, 5);
    w.end(4, 6).end(3, 7).end(1, 8);
    const auto spans = rig.spans_of(w);
    ASSERT_EQ(spans.size(), 4u);
    EXPECT_EQ(spans[1].span_id, rig.id(0, 4));
    EXPECT_EQ(spans[1].parent_id, rig.id(0, 3)) << "the top of the stack is the parent";
}

TEST(Assembler, attributes_events_status_kind_and_names_reach_the_span) {
    Rig rig;
    const auto n = rig.strings.add("first name");
    const auto renamed = rig.strings.add("renamed");
    const auto key = rig.strings.add("key");
    const auto event = rig.strings.add("event");
    const auto scope = rig.strings.add("scope");
    const auto version = rig.strings.add("1.2");
    RecordWriter w;
    w.page(0, 1).begin(n, 10).integer(key, -7);
    w.payload(SPANRING_REC_ATTR_STRING, key, "text");
    w.event(event, 12).integer(key, 99, SPANRING_TARGET_ITEM);
    w.payload(SPANRING_REC_STATUS, SPANRING_STATUS_ERROR, "went wrong");
    w.record(SPANRING_REC_KIND, SPANRING_KIND_SERVER, 0);
    w.record(SPANRING_REC_RENAME, renamed, 0);
    w.record(SPANRING_REC_SCOPE, scope, version);
    w.end(1, 20);
    const auto spans = rig.spans_of(w);
    ASSERT_EQ(spans.size(), 1u);
    const Span& s = spans[0];
    EXPECT_EQ(s.name, "renamed");
    EXPECT_EQ(s.kind, codec::SpanKind::kServer);
    EXPECT_EQ(s.status, codec::StatusCode::kError);
    EXPECT_EQ(s.status_message, "went wrong");
    EXPECT_EQ(s.scope, (codec::Scope{"scope", "1.2"}));
    ASSERT_EQ(s.attributes.size(), 2u);
    EXPECT_EQ(std::get<std::int64_t>(s.attributes[0].second), -7);
    EXPECT_EQ(std::get<std::string>(s.attributes[1].second), "text");
    ASSERT_EQ(s.events.size(), 1u);
    EXPECT_EQ(s.events[0].time_ns, 12 + kRealOffset);
    ASSERT_EQ(s.events[0].attributes.size(), 1u);
    EXPECT_EQ(s.events[0].attributes[0].first, "key");
}

TEST(Assembler, a_later_status_replaces_an_earlier_one_with_its_message) {
    Rig rig;
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(0, 1).begin(n, 1).payload(SPANRING_REC_STATUS, SPANRING_STATUS_ERROR, "bad");
    w.record(SPANRING_REC_STATUS, SPANRING_STATUS_OK, 0).end(1, 2);
    const auto spans = rig.spans_of(w);
    ASSERT_EQ(spans.size(), 1u);
    EXPECT_EQ(spans[0].status, codec::StatusCode::kOk);
    EXPECT_EQ(spans[0].status_message, "");
}

TEST(Assembler, inline_strings_stand_for_the_record_after_them) {
    Rig rig;
    RecordWriter w;
    w.page(0, 1).name("my span").begin(SPANRING_ID_INLINE, 1).name("my key");
    w.integer(SPANRING_ID_INLINE, 5).end(1, 2);
    const auto spans = rig.spans_of(w);
    ASSERT_EQ(spans.size(), 1u);
    EXPECT_EQ(spans[0].name, "my span");
    ASSERT_EQ(spans[0].attributes.size(), 1u);
    EXPECT_EQ(spans[0].attributes[0].first, "my key");
}

TEST(Assembler, a_remote_parent_gives_trace_flags_and_tracestate_to_all_below_it) {
    Rig rig;
    const auto n = rig.strings.add("n");
    const auto m = rig.strings.add("m");
    RecordWriter w;
    w.page(0, 1);
    w.record(SPANRING_REC_ATTACH_REMOTE, 0, 1, {0x1111, 0x2222, 0x3333});
    w.begin(n, 1).payload(SPANRING_REC_TRACESTATE, 0, "k=v").begin(m, 2).end(2, 3).end(1, 4);
    w.record(SPANRING_REC_DETACH, 0, 0).begin(n, 5).end(3, 6);
    const auto spans = rig.spans_of(w);
    ASSERT_EQ(spans.size(), 3u);
    TraceId foreign;
    const std::uint64_t words[2] = {0x1111, 0x2222};
    std::memcpy(foreign.bytes.data(), words, 16);
    SpanId parent;
    const std::uint64_t parent_word = 0x3333;
    std::memcpy(parent.bytes.data(), &parent_word, 8);
    EXPECT_EQ(spans[1].trace_id, foreign);
    EXPECT_EQ(spans[1].parent_id, parent);
    EXPECT_EQ(spans[1].span_id, rig.id(0, 1));
    EXPECT_EQ(spans[0].trace_id, foreign);
    for (int i : {0, 1}) {
        EXPECT_EQ(spans[static_cast<std::size_t>(i)].flags, 1u);
        EXPECT_EQ(spans[static_cast<std::size_t>(i)].trace_state, "k=v");
    }
    EXPECT_EQ(spans[2].trace_id, rig.trace(0, 3)) << "detached: a trace of its own";
    EXPECT_EQ(spans[2].trace_state, "");
}

TEST(Assembler, an_end_from_another_thread_waits_for_details_of_a_third) {
    Rig rig;
    const auto n = rig.strings.add("async");
    const auto k = rig.strings.add("k");
    RecordWriter owner(0);
    owner.page(0, 1).begin_async(n, 1);
    RecordWriter ender(1);
    const SpanKey key = SpanKey::of(0, 1);
    ender.page(0, 1).end_for(key, 9);
    RecordWriter late(2);
    late.page(0, 1).aim_shared(key, 8).integer(k, 4);
    ASSERT_TRUE(rig.feed(ender)) << "the end is seen before the begin";
    ASSERT_TRUE(rig.feed(owner));
    rig.turn();
    EXPECT_TRUE(rig.spans().empty());
    EXPECT_TRUE(rig.assembler->has_deferred());
    ASSERT_TRUE(rig.feed(late));
    rig.turn();
    const auto spans = rig.spans();
    ASSERT_EQ(spans.size(), 1u);
    EXPECT_EQ(spans[0].duration_ns, 8);
    EXPECT_EQ(spans[0].attributes.size(), 1u);
    EXPECT_FALSE(rig.assembler->has_deferred());
}

TEST(Assembler, an_incomplete_turn_applies_nothing_that_was_held_back) {
    Rig rig;
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(0, 1).begin_async(n, 1).end_for(SpanKey::of(0, 1), 2);
    ASSERT_TRUE(rig.feed(w));
    rig.turn();
    rig.turn(false);
    rig.turn(false);
    EXPECT_TRUE(rig.spans().empty());
    rig.turn();
    EXPECT_EQ(rig.spans().size(), 1u);
}

TEST(Assembler, a_detail_before_its_begin_is_kept_and_one_of_a_lost_begin_dropped) {
    Rig rig;
    const auto n = rig.strings.add("n");
    const auto k = rig.strings.add("k");
    const auto e = rig.strings.add("e");
    const SpanKey key = SpanKey::of(1, 1);
    RecordWriter early(0);
    early.page(0, 1).aim_shared(key, 5).event(e, 5);
    early.integer(k, 1, SPANRING_TARGET_ITEM);
    early.aim_shared(SpanKey::of(7, 7), 6).integer(k, 2);
    RecordWriter owner(1);
    owner.page(0, 1).begin_async(n, 1).end_for(key, 9);
    ASSERT_TRUE(rig.feed(early));
    ASSERT_TRUE(rig.feed(owner));
    rig.settle();
    const auto spans = rig.spans();
    ASSERT_EQ(spans.size(), 1u);
    ASSERT_EQ(spans[0].events.size(), 1u);
    EXPECT_EQ(spans[0].events[0].attributes.size(), 1u);
}

std::vector<std::int64_t> integers_of(const codec::Span& span) {
    std::vector<std::int64_t> values;
    for (const auto& [key, value] : span.attributes)
        values.push_back(std::get<std::int64_t>(value));
    return values;
}

TEST(Assembler, what_several_threads_set_is_applied_in_the_order_of_time) {
    Rig rig;
    const auto n = rig.strings.add("n");
    const auto k = rig.strings.add("k");
    const SpanKey key = SpanKey::of(0, 1);
    RecordWriter owner(0);
    owner.page(0, 1).begin_async(n, 1).aim(key).integer(k, 1);
    RecordWriter second(1);
    second.page(0, 1).aim_shared(key, 20).integer(k, 2);
    RecordWriter third(2);
    third.page(0, 1).aim_shared(key, 30).integer(k, 3).end_for(key, 31);
    ASSERT_TRUE(rig.feed(third)) << "seen a turn before what happened earlier";
    rig.turn();
    ASSERT_TRUE(rig.feed(second));
    ASSERT_TRUE(rig.feed(owner));
    rig.turn();
    const auto spans = rig.spans();
    ASSERT_EQ(spans.size(), 1u);
    EXPECT_EQ(integers_of(spans[0]), (std::vector<std::int64_t>{1, 2, 3}));
    EXPECT_FALSE(rig.assembler->has_deferred());
}

TEST(Assembler, what_happened_after_what_is_due_waits_for_the_next_turn) {
    Rig rig;
    const auto n = rig.strings.add("n");
    const auto k = rig.strings.add("k");
    const SpanKey key = SpanKey::of(0, 1);
    RecordWriter owner(0);
    owner.page(0, 1).begin_async(n, 1).aim_shared(key, 10).integer(k, 1);
    ASSERT_TRUE(rig.feed(owner));
    rig.turn();
    RecordWriter third(2);
    third.page(0, 1).aim_shared(key, 30).integer(k, 3);
    ASSERT_TRUE(rig.feed(third));
    rig.turn();
    RecordWriter second(1);
    second.page(0, 1).aim_shared(key, 20).integer(k, 2);
    ASSERT_TRUE(rig.feed(second)) << "after the turn that read what is later";
    rig.turn();
    RecordWriter last(3);
    last.page(0, 1).end_for(key, 40);
    ASSERT_TRUE(rig.feed(last));
    rig.settle();
    const auto spans = rig.spans();
    ASSERT_EQ(spans.size(), 1u);
    EXPECT_EQ(integers_of(spans[0]), (std::vector<std::int64_t>{1, 2, 3}));
}

TEST(Assembler, an_async_span_that_stays_on_its_thread_waits_for_nobody) {
    Rig rig;
    const auto n = rig.strings.add("n");
    const SpanKey key = SpanKey::of(0, 1);
    RecordWriter w;
    w.page(0, 1).begin_async(n, 1).aim(key).integer(n, 7).aim(key).end_aimed(key, 5);
    w.aim(SpanKey::of(0, 9)).integer(n, 7);
    ASSERT_TRUE(rig.feed(w));
    EXPECT_FALSE(rig.assembler->has_deferred());
    const auto spans = rig.spans();
    ASSERT_EQ(spans.size(), 1u);
    EXPECT_EQ(spans[0].duration_ns, 4);
    EXPECT_EQ(spans[0].attributes.size(), 1u);
}

TEST(Assembler, a_span_that_another_thread_ended_stays_the_parent_on_its_own_thread) {
    Rig rig;
    const auto n = rig.strings.add("n");
    const auto child = rig.strings.add("child");
    RecordWriter first(0);
    first.page(0, 1).begin(n, 1);
    RecordWriter other(1);
    other.page(0, 1).end_for(SpanKey::of(0, 1), 5);
    ASSERT_TRUE(rig.feed(first));
    ASSERT_TRUE(rig.feed(other));
    rig.settle();
    ASSERT_EQ(rig.spans().size(), 1u);
    RecordWriter more(0);
    more.page(0, 1).begin(n, 1).begin(child, 7).end(2, 8);
    const auto& page = more.pages()[0];
    ASSERT_TRUE(rig.feed_part(page, page.ends[0], page.bytes.size()));
    const auto spans = rig.spans();
    ASSERT_EQ(spans.size(), 2u);
    EXPECT_EQ(spans[1].parent_id, rig.id(0, 1));
    EXPECT_EQ(spans[1].trace_id, rig.trace(0, 1));
}

TEST(Assembler, takes_the_context_below_a_span_out_wherever_it_stands) {
    Rig rig;
    const auto n = rig.strings.add("n");
    const auto child = rig.strings.add("child");
    RecordWriter w;
    w.page(0, 1).record(SPANRING_REC_ATTACH_REMOTE, 0, 1, {1, 2, 3}).begin(n, 1);
    w.record(SPANRING_REC_ATTACH_REMOTE, 0, 1, {4, 5, 6}).begin(n, 2);
    w.record(SPANRING_REC_DETACH, 1, SPANRING_DETACH_BELOW).end(1, 3);
    w.begin(child, 4).end(3, 5);
    w.record(SPANRING_REC_DETACH, 2, SPANRING_DETACH_BELOW).end(2, 6);
    const auto spans = rig.spans_of(w);
    ASSERT_EQ(spans.size(), 3u);
    EXPECT_EQ(Rig::find(spans, "child")->parent_id, rig.id(0, 2));
    EXPECT_EQ(Rig::find(spans, "child")->trace_id, spans[2].trace_id);
    EXPECT_EQ(rig.assembler->open_spans(), 0u);
}

TEST(Assembler, links_to_local_spans_get_their_computed_ids) {
    Rig rig;
    const auto n = rig.strings.add("n");
    const auto k = rig.strings.add("k");
    RecordWriter w;
    w.page(0, 1).begin(n, 1);
    w.record(SPANRING_REC_LINK_LOCAL, 0, 0, {SpanKey::of(4, 9).value, SpanKey::of(4, 2).value});
    w.integer(k, 3, SPANRING_TARGET_ITEM).end(1, 2);
    const auto spans = rig.spans_of(w);
    ASSERT_EQ(spans.size(), 1u);
    ASSERT_EQ(spans[0].links.size(), 1u);
    EXPECT_EQ(spans[0].links[0].span_id, rig.id(4, 9));
    EXPECT_EQ(spans[0].links[0].trace_id, rig.trace(4, 2));
    EXPECT_EQ(spans[0].links[0].attributes.size(), 1u);
}

TEST(Assembler, imports_keep_their_ids_times_and_resource_across_pages) {
    Rig rig;
    const auto n = rig.strings.add("imported");
    const auto k = rig.strings.add("k");
    const std::string text(3000, 'x');
    RecordWriter w;
    w.page(0, 1).record(SPANRING_REC_IMPORT_BEGIN, n,
                        SPANRING_IMPORT_TRACE_64 | SPANRING_IMPORT_NO_DURATION,
                        {0, 0x22, 0x33, 0x44, 12345, 0});
    w.payload(SPANRING_REC_ATTR_STRING | SPANRING_TARGET_RESOURCE, k, "service");
    w.payload(SPANRING_REC_ATTR_STRING, k, text.substr(0, 1001));
    w.page(5, 1).payload(SPANRING_REC_CONTINUE, 0, text.substr(1001, 1000));
    w.page(6, 1).payload(SPANRING_REC_CONTINUE, 1, text.substr(2001)).integer(k, 8);
    w.record(SPANRING_REC_IMPORT_END, 0, 0);
    const auto spans = rig.spans_of(w);
    ASSERT_EQ(spans.size(), 1u);
    const Span& s = spans[0];
    EXPECT_TRUE(s.trace_id_64);
    EXPECT_EQ(s.start_ns, 12345);
    EXPECT_FALSE(s.duration_ns.has_value());
    ASSERT_EQ(s.attributes.size(), 2u);
    EXPECT_EQ(std::get<std::string>(s.attributes[0].second), text);
    ASSERT_NE(s.resource, nullptr);
    ASSERT_EQ(s.resource->size(), 1u);
}

TEST(Assembler, an_aborted_import_leaves_nothing) {
    Rig rig;
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(0, 1).record(SPANRING_REC_IMPORT_BEGIN, n, 0, {1, 2, 3, 4, 5, 6}).integer(n, 1);
    w.page(1, 1).record(SPANRING_REC_IMPORT_ABORT, 0, 0).begin(n, 2).integer(n, 5).end(1, 3);
    const auto spans = rig.spans_of(w);
    ASSERT_EQ(spans.size(), 1u);
    EXPECT_EQ(spans[0].attributes.size(), 1u);
}

TEST(Assembler, details_over_the_limit_are_cut_and_the_span_says_so) {
    Limits limits;
    limits.span_details_bytes_max = 256;
    Rig rig(limits);
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(0, 1).begin(n, 1);
    for (int i = 0; i < 40; ++i) w.integer(n, i);
    w.end(1, 2).begin(n, 3).integer(n, 1).end(2, 4);
    const auto spans = rig.spans_of(w);
    ASSERT_EQ(spans.size(), 2u);
    EXPECT_TRUE(spans[0].truncated);
    EXPECT_EQ(spans[0].attributes.size(), 16u);
    EXPECT_FALSE(spans[1].truncated);
}

TEST(Assembler, a_new_time_base_counts_for_the_rest_of_the_page) {
    Rig rig;
    const auto n = rig.strings.add("n");
    const std::uint64_t late = 20'000'000'000;
    RecordWriter w;
    w.page(100, 1).begin(n, 150).record(SPANRING_REC_TIME_BASE, 0, 0, {late});
    w.record(SPANRING_REC_END, 1, 7);
    const auto spans = rig.spans_of(w);
    ASSERT_EQ(spans.size(), 1u);
    EXPECT_EQ(spans[0].duration_ns, static_cast<std::int64_t>(late + 7 - 150));
}

TEST(Assembler, closing_stores_what_is_open_as_unfinished) {
    Rig rig;
    const auto n = rig.strings.add("n");
    RecordWriter w;
    w.page(0, 1).begin(n, 1).begin(n, 2).begin_async(n, 3);
    ASSERT_TRUE(rig.feed(w));
    rig.close();
    const auto spans = rig.spans();
    ASSERT_EQ(spans.size(), 3u);
    for (const auto& span : spans) {
        EXPECT_TRUE(span.unfinished);
        EXPECT_FALSE(span.duration_ns.has_value());
    }
    EXPECT_EQ(rig.assembler->open_spans(), 0u);
}

TEST(Assembler, the_process_resource_stands_with_every_span) {
    Rig rig;
    const auto n = rig.strings.add("n");
    RecordWriter resource;
    resource.page(0, 1).name("service.name");
    resource.payload(SPANRING_REC_ATTR_STRING, SPANRING_ID_INLINE, "shop");
    rig.assembler->set_resource(resource.pages()[0].bytes);
    RecordWriter w;
    w.page(0, 1).begin(n, 1).end(1, 2);
    const auto spans = rig.spans_of(w);
    ASSERT_EQ(spans.size(), 1u);
    EXPECT_EQ(codec::service_of(*spans[0].resource), "shop");
}

}  // namespace
}  // namespace spanring::consumer::testing
