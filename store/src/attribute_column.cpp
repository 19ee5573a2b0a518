#include "spanring/store/attribute_column.hpp"

#include <algorithm>
#include <bit>
#include <type_traits>

#include "spanring/codec/details.hpp"
#include "spanring/codec/jsonl.hpp"

namespace spanring::store {
namespace {

using codec::ColumnHead;

/// `bytes`: the payload of an attribute of this kind that has one.
Result<AttributeValue> value_of_payload(std::uint32_t kind, std::string_view bytes) {
    if (kind == SPANRING_REC_ATTR_STRING) return AttributeValue(bytes);
    codec::Detail detail;
    detail.kind = kind;
    detail.low = static_cast<std::uint32_t>(bytes.size());
    detail.body = std::as_bytes(std::span(bytes));
    auto value = codec::attribute_value(detail);
    if (!value) return std::move(value).error();
    return AttributeValue(std::move(*value));
}

/// Of text, what stays where it is: a resource's records live as long as their batch.
Result<AttributeValue> value_of(const codec::Detail& detail) {
    if (detail.kind == SPANRING_REC_ATTR_STRING)
        return AttributeValue(std::string_view(reinterpret_cast<const char*>(detail.body.data()),
                                               detail.body.size()));
    auto value = codec::attribute_value(detail);
    if (!value) return std::move(value).error();
    if (const auto* flag = std::get_if<bool>(&*value)) return AttributeValue(*flag);
    if (const auto* number = std::get_if<std::int64_t>(&*value)) return AttributeValue(*number);
    if (const auto* number = std::get_if<double>(&*value)) return AttributeValue(*number);
    return AttributeValue(std::move(*value));
}

Result<std::vector<AttributeValue>> values_of_resources(const codec::Batch& tables,
                                                        std::string_view key) {
    std::vector<AttributeValue> values(tables.resource_count());
    for (std::size_t i = 0; i < values.size(); ++i) {
        codec::DetailReader reader(tables.resource(static_cast<codec::ResourceId>(i)));
        for (codec::Detail detail; reader.next(&detail);) {
            if (!codec::is_attribute(detail.kind) || tables.string(detail.id) != key) continue;
            auto value = value_of(detail);
            if (!value) return std::move(value).error();
            values[i] = std::move(*value);
        }
    }
    return values;
}

}  // namespace

Result<AttributeValue> attribute_at(const codec::ColumnView& column, std::size_t index) {
    switch (column.head().kind) {
        case SPANRING_REC_ATTR_BOOL: return AttributeValue((column.word(index) & 1) != 0);
        case SPANRING_REC_ATTR_INT:
            return AttributeValue(static_cast<std::int64_t>(column.word(index)));
        case SPANRING_REC_ATTR_DOUBLE:
            return AttributeValue(std::bit_cast<double>(column.word(index)));
        default: return value_of_payload(column.head().kind, column.text(index));
    }
}

std::string text_of(const AttributeValue& value) {
    return std::visit(
        [](const auto& v) -> std::string {
            using T = std::decay_t<decltype(v)>;
            if constexpr (std::is_same_v<T, std::monostate>)
                return {};
            else if constexpr (std::is_same_v<T, std::string_view>)
                return std::string(v);
            else
                return codec::text_of(codec::Value(v));
        },
        value);
}

std::vector<std::uint32_t> columns_of_attribute(const codec::BatchView& batch,
                                                std::string_view key) {
    std::vector<std::uint32_t> column_of(batch.shapes().size(), kNoColumn);
    for (std::size_t s = 0; s < column_of.size(); ++s) {
        for (const std::uint32_t c : batch.columns_of(s)) {
            const ColumnHead head = batch.column_head(c);
            if (head.target == SPANRING_TARGET_SPAN && codec::is_attribute(head.kind) &&
                batch.tables().string(head.id) == key)
                column_of[s] = c;
        }
    }
    return column_of;
}

Result<AttributeColumn> AttributeColumn::load(codec::BatchView& batch, Scope scope,
                                              std::string_view key) {
    AttributeColumn made(batch);
    if (auto loaded = batch.load(codec::Part::kShapes); !loaded) return std::move(loaded).error();
    if (scope != Scope::kSpan) {
        auto of_resource = values_of_resources(batch.tables(), key);
        if (!of_resource) return std::move(of_resource).error();
        made.of_resource_ = std::move(*of_resource);
    }
    if (scope == Scope::kResource) {
        made.column_of_.assign(batch.shapes().size(), kNoColumn);
        return made;
    }
    made.column_of_ = columns_of_attribute(batch, key);
    for (const std::uint32_t c : made.column_of_) {
        if (c == kNoColumn ||
            std::ranges::find(made.values_, c, &Values::column) != made.values_.end())
            continue;
        auto column = batch.column(c);
        if (!column) return std::move(column).error();
        made.values_.push_back({c, *column});
    }
    return made;
}

AttributeColumn::Place AttributeColumn::place_of(std::uint32_t row) {
    const std::uint32_t c = column_of_[batch_->shape_of_rows()[row]];
    if (c == kNoColumn) return {};
    Values& values = *std::ranges::find(values_, c, &Values::column);
    const auto rows = values.view.rows();
    std::size_t& next = values.next;
    if (next > 0 && rows[next - 1] >= row) next = 0;
    // Near what was asked for last, or anywhere.
    constexpr std::size_t kNear = 8;
    const std::size_t near_end = std::min(next + kNear, rows.size());
    while (next < near_end && rows[next] < row) ++next;
    if (next == near_end)
        next = static_cast<std::size_t>(
            std::lower_bound(rows.begin() + static_cast<std::ptrdiff_t>(next), rows.end(), row) -
            rows.begin());
    while (next < rows.size() && rows[next] == row) ++next;
    if (next == 0 || rows[next - 1] != row) return {};
    return {&values, next - 1};
}

Result<AttributeValue> AttributeColumn::of(std::uint32_t row) {
    const Place place = place_of(row);
    if (place.values != nullptr) return attribute_at(place.values->view, place.index);
    if (of_resource_.empty()) return AttributeValue();
    return of_resource_[batch_->shape_of(row).resource];
}

std::uint64_t AttributeColumn::number_of(std::uint32_t row) {
    const Place place = place_of(row);
    if (place.values == nullptr)
        return of_resource_.empty() ? 0 : 1 + std::uint64_t{batch_->shape_of(row).resource};
    if (place.values->view.entry_count() == 0) return kNoNumber;
    return (std::uint64_t{place.values->column} + 1) << 32 |
           place.values->view.entry_of(place.index);
}

}  // namespace spanring::store
