#include "batch_rows.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>
#include <variant>

#include "spanring/codec/jsonl.hpp"

namespace spanring::sql {
namespace {

using codec::Part;
using codec::Row;
using codec::RowFlag;

void put_copy(sqlite3_context* context, std::string_view text) {
    sqlite3_result_text64(context, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void put_copy_unless_empty(sqlite3_context* context, std::string_view text) {
    if (!text.empty()) put_copy(context, text);
}

void put_value(sqlite3_context* context, const codec::Value& value) {
    if (const auto* bytes = std::get_if<codec::Bytes>(&value)) {
        sqlite3_result_blob64(context, bytes->data.data(), bytes->data.size(), SQLITE_TRANSIENT);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
        put_copy(context, *text);
    } else {
        put_copy(context, codec::to_json(value));
    }
}

void put_value(sqlite3_context* context, const store::AttributeValue& value) {
    std::visit(
        [context](const auto& v) {
            using T = std::decay_t<decltype(v)>;
            if constexpr (std::is_same_v<T, bool>)
                sqlite3_result_int(context, v ? 1 : 0);
            else if constexpr (std::is_same_v<T, std::int64_t>)
                sqlite3_result_int64(context, v);
            else if constexpr (std::is_same_v<T, double>)
                sqlite3_result_double(context, v);
            else if constexpr (std::is_same_v<T, std::string_view>)
                put_copy(context, v);
            else if constexpr (std::is_same_v<T, codec::Value>)
                put_value(context, v);
        },
        value);
}

}  // namespace

Result<void> BatchRows::put(sqlite3_context* context, int column, std::size_t position) {
    if ((loaded_ & Part::kShapes) == 0) {
        if (auto done = batch_.load(Part::kShapes); !done) return done;
        loaded_ |= Part::kShapes;
    }
    const std::uint32_t row = rows_[position];
    if (const std::string* key = columns_.attribute(column))
        return put_attribute(context, *key, column, row);
    const Row& shape = batch_.shape_of(row);
    const codec::Batch& tables = batch_.tables();
    const auto put_flag = [&](std::uint32_t flag) {
        sqlite3_result_int(context, (shape.flags & flag) != 0 ? 1 : 0);
    };
    const auto put_unless_empty = [&](codec::StringId id) {
        if (!tables.string(id).empty()) put_text(context, text_of(id));
    };
    switch (const auto which = static_cast<Column>(column)) {
        case Column::kTraceId:
        case Column::kSpanId:
        case Column::kParentId: return put_ids(context, which, row);
        case Column::kStart:
        case Column::kDuration:
        case Column::kEnd: return put_time(context, which, row);
        case Column::kService: put_text(context, service_of(shape.resource)); break;
        case Column::kServiceId: sqlite3_result_int64(context, service_of(shape.resource)); break;
        case Column::kName: put_text(context, text_of(shape.name)); break;
        case Column::kNameId: sqlite3_result_int64(context, text_of(shape.name)); break;
        case Column::kKind:
            sqlite3_result_text(context, to_string(static_cast<codec::SpanKind>(shape.kind)), -1,
                                SQLITE_STATIC);
            break;
        case Column::kKindId: sqlite3_result_int(context, shape.kind); break;
        case Column::kStatus:
            sqlite3_result_text(context, to_string(static_cast<codec::StatusCode>(shape.status)),
                                -1, SQLITE_STATIC);
            break;
        case Column::kStatusId: sqlite3_result_int(context, shape.status); break;
        case Column::kScopeName: put_unless_empty(tables.scope(shape.scope).first); break;
        case Column::kScopeVersion: put_unless_empty(tables.scope(shape.scope).second); break;
        case Column::kScopeNameId:
            sqlite3_result_int64(context, text_of(tables.scope(shape.scope).first));
            break;
        case Column::kUnfinished: put_flag(RowFlag::kUnfinished); break;
        case Column::kEndLost: put_flag(RowFlag::kEndLost); break;
        case Column::kTruncated: put_flag(RowFlag::kTruncated); break;
        case Column::kFlags: sqlite3_result_int(context, shape.trace_flags); break;
        default: return put_detail(context, which, position);
    }
    return {};
}

Result<void> BatchRows::put_ids(sqlite3_context* context, Column column, std::uint32_t row) {
    const unsigned wanted = column == Column::kTraceId  ? Part::kTraces
                            : column == Column::kSpanId ? Part::kSpans
                                                        : Part::kSpans | Part::kParents;
    if ((loaded_ & wanted) != wanted) {
        if (auto done = batch_.load(wanted); !done) return done;
        loaded_ |= wanted;
    }
    if (column == Column::kTraceId) {
        const bool short_id = (batch_.shape_of(row).flags & RowFlag::kTraceId64) != 0;
        put_copy(context, to_hex(batch_.trace_id(batch_.traces()[trace_of(row)]), short_id));
        return {};
    }
    Row ids = batch_.shape_of(row);
    if (column == Column::kSpanId) {
        ids.span = batch_.spans()[row];
        put_copy(context, to_hex(batch_.tables().span_id(ids)));
        return {};
    }
    ids.parent = batch_.parents()[row];
    if (const SpanId parent = batch_.tables().parent_id(ids); parent.valid())
        put_copy(context, to_hex(parent));
    return {};
}

/// Traces stand in the order of their rows.
std::uint32_t BatchRows::trace_of(std::uint32_t row) {
    const auto traces = batch_.traces();
    const auto holds = [&](const codec::TraceRows& trace) {
        return row >= trace.first && row - trace.first < trace.count;
    };
    if (!holds(traces[last_trace_])) {
        if (last_trace_ + 1 < traces.size() && holds(traces[last_trace_ + 1])) {
            ++last_trace_;
        } else {
            const auto behind = std::ranges::upper_bound(traces, row, {}, &codec::TraceRows::first);
            last_trace_ = static_cast<std::uint32_t>(behind - traces.begin() - 1);
        }
    }
    return last_trace_;
}

Result<void> BatchRows::put_time(sqlite3_context* context, Column column, std::uint32_t row) {
    const unsigned wanted = column == Column::kStart      ? Part::kStarts
                            : column == Column::kDuration ? Part::kDurations
                                                          : Part::kStarts | Part::kDurations;
    if ((loaded_ & wanted) != wanted) {
        if (auto done = batch_.load(wanted); !done) return done;
        loaded_ |= wanted;
    }
    const std::uint32_t flags = batch_.shape_of(row).flags;
    const bool has_start = (flags & RowFlag::kHasStart) != 0;
    const bool has_duration = (flags & RowFlag::kHasDuration) != 0;
    if (column == Column::kStart && has_start) {
        sqlite3_result_int64(context, batch_.starts()[row]);
    } else if (column == Column::kDuration && has_duration) {
        sqlite3_result_int64(context, batch_.durations()[row]);
    } else if (column == Column::kEnd && has_start && has_duration) {
        std::int64_t end = 0;
        if (!__builtin_add_overflow(batch_.starts()[row], batch_.durations()[row], &end))
            sqlite3_result_int64(context, end);
    }
    return {};
}

Result<std::int64_t> BatchRows::start_ns(std::size_t position) {
    constexpr unsigned kWanted = Part::kShapes | Part::kStarts;
    if (auto done = batch_.load(kWanted); !done) return std::move(done).error();
    const std::uint32_t row = rows_[position];
    return (batch_.shape_of(row).flags & RowFlag::kHasStart) != 0
               ? batch_.starts()[row]
               : std::numeric_limits<std::int64_t>::min();
}

Result<const codec::Span*> BatchRows::span_at(std::size_t position) {
    if (!details_) {
        auto all = batch_.rows(rows_);
        if (!all) return std::move(all).error();
        details_ = std::move(*all);
    }
    if (!span_ || span_position_ != position) {
        auto span = details_->span(position);
        if (!span) return std::move(span).error();
        span_ = std::move(*span);
        span_position_ = position;
    }
    return &*span_;
}

Result<void> BatchRows::put_detail(sqlite3_context* context, Column column, std::size_t position) {
    const auto got = span_at(position);
    if (!got) return got.error();
    const codec::Span& span = **got;
    switch (column) {
        case Column::kStatusMessage: put_copy_unless_empty(context, span.status_message); break;
        case Column::kTraceState: put_copy_unless_empty(context, span.trace_state); break;
        case Column::kDroppedAttributes:
            sqlite3_result_int64(context, span.dropped.attributes);
            break;
        case Column::kDroppedEvents: sqlite3_result_int64(context, span.dropped.events); break;
        case Column::kDroppedLinks: sqlite3_result_int64(context, span.dropped.links); break;
        case Column::kAttributes: put_copy(context, to_json(span.attributes)); break;
        case Column::kResource: put_copy(context, to_json(codec::resource_of(span))); break;
        case Column::kEvents: put_copy(context, to_json(span.events)); break;
        case Column::kLinks: put_copy(context, to_json(span.links)); break;
        default: break;
    }
    return {};
}

Result<void> BatchRows::put_attribute(sqlite3_context* context, const std::string& key, int column,
                                      std::uint32_t row) {
    auto found = attributes_.find(column);
    if (found == attributes_.end()) {
        auto loaded = store::AttributeColumn::load(batch_, store::Scope::kAny, key);
        if (!loaded) return std::move(loaded).error();
        found = attributes_.emplace(column, std::move(*loaded)).first;
    }
    const auto value = found->second.of(row);
    if (!value) return value.error();
    put_value(context, *value);
    return {};
}

void BatchRows::put_text(sqlite3_context* context, std::uint32_t number) {
    const std::string& text = texts_.text(number);
    sqlite3_result_text64(context, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

std::uint32_t BatchRows::text_of(codec::StringId id) {
    if (texts_of_.empty()) texts_of_.resize(batch_.tables().string_count());
    if (texts_of_[id] == 0) texts_of_[id] = 1 + texts_.number_of(batch_.tables().string(id));
    return texts_of_[id] - 1;
}

std::uint32_t BatchRows::service_of(codec::ResourceId id) {
    if (services_.empty())
        for (const std::string& name : store::services_of(batch_.tables()))
            services_.push_back(texts_.number_of(name));
    return services_[id];
}

}  // namespace spanring::sql
