// Rows: a span that has ended, or is still open, in the form of a batch.
#include <algorithm>
#include <cstring>

#include "assembler_impl.hpp"
#include "carry_over.hpp"
#include "spanring/codec/details.hpp"

namespace spanring::consumer {
namespace {

using codec::RowFlag;

/// Whether bools are that, alone or in an array.
bool bools_are_valid(const Record& r) noexcept {
    if (r.kind == SPANRING_REC_ATTR_BOOL) return r.low <= 1;
    return r.kind != SPANRING_REC_ATTR_BOOL_ARRAY ||
           std::all_of(r.body, r.body + r.low, [](std::byte b) { return b <= std::byte{1}; });
}

/// Bytes of the whole elements, if it is an array: its rest may not have come yet, or never will,
/// if there was no room for it.
std::uint32_t whole_elements(const Record& r) noexcept {
    switch (r.kind) {
        case SPANRING_REC_ATTR_INT_ARRAY:
        case SPANRING_REC_ATTR_DOUBLE_ARRAY: return r.low & ~7u;
        case SPANRING_REC_ATTR_STRING_ARRAY: {
            std::uint32_t at = 0;
            while (r.low - at >= 4) {
                std::uint32_t bytes = 0;
                std::memcpy(&bytes, r.body + at, 4);
                if (bytes > r.low - at - 4) break;
                at += 4 + bytes;
            }
            return at;
        }
        default: return r.low;
    }
}

/// Returns where the last STATUS record stands.
const std::byte* last_status(std::span<const std::byte> records) noexcept {
    const std::byte* at = records.data();
    const std::byte* found = nullptr;
    Record r;
    while (read_record(at, records.data() + records.size(), &r)) {
        if (r.kind == SPANRING_REC_STATUS) found = at;
        at += r.bytes;
    }
    return found;
}

std::string_view text_of(const Record& r) noexcept {
    return {reinterpret_cast<const char*>(r.body), r.low};
}

}  // namespace

void Assembler::Impl::free_details(Open& open) {
    if (open.details == kNoDetails) return;
    details_held_ -= std::min(details_held_, pool_[open.details].size());
    pool_.give(open.details);
    open.details = kNoDetails;
}

bool Assembler::Impl::finish(Open& open, std::int64_t duration_ns, std::uint32_t row_flags,
                             RowSink& sink) {
    if ((row_flags & (RowFlag::kEndLost | RowFlag::kUnfinished)) == 0) {
        row_flags |= RowFlag::kHasDuration;
    }
    const bool good = emit(open, duration_ns, row_flags, sink, names_, 0);
    ++counts.rows;
    free_details(open);
    --open_count_;
    return good;
}

bool Assembler::Impl::fill_names(const Open& open, codec::Batch& batch, NameMap& names,
                                 codec::Row& row) {
    bool good = true;
    if (open.name != SPANRING_ID_INLINE) good = names.name(open.name, batch, strings_, &row.name);
    if (open.scope_name != SPANRING_ID_NONE && open.scope_name != SPANRING_ID_INLINE) {
        codec::StringId scope = 0;
        codec::StringId version = 0;
        good = good && names.name(open.scope_name, batch, strings_, &scope);
        if (open.scope_version != SPANRING_ID_INLINE) {
            good = good && names.name(open.scope_version, batch, strings_, &version);
        }
        row.scope = batch.intern_scope(scope, version);
    }
    return good || malformed("a string that was never written");
}

bool Assembler::Impl::emit(const Open& open, std::int64_t duration_ns, std::uint32_t row_flags,
                           RowSink& sink, NameMap& names, std::size_t details_from) {
    codec::Batch& batch = sink.batch();
    names.enter(sink.epoch());
    if (names.instance == 0) names.instance = batch.intern_instance(instance_);
    codec::Row row;
    row.trace_high = open.trace.high;
    row.trace_low = open.trace.low;
    row.span = open.key.value;
    row.parent = open.parent;
    row.start_ns = open.start_ns;
    row.duration_ns = duration_ns;
    row.flags = row_flags | open.trace.row_flags | RowFlag::kHasStart | RowFlag::kNativeSpan;
    if (open.has(Open::kParentNative)) row.flags |= RowFlag::kNativeParent;
    if (open.has(Open::kTruncated)) row.flags |= RowFlag::kTruncated;
    row.instance = names.instance;
    row.kind = open.kind;
    row.status = open.status;
    row.trace_flags = open.w3c_flags;
    if (!names.resource) {
        codec::ResourceId id = 0;
        if (!put_resource(resource_, batch, names, &id)) return false;
        names.resource = id;
    }
    row.resource = *names.resource;
    if (!fill_names(open, batch, names, row)) return false;
    row.details_offset = batch.details.size();
    if (open.trace.trace_state != 0 && !open.has(Open::kStateInside) && details_from == 0) {
        put_trace_state(open, batch);
    }
    if (open.details != kNoDetails) {
        const std::span<const std::byte> records{pool_[open.details]};
        if (!translate(open, records.subspan(details_from), batch, names, row)) {
            batch.details.resize(row.details_offset);
            return false;
        }
    }
    row.details_bytes = static_cast<std::uint32_t>(batch.details.size() - row.details_offset);
    batch.rows.push_back(row);
    sink.count_rows(1);
    return true;
}

bool Assembler::Impl::emit_import(Import& import, RowSink& sink) {
    codec::Batch& batch = sink.batch();
    names_.enter(sink.epoch());
    const Open& open = import.open;
    codec::Row row;
    row.trace_high = open.trace.high;
    row.trace_low = open.trace.low;
    row.span = import.span;
    row.parent = open.parent;
    row.start_ns = open.start_ns;
    row.duration_ns = import.duration_ns;
    row.flags = import.row_flags | (open.has(Open::kTruncated) ? RowFlag::kTruncated : 0u);
    row.kind = open.kind;
    row.status = open.status;
    row.trace_flags = open.w3c_flags;
    if (import.resource.empty()) {
        if (!names_.resource) {
            codec::ResourceId id = 0;
            if (!put_resource(resource_, batch, names_, &id)) return false;
            names_.resource = id;
        }
        row.resource = *names_.resource;
    } else {
        std::string raw(reinterpret_cast<const char*>(import.resource.data()),
                        import.resource.size());
        const auto known = names_.imported_resources.find(raw);
        if (known != names_.imported_resources.end()) {
            row.resource = known->second;
        } else {
            if (!put_resource(import.resource, batch, names_, &row.resource)) return false;
            names_.imported_resources.emplace(std::move(raw), row.resource);
        }
    }
    if (!fill_names(open, batch, names_, row)) return false;
    row.details_offset = batch.details.size();
    if (open.details != kNoDetails && !translate(open, pool_[open.details], batch, names_, row)) {
        batch.details.resize(row.details_offset);
        return false;
    }
    row.details_bytes = static_cast<std::uint32_t>(batch.details.size() - row.details_offset);
    batch.rows.push_back(row);
    sink.count_rows(1);
    ++counts.rows;
    return true;
}

void Assembler::Impl::put_trace_state(const Open& open, codec::Batch& batch) {
    const std::string& text = trace_states_[open.trace.trace_state];
    put_record(
        batch.details,
        spanring_record_head(SPANRING_REC_TRACESTATE, 0, static_cast<std::uint32_t>(text.size())),
        text.data(), text.size());
}

void Assembler::Impl::put_link(const Record& r, codec::Batch& batch) {
    std::byte body[24];
    const TraceId trace =
        derive_trace_id(instance_.host_key, instance_.id.number(), SpanKey{r.word(1)});
    std::memcpy(body, trace.bytes.data(), 16);
    const SpanId span = derive_span_id(instance_.span_key, SpanKey{r.word(0)});
    std::memcpy(body + 16, span.bytes.data(), 8);
    put_record(batch.details, spanring_record_head(SPANRING_REC_LINK, 0, 0), body, sizeof body);
}

bool Assembler::Impl::translate(const Open& open, std::span<const std::byte> records,
                                codec::Batch& batch, NameMap& names, codec::Row& row) {
    const std::byte* at = records.data();
    const std::byte* const end_at = at + records.size();
    InlineNames inline_names;
    Record r;
    const std::byte* const message = open.has(Open::kMessage) ? last_status(records) : nullptr;
    while (at != end_at) {
        if (!read_record(at, end_at, &r)) return malformed("details that do not parse");
        const std::byte* const record_at = at;
        at += r.bytes;
        if (r.kind == SPANRING_REC_NAME) {
            (r.id == kVersionName ? inline_names.version : inline_names.name) =
                batch.intern(text_of(r));
        } else if (r.kind == SPANRING_REC_STATUS && record_at != message) {
            continue;  // replaced by a later status
        } else if (!translate_one(open, r, inline_names, batch, names, row)) {
            return false;
        }
    }
    return true;
}

bool Assembler::Impl::translate_one(const Open& open, const Record& r,
                                    const InlineNames& inline_names, codec::Batch& batch,
                                    NameMap& names, codec::Row& row) {
    codec::StringId id = r.id;
    if (codec::names_a_string(r.kind)) {
        if (r.id == SPANRING_ID_INLINE) {
            id = inline_names.name;
        } else if (!names.name(r.id, batch, strings_, &id)) {
            return malformed("a string that was never written");
        }
        if (!bools_are_valid(r)) return malformed("an attribute whose value is none");
    }
    switch (r.kind) {
        case SPANRING_REC_RENAME:
            // A later name that was not inline stands in the span.
            if (open.name == SPANRING_ID_INLINE) row.name = inline_names.name;
            return true;
        case SPANRING_REC_SCOPE: {
            if (open.scope_name != SPANRING_ID_INLINE) return true;
            codec::StringId version = inline_names.version;
            if (r.low != SPANRING_ID_INLINE && !names.name(r.low, batch, strings_, &version)) {
                return malformed("a string that was never written");
            }
            row.scope = batch.intern_scope(inline_names.name, version);
            return true;
        }
        case SPANRING_REC_LINK_LOCAL: put_link(r, batch); return true;
        default: break;
    }
    std::uint32_t low = r.low;
    if ((row.flags & RowFlag::kStartOffset) == 0) {
        // Nothing more comes. What is carried over stays as it is: the rest goes on behind it.
        low = whole_elements(r);
        if (low != r.low) row.flags |= RowFlag::kTruncated;
    }
    const std::size_t used =
        spanring_record_has_payload(r.kind) != 0 ? low : std::size_t{r.bytes} - 8;
    put_record(batch.details, spanring_record_head(r.kind | r.target, id, low), r.body, used);
    return true;
}

bool Assembler::Impl::put_resource(std::span<const std::byte> records, codec::Batch& batch,
                                   NameMap& names, codec::ResourceId* id) {
    if (records.empty()) {
        *id = 0;
        return true;
    }
    const std::size_t before = batch.details.size();
    const Open nobody;
    codec::Row row;
    const bool good = translate(nobody, records, batch, names, row);
    if (good) *id = batch.intern_resource(std::span(batch.details).subspan(before));
    batch.details.resize(before);
    return good;
}

}  // namespace spanring::consumer
