#include "spanring/codec/batch.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "golden_samples.hpp"
#include "spanring/abi/record_layout.h"
#include "spanring/base/crc32c.hpp"
#include "spanring/codec/details.hpp"

namespace spanring::codec {
namespace {

using test::golden_text;
using test::plain_span;

Batch round_trip(const Batch& batch) {
    const auto bytes = encode(batch);
    EXPECT_TRUE(bytes.ok()) << bytes.error().message;
    auto read = decode(*bytes);
    EXPECT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(*encode(*read), *bytes) << "encoding is deterministic and a fixed point";
    return *std::move(read);
}

std::vector<Span> spans_of(const Batch& batch) {
    std::vector<Span> spans;
    for (std::size_t i = 0; i < batch.rows.size(); ++i) {
        auto span = batch.span(i);
        EXPECT_TRUE(span.ok()) << span.error().message;
        spans.push_back(*std::move(span));
    }
    return spans;
}

ErrorCode refusal(const Batch& batch) {
    const auto bytes = encode(batch);
    EXPECT_FALSE(bytes.ok());
    return bytes.ok() ? ErrorCode::kIo : bytes.error().code;
}

TEST(Batch, an_empty_one_comes_back_empty) {
    const Batch read = round_trip(Batch());
    EXPECT_TRUE(read.empty());
    EXPECT_EQ(read.string_count(), 1u);
}

TEST(Batch, a_span_with_everything_comes_back_equal) {
    const Batch batch = test::batch_of({test::full_span()});
    EXPECT_EQ(spans_of(batch)[0], test::full_span());
    EXPECT_EQ(spans_of(round_trip(batch))[0], test::full_span());
}

TEST(Batch, rows_come_back_by_trace_and_start) {
    const Span a1 = plain_span(1, 1, 0, 500);
    const Span a2 = plain_span(1, 2, 1, 700);
    const Span b1 = plain_span(2, 3, 0, 600);
    const Batch read = round_trip(test::batch_of({a2, b1, a1}));
    EXPECT_EQ(spans_of(read), (std::vector<Span>{a1, a2, b1}));
}

TEST(Batch, identical_spans_are_never_merged) {
    const Batch read = round_trip(test::batch_of({test::full_span(), test::full_span()}));
    EXPECT_EQ(spans_of(read), std::vector<Span>(2, test::full_span()));
}

TEST(Batch, absent_times_stay_absent) {
    Span no_start = plain_span(1, 1, 0, 0);
    no_start.start_ns.reset();
    Span no_duration = plain_span(1, 2, 1, 5);
    no_duration.duration_ns.reset();
    no_duration.unfinished = true;
    Span neither = plain_span(2, 3, 1, 0);
    neither.start_ns.reset();
    neither.duration_ns.reset();
    neither.end_lost = true;
    const auto spans = spans_of(round_trip(test::batch_of({no_duration, no_start, neither})));
    EXPECT_EQ(std::count(spans.begin(), spans.end(), no_start), 1);
    EXPECT_EQ(std::count(spans.begin(), spans.end(), no_duration), 1);
    EXPECT_EQ(std::count(spans.begin(), spans.end(), neither), 1);
}

TEST(Batch, times_at_the_ends_of_the_range_come_back) {
    std::vector<Span> spans;
    for (const std::int64_t ns : {std::numeric_limits<std::int64_t>::min(), std::int64_t{-1},
                                  std::int64_t{0}, std::numeric_limits<std::int64_t>::max()}) {
        spans.push_back(plain_span(1, 1, 0, ns));
        spans.back().duration_ns = ns;
    }
    EXPECT_EQ(spans_of(round_trip(test::batch_of(spans))), spans);
}

TEST(Batch, parents_come_back_wherever_they_stand) {
    std::vector<Span> spans{plain_span(1, 1, 0, 100),   // a root
                            plain_span(1, 2, 1, 101),   // before
                            plain_span(1, 3, 5, 102),   // after
                            plain_span(1, 4, 99, 103),  // elsewhere
                            plain_span(1, 5, 5, 104),   // itself
                            plain_span(2, 6, 1, 105)};  // a row of another trace
    EXPECT_EQ(spans_of(round_trip(test::batch_of(spans))), spans);
}

TEST(Batch, parents_come_back_in_a_trace_too_long_to_scan) {
    std::vector<Span> spans;
    for (int i = 0; i < 1000; ++i) {
        Span span = plain_span(1, 1, 0, i);
        span.span_id.bytes = {1, static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8)};
        if (i > 0)
            span.parent_id = spans[static_cast<std::size_t>(i) * 7919 % spans.size()].span_id;
        spans.push_back(span);
    }
    spans[500].parent_id = test::span_id(200);
    spans[0].parent_id = spans[999].span_id;
    EXPECT_EQ(spans_of(round_trip(test::batch_of(spans))), spans);
}

TEST(Batch, trace_ids_of_64_bits_stay_so) {
    Span span = plain_span(1, 1, 0, 1);
    span.trace_id = {};
    span.trace_id.bytes[15] = 9;
    Span as_128 = span;
    span.trace_id_64 = true;
    const auto spans = spans_of(round_trip(test::batch_of({span, as_128})));
    EXPECT_EQ(spans, (std::vector<Span>{span, as_128}));
}

TEST(Batch, native_ids_are_computed_from_keys) {
    const Instance own = test::instance(3);
    Batch batch;
    const InstanceIndex index = batch.intern_instance(own);
    const SpanKey root = SpanKey::of(2, 10);
    const SpanKey child = SpanKey::of(300, 1);
    batch.rows.push_back(test::native_row(index, own, root, root, {}, 5));
    batch.rows.push_back(test::native_row(index, own, root, child, root, 6));
    const Batch read = round_trip(batch);
    const auto spans = spans_of(read);
    EXPECT_EQ(spans[0].trace_id, derive_trace_id(own.host_key, own.id.number(), root));
    EXPECT_EQ(spans[0].span_id, derive_span_id(own.span_key, root));
    EXPECT_FALSE(spans[0].parent_id.valid());
    EXPECT_EQ(spans[1].trace_id, spans[0].trace_id);
    EXPECT_EQ(spans[1].parent_id, spans[0].span_id);
}

TEST(Batch, native_rows_come_back_field_for_field) {
    const Instance own = test::instance(3);
    const Instance other = test::instance(5);
    Batch batch;
    const InstanceIndex index = batch.intern_instance(own);
    const SpanKey root = SpanKey::of(2, 10);
    batch.rows.push_back(test::native_row(index, own, root, SpanKey::of(2, 11), root, 1));
    batch.rows.push_back(test::native_row(index, other, root, SpanKey::of(65535, 12), root, 2));
    batch.rows.push_back(test::native_row(index, own, SpanKey::of(9, 7), SpanKey::of(9, 7), {}, 3));
    batch.rows[1].flags &= ~std::uint32_t{RowFlag::kNativeParent};
    const Batch read = round_trip(batch);
    ASSERT_EQ(read.rows.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(read.rows[i].trace_high, batch.rows[i].trace_high) << i;
        EXPECT_EQ(read.rows[i].trace_low, batch.rows[i].trace_low) << i;
        EXPECT_EQ(read.rows[i].span, batch.rows[i].span) << i;
        EXPECT_EQ(read.rows[i].parent, batch.rows[i].parent) << i;
        EXPECT_EQ(read.rows[i].flags, batch.rows[i].flags) << i;
        EXPECT_EQ(read.instance(read.rows[i].instance), own) << i;
    }
}

TEST(Batch, carry_over_flags_come_back) {
    Batch batch = test::batch_of({plain_span(1, 1, 0, 1)});
    batch.rows[0].flags |= RowFlag::kAppend | RowFlag::kPendingEnd | RowFlag::kUnfinished;
    EXPECT_EQ(round_trip(batch).rows[0].flags, batch.rows[0].flags);
}

TEST(Batch, unused_strings_resources_scopes_and_instances_are_left_out) {
    Batch batch;
    batch.intern("unused");
    batch.intern_instance(test::instance(1));
    const InstanceIndex used = batch.intern_instance(test::instance(2));
    batch.intern_scope(batch.intern("lib"), 0);
    std::vector<std::byte> records;
    DetailWriter(records).attribute(batch.intern("host"), std::string("a"), 0);
    batch.intern_resource(records);
    batch.rows.push_back(
        test::native_row(used, test::instance(2), SpanKey::of(1, 1), SpanKey::of(1, 1), {}, 1));
    batch.rows[0].name = batch.intern("used");
    const Batch read = round_trip(batch);
    EXPECT_EQ(read.string_count(), 2u);
    EXPECT_EQ(read.string(read.rows[0].name), "used");
    EXPECT_EQ(read.instance_count(), 1u);
    EXPECT_EQ(read.resource_count(), 1u);
    EXPECT_EQ(read.scope_count(), 1u);
}

TEST(Batch, interning_gives_equal_things_one_number) {
    Batch batch;
    EXPECT_EQ(batch.intern(""), 0u);
    std::vector<StringId> ids;
    for (int i = 0; i < 1000; ++i) ids.push_back(batch.intern("s" + std::to_string(i)));
    for (int i = 0; i < 1000; ++i) {
        ASSERT_EQ(batch.intern("s" + std::to_string(i)), ids[static_cast<std::size_t>(i)]);
        ASSERT_EQ(batch.string(ids[static_cast<std::size_t>(i)]), "s" + std::to_string(i));
    }
    EXPECT_EQ(batch.string_count(), 1001u);
    EXPECT_EQ(batch.intern_scope(1, 2), batch.intern_scope(1, 2));
    EXPECT_NE(batch.intern_scope(1, 2), batch.intern_scope(2, 1));
    EXPECT_EQ(batch.intern_scope(0, 0), 0u);
    EXPECT_EQ(batch.intern_instance(test::instance(1)), 1u);
    EXPECT_EQ(batch.intern_instance(test::instance(1)), 1u);
    EXPECT_EQ(batch.intern_resource({}), 0u);
}

TEST(Batch, a_decoded_one_can_be_appended_to) {
    Batch read = round_trip(test::batch_of({test::full_span()}));
    const std::size_t strings = read.string_count();
    read.add(test::full_span());
    EXPECT_EQ(read.string_count(), strings);
    EXPECT_EQ(spans_of(round_trip(read)), std::vector<Span>(2, test::full_span()));
}

TEST(Batch, cleared_is_as_new) {
    Batch batch = test::batch_of({test::full_span()});
    batch.clear();
    EXPECT_EQ(*encode(batch), *encode(Batch()));
    batch.add(plain_span(1, 1, 0, 1));
    EXPECT_EQ(spans_of(batch)[0], plain_span(1, 1, 0, 1));
}

TEST(Batch, details_beyond_the_limit_of_a_span_are_cut_and_flagged) {
    Span span = plain_span(1, 1, 0, 1);
    span.attributes = {{"small", std::int64_t{1}},
                       {"huge", std::string(SPANRING_SPAN_BYTES_MAX, 'x')},
                       {"after", std::int64_t{2}}};
    const auto spans = spans_of(round_trip(test::batch_of({span})));
    EXPECT_TRUE(spans[0].truncated);
    EXPECT_EQ(spans[0].attributes,
              (Attributes{{"small", std::int64_t{1}}, {"after", std::int64_t{2}}}));
}

TEST(Batch, spans_of_a_process_share_its_resource) {
    const Batch batch = test::batch_of({plain_span(1, 1, 0, 1), plain_span(1, 2, 1, 2)});
    EXPECT_EQ(batch.span(0)->resource, batch.span(1)->resource);
}

TEST(Batch, encode_refuses_what_a_reader_would) {
    const Batch good = test::batch_of({test::full_span()});
    const auto with = [&](auto&& change) {
        Batch batch = good;
        change(batch.rows[0]);
        return batch;
    };
    for (const Batch& bad :
         {with([](Row& r) { r.name = 1000; }), with([](Row& r) { r.resource = 9; }),
          with([](Row& r) { r.scope = 9; }), with([](Row& r) { r.instance = 1; }),
          with([](Row& r) { r.flags |= 1u << 12; }),
          with([](Row& r) { r.flags |= RowFlag::kNativeSpan; }), with([](Row& r) { r.kind = 6; }),
          with([](Row& r) { r.status = 3; }), with([](Row& r) { r.details_offset = 1 << 20; }),
          with([](Row& r) { r.details_bytes -= 8; })}) {
        EXPECT_EQ(refusal(bad), ErrorCode::kInvalidArgument);
    }
}

TEST(Batch, encode_refuses_details_that_belong_into_the_row) {
    for (const std::uint32_t kind : {SPANRING_REC_KIND, SPANRING_REC_RENAME, SPANRING_REC_SCOPE,
                                     SPANRING_REC_FLAGS, SPANRING_REC_LINK_LOCAL}) {
        Batch batch = test::batch_of({plain_span(1, 1, 0, 1)});
        const std::vector<std::byte> body(kind == SPANRING_REC_LINK_LOCAL ? 16 : 0);
        DetailWriter(batch.details).raw(kind, 1, 0, body);
        batch.rows[0].details_bytes = static_cast<std::uint32_t>(batch.details.size());
        EXPECT_EQ(refusal(batch), ErrorCode::kInvalidArgument) << kind;
    }
}

TEST(Batch, encode_refuses_more_rows_than_a_reader_takes) {
    Batch batch;
    batch.rows.resize(kBatchSpansLimit + 1);
    EXPECT_EQ(refusal(batch), ErrorCode::kInvalidArgument);
}

// The size that the design answers to, on spans as a small service makes them: 4 threads, each a
// request of 6 nested spans, times with jitter of a few microseconds.
std::uint16_t version_of(const std::vector<std::byte>& encoded) {
    std::uint16_t version = 0;
    std::memcpy(&version, encoded.data() + 4, sizeof version);
    return version;
}

TEST(Batch, taking_time_to_encode_changes_only_the_bytes) {
    const Batch batch = golden_text();
    const auto plain = encode(batch);
    const auto small = encode(batch, {.small = true});
    const auto zstd = encode(batch, {.small = true, .zstd_level = 19});
    ASSERT_TRUE(plain.ok() && small.ok() && zstd.ok());
    EXPECT_LE(small->size(), plain->size());
    EXPECT_LT(zstd->size(), small->size());
    EXPECT_EQ(version_of(*small), 1);
    EXPECT_EQ(version_of(*zstd), 2);
    for (const auto& encoded : {*small, *zstd}) {
        const auto read = decode(encoded);
        ASSERT_TRUE(read.ok()) << read.error().message;
        EXPECT_EQ(*encode(*read), *plain);
    }
}

TEST(Batch, with_zstd_that_is_damaged_or_claims_more_than_it_holds_is_refused) {
    const auto good = encode(golden_text(), {.small = true, .zstd_level = 19});
    ASSERT_TRUE(good.ok());
    std::size_t refused = 0;
    for (std::size_t at = 28; at < good->size(); ++at) {
        std::vector<std::byte> bad = *good;
        bad[at] ^= std::byte{0x11};
        const std::uint32_t crc = crc32c(std::span(bad).subspan(12));
        std::memcpy(bad.data() + 8, &crc, sizeof crc);
        const auto read = decode(bad);
        // A changed value may be another good one; what matters is that it ends, in bounds.
        refused += read.ok() ? 0 : 1;
    }
    EXPECT_GT(refused, 0u);
}

TEST(Batch, native_spans_without_attributes_take_few_bytes) {
    const Instance own = test::instance(1);
    Batch batch;
    const InstanceIndex index = batch.intern_instance(own);
    std::uint64_t state = 1;
    const auto jitter = [&](std::uint64_t below) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return static_cast<std::int64_t>((state >> 33) % below);
    };
    std::uint64_t ordinals[4] = {};
    std::int64_t now_ns = test::kNoonNs;
    while (batch.rows.size() + 6 <= kBatchSpansMax) {
        const auto stream = static_cast<std::uint32_t>(jitter(4));
        const SpanKey root = SpanKey::of(stream, ordinals[stream] + 1);
        for (int i = 0; i < 6; ++i) {
            const SpanKey key = SpanKey::of(stream, ++ordinals[stream]);
            const SpanKey parent = i == 0 ? SpanKey{} : i < 3 ? root : SpanKey{key.value - 1};
            batch.rows.push_back(test::native_row(index, own, root, key, parent, now_ns));
            batch.rows.back().name = batch.intern("operation " + std::to_string(i));
            batch.rows.back().duration_ns = 300000 / (i + 1) + jitter(60000);
            now_ns += 3000 + jitter(20000);
        }
    }
    const auto bytes = encode(batch);
    ASSERT_TRUE(bytes.ok());
    EXPECT_LE(bytes->size(), batch.rows.size() * 17 / 2) << "8.5 bytes a span";
    EXPECT_EQ(round_trip(batch).rows.size(), batch.rows.size());
}

}  // namespace
}  // namespace spanring::codec
