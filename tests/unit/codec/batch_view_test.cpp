// What a view gives of a batch, part by part, is what decoding the whole gives.
#include "spanring/codec/batch_view.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <bit>
#include <map>

#include "any_span.hpp"
#include "sample_spans.hpp"
#include "spanring/abi/record_layout.h"
#include "spanring/codec/details.hpp"

namespace spanring::codec {
namespace {

using namespace test;

std::vector<std::byte> encoded(const std::vector<Span>& spans, bool small) {
    Batch batch;
    for (const Span& span : spans) batch.add(span);
    return encode(batch, {.small = small}).value();
}

BatchView view_of(const std::vector<std::byte>& bytes) {
    auto view = BatchView::open(bytes);
    RC_ASSERT(view.ok());
    return std::move(*view);
}

TEST(BatchViewProperties, each_part_by_itself_is_the_rows_column) {
    check("one part of a view = the column of the decoded rows", [] {
        const auto spans = several(40, any_span);
        const auto bytes = encoded(spans, *rc::gen::arbitrary<bool>());
        const Batch whole = decode(bytes).value();
        const unsigned part = 1u << *rc::gen::inRange(0, 7);
        BatchView view = view_of(bytes);
        RC_ASSERT(view.load(part).ok());
        RC_ASSERT(view.row_count() == whole.rows.size());
        for (const TraceRows& trace : view.traces()) {
            if (part != Part::kTraces) break;
            for (std::size_t i = trace.first; i < trace.first + trace.count; ++i) {
                RC_ASSERT(whole.rows[i].trace_high == trace.high);
                RC_ASSERT(whole.rows[i].trace_low == trace.low);
            }
        }
        for (std::size_t i = 0; i < whole.rows.size(); ++i) {
            const Row& row = whole.rows[i];
            const Row& shape = view.shapes()[view.shape_of_rows()[i]];
            RC_ASSERT(shape.flags == row.flags && shape.name == row.name);
            RC_ASSERT(shape.resource == row.resource && shape.scope == row.scope);
            RC_ASSERT(shape.kind == row.kind && shape.status == row.status);
            if (part == Part::kSpans) RC_ASSERT(view.spans()[i] == row.span);
            if (part == Part::kParents) RC_ASSERT(view.parents()[i] == row.parent);
            if (part == Part::kStarts) RC_ASSERT(view.starts()[i] == row.start_ns);
            if (part == Part::kDurations) RC_ASSERT(view.durations()[i] == row.duration_ns);
        }
    });
}

TEST(BatchViewProperties, durations_by_shape_are_those_of_its_rows) {
    check("durations by shape = durations", [] {
        const auto bytes = encoded(several(40, any_span), false);
        BatchView view = view_of(bytes);
        RC_ASSERT(view.load(Part::kDurations).ok());
        std::vector<std::vector<std::int64_t>> expected(view.shapes().size());
        for (std::size_t i = 0; i < view.row_count(); ++i)
            expected[view.shape_of_rows()[i]].push_back(view.durations()[i]);
        std::size_t at = 0;
        for (std::size_t s = 0; s < expected.size(); ++s) {
            RC_ASSERT(view.row_counts()[s] == expected[s].size());
            if ((view.shapes()[s].flags & RowFlag::kHasDuration) == 0) continue;
            for (const std::int64_t duration : expected[s])
                RC_ASSERT(view.durations_by_shape()[at++] == duration);
        }
        RC_ASSERT(at == view.durations_by_shape().size());
    });
}

TEST(BatchViewProperties, some_rows_are_those_of_the_whole) {
    check("rows(numbers) = the same of all", [] {
        const auto bytes = encoded(several(40, any_span), *rc::gen::arbitrary<bool>());
        const Batch whole = decode(bytes).value();
        std::vector<std::uint32_t> numbers;
        for (std::uint32_t i = 0; i < whole.rows.size(); ++i)
            if (*rc::gen::arbitrary<bool>()) numbers.push_back(i);
        BatchView view = view_of(bytes);
        const auto some = view.rows(numbers);
        RC_ASSERT(some.ok());
        RC_ASSERT(some->rows.size() == numbers.size());
        for (std::size_t i = 0; i < numbers.size(); ++i)
            RC_ASSERT(some->span(i).value() == whole.span(numbers[i]).value());
    });
}

/// The attributes of spans in a column, by row, as values.
std::vector<std::pair<std::size_t, Value>> values_of(const ColumnView& column) {
    std::vector<std::pair<std::size_t, Value>> values;
    for (std::size_t i = 0; i < column.size(); ++i) {
        switch (column.head().kind) {
            case SPANRING_REC_ATTR_BOOL:
                values.emplace_back(column.rows()[i], column.word(i) != 0);
                break;
            case SPANRING_REC_ATTR_INT:
                values.emplace_back(column.rows()[i], static_cast<std::int64_t>(column.word(i)));
                break;
            case SPANRING_REC_ATTR_DOUBLE:
                values.emplace_back(column.rows()[i], std::bit_cast<double>(column.word(i)));
                break;
            default: {
                const std::string_view text = column.text(i);
                if (column.entry_count() != 0) RC_ASSERT(column.entry(column.entry_of(i)) == text);
                const Detail detail{column.head().kind, column.head().target, column.head().id,
                                    static_cast<std::uint32_t>(text.size()),
                                    std::as_bytes(std::span(text))};
                values.emplace_back(column.rows()[i], attribute_value(detail).value());
            }
        }
    }
    return values;
}

TEST(BatchViewProperties, columns_hold_every_attribute_of_every_row_in_order) {
    check("columns = attributes", [] {
        const auto bytes = encoded(several(100, any_span), *rc::gen::arbitrary<bool>());
        const Batch whole = decode(bytes).value();
        std::map<std::string, std::vector<std::pair<std::size_t, Value>>> expected, found;
        for (std::size_t i = 0; i < whole.rows.size(); ++i) {
            const Span span = whole.span(i).value();
            for (const auto& [key, value] : span.attributes)
                expected[key + std::to_string(value.index())].emplace_back(i, value);
        }
        BatchView view = view_of(bytes);
        for (std::size_t c = 0; c < view.column_count(); ++c) {
            const auto column = view.column(c);
            RC_ASSERT(column.ok());
            const ColumnHead head = column->head();
            RC_ASSERT(head == view.column_head(c));
            if (head.target != SPANRING_TARGET_SPAN || column->size() == 0) continue;
            if (!is_attribute(head.kind)) continue;
            auto values = values_of(*column);
            const std::string key(view.tables().string(head.id));
            found[key + std::to_string(values.front().second.index())] = std::move(values);
        }
        RC_ASSERT(found == expected);
    });
}

TEST(BatchView, decodes_only_what_is_asked_for) {
    std::vector<Span> spans;
    for (std::uint8_t i = 1; i < 50; ++i) spans.push_back(plain_span(1, i, 0, kNoonNs + i));
    auto bytes = encoded(spans, false);
    auto view = BatchView::open(bytes);
    ASSERT_TRUE(view.ok());
    EXPECT_TRUE(view->starts().empty());
    EXPECT_TRUE(view->durations().empty());
    ASSERT_TRUE(view->load(Part::kDurationsByShape).ok());
    EXPECT_EQ(view->durations_by_shape().size(), 49u);
    EXPECT_TRUE(view->durations().empty());
    EXPECT_TRUE(view->starts().empty());
    EXPECT_TRUE(view->spans().empty());
}

}  // namespace
}  // namespace spanring::codec
