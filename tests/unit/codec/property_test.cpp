// Properties over generated inputs (RapidCheck): any set of spans comes back equal as a multiset,
// any damage is survived. A failure prints the smallest input found and the seed.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

#include "any_span.hpp"
#include "integers.hpp"
#include "spanring/codec/batch.hpp"
#include "spanring/codec/jsonl.hpp"

namespace spanring::codec {
namespace {

using namespace test;

std::vector<Span> spans_of(const Batch& batch) {
    std::vector<Span> spans;
    for (std::size_t i = 0; i < batch.rows.size(); ++i) {
        auto span = batch.span(i);
        RC_ASSERT(span.ok());
        spans.push_back(*std::move(span));
    }
    return spans;
}

TEST(BatchProperties, any_set_of_spans_comes_back_as_the_same_multiset) {
    check("spans -> batch -> bytes -> batch -> spans", [] {
        auto spans = several(40, any_span);
        if (!spans.empty()) spans.push_back(spans.front());  // an identical record
        Batch batch;
        for (const Span& span : spans) batch.add(span);
        const auto bytes = encode(batch);
        RC_ASSERT(bytes.ok());
        const auto read = decode(*bytes);
        RC_ASSERT(read.ok());
        const auto read_spans = spans_of(*read);
        RC_ASSERT(
            std::is_permutation(spans.begin(), spans.end(), read_spans.begin(), read_spans.end()));
        RC_ASSERT(*encode(*read) == *bytes);
    });
}

TEST(BatchProperties, any_rows_with_native_ids_come_back_field_for_field) {
    check("native rows -> bytes -> native rows", [] {
        Batch batch;
        for (std::uint8_t i = 0; i < 3; ++i) {
            Instance instance;
            instance.id.bytes.fill(i);
            batch.intern_instance(instance);
        }
        const auto key = [] {
            return SpanKey::of(*rc::gen::inRange(0u, 3u), *rc::gen::inRange<std::uint64_t>(1, 30))
                .value;
        };
        const int count = *rc::gen::inRange(1, 300);
        for (int i = 0; i < count; ++i) {
            Row row;
            row.instance = *rc::gen::inRange(1u, 4u);
            row.flags = *rc::gen::inRange(0u, 1u << 11) | RowFlag::kHasStart;
            row.trace_high = *rc::gen::inRange<std::uint64_t>(0, 3) * 0x0101010101010101u;
            row.trace_low = key();
            row.span = *rc::gen::oneOf(rc::gen::just(key()), rc::gen::arbitrary<std::uint64_t>());
            row.parent = *rc::gen::element<std::uint64_t>(0, 7, key());
            row.start_ns = i;
            if ((row.flags & RowFlag::kHasDuration) != 0) row.duration_ns = number();
            row.trace_flags = *rc::gen::arbitrary<std::uint16_t>();
            batch.rows.push_back(row);
        }
        const auto bytes = encode(batch);
        RC_ASSERT(bytes.ok());
        auto read = decode(*bytes);
        RC_ASSERT(read.ok());
        // Starts are the row numbers, so this restores the order in which they were given.
        std::sort(read->rows.begin(), read->rows.end(),
                  [](const Row& a, const Row& b) { return a.start_ns < b.start_ns; });
        RC_ASSERT(read->rows.size() == batch.rows.size());
        for (std::size_t i = 0; i < batch.rows.size(); ++i) {
            const Row& a = batch.rows[i];
            const Row& b = read->rows[i];
            RC_ASSERT(a.trace_high == b.trace_high && a.trace_low == b.trace_low);
            RC_ASSERT(a.span == b.span && a.parent == b.parent && a.flags == b.flags);
            RC_ASSERT(a.duration_ns == b.duration_ns && a.trace_flags == b.trace_flags);
            RC_ASSERT(batch.instance(a.instance) == read->instance(b.instance));
        }
    });
}

TEST(BatchProperties, arbitrary_bytes_never_crash_decode) {
    check("bytes -> decode", [] {
        const auto bytes = *rc::gen::arbitrary<std::vector<std::uint8_t>>();
        (void)decode(std::as_bytes(std::span(bytes)));
    });
}

TEST(IntegerProperties, any_column_comes_back) {
    check("integers -> bytes -> integers", [] {
        const auto values = *rc::gen::container<std::vector<std::uint64_t>>(rc::gen::oneOf(
            rc::gen::inRange<std::uint64_t>(0, 9), rc::gen::arbitrary<std::uint64_t>()));
        using Put = void (*)(Buffer&, std::span<const std::uint64_t>);
        for (const Put put : {&put_integers, &put_packed, &put_deltas, &put_plain<std::uint64_t>}) {
            Buffer bytes;
            put(bytes, values);
            ByteReader in(bytes);
            std::vector<std::uint64_t> read;
            RC_ASSERT(get_integers(in, values.size(), &read) && in.finished());
            RC_ASSERT(read == values);
        }
    });
}

// JSON has one word for what we tell apart: an array of ints and one of nothing, and so on.
bool json_keeps(const Value& value) {
    if (std::holds_alternative<Json>(value)) return true;
    if (const auto* text = std::get_if<std::string>(&value)) {
        return std::all_of(text->begin(), text->end(), [](char c) { return c >= 0; });
    }
    if (const auto* number = std::get_if<double>(&value)) return std::isfinite(*number);
    return !std::holds_alternative<std::vector<bool>>(value) &&
           !std::holds_alternative<std::vector<std::int64_t>>(value) &&
           !std::holds_alternative<std::vector<double>>(value);
}

void keep_what_json_keeps(Attributes* attributes) {
    Attributes kept;
    for (auto& attribute : *attributes) {
        const bool known = std::any_of(kept.begin(), kept.end(), [&](const auto& other) {
            return other.first == attribute.first;
        });
        if (!known && json_keeps(attribute.second)) kept.push_back(attribute);
    }
    *attributes = kept;
}

TEST(JsonlProperties, any_span_comes_back) {
    check("span -> line -> span", [] {
        Span span = any_span();
        keep_what_json_keeps(&span.attributes);
        for (Event& event : span.events) keep_what_json_keeps(&event.attributes);
        for (Link& link : span.links) {
            keep_what_json_keeps(&link.attributes);
            link.trace_id_64 =
                link.trace_id_64 && link.trace_id < TraceId{{0, 0, 0, 0, 0, 0, 0, 1}};
        }
        Attributes resource = *span.resource;
        keep_what_json_keeps(&resource);
        span.resource = std::make_shared<const Attributes>(resource);
        const auto read = from_jsonl(to_jsonl(span));
        RC_ASSERT(read.ok());
        RC_ASSERT(*read == span);
    });
}

}  // namespace
}  // namespace spanring::codec
