// Detail records: attributes, events, links and what else belongs to a span, kept in the form of
// the ring until the span ends.
#include <algorithm>
#include <cstring>

#include "assembler_impl.hpp"
#include "carry_over.hpp"
#include "spanring/codec/details.hpp"

namespace spanring::consumer {
namespace {

/// As names_a_string, with those that become fields of the row.
bool takes_inline_name(std::uint32_t kind) noexcept {
    return codec::names_a_string(kind) || kind == SPANRING_REC_RENAME || kind == SPANRING_REC_SCOPE;
}

bool is_item(std::uint32_t kind) noexcept {
    return kind == SPANRING_REC_EVENT_AT || kind == SPANRING_REC_LINK ||
           kind == SPANRING_REC_LINK_LOCAL;
}

bool same_records(const Place& a, const Place& b) noexcept {
    return a.in == b.in && a.key == b.key && a.serial == b.serial;
}

/// The fixed part of record `r` with another head.
void put_again(std::vector<std::byte>& out, const Record& r) {
    put_record(out, r.head, r.body, r.bytes - 8);
}

}  // namespace

void Assembler::Impl::touch(Open& open) {
    if (open.has(Open::kDirty)) return;
    open.flags |= Open::kDirty;
    if (open.has(Open::kDetached)) {
        changed_detached_.push_back(open.key);
    } else {
        stream_of(open.key.stream());
    }
}

std::vector<std::byte>& Assembler::Impl::details_of(Open& open) {
    if (open.details == kNoDetails) open.details = pool_.take();
    return pool_[open.details];
}

bool Assembler::Impl::room_for(Open* open, std::size_t held, std::size_t more) {
    if (held + more <= limits_.span_details_bytes_max) return true;
    if (open != nullptr && !open->has(Open::kTruncated)) {
        open->flags |= Open::kTruncated;
        ++counts.spans_truncated;
    }
    return false;
}

bool Assembler::Impl::append_inline_name(std::vector<std::byte>& out, Stream& stream,
                                         std::uint32_t id) {
    if (id != SPANRING_ID_INLINE) return true;
    if (!stream.has_name) return malformed("an inline string that did not come");
    stream.has_name = false;
    put_record(
        out,
        spanring_record_head(SPANRING_REC_NAME, 0, static_cast<std::uint32_t>(stream.name.size())),
        stream.name.data(), stream.name.size());
    return true;
}

bool Assembler::Impl::detail(Page& page, const Record& r) {
    Stream& s = page.stream;
    const SpanKey for_key = std::exchange(s.for_key, SpanKey{});
    if (r.target == SPANRING_TARGET_ITEM) return detail_of_item(s, r);
    if (r.target == SPANRING_TARGET_RESOURCE) return detail_of_resource(s, r);
    if (s.import) {
        return apply_detail(s.import->open, r, &s, Place::at(Place::In::kImport));
    }
    if (for_key.value != 0) {
        if (s.for_ordered) return defer_detail(s, r, for_key);
        if (Open* open = find(for_key)) {
            return apply_detail(*open, r, &s, Place::of_span(for_key));
        }
    } else if (!s.stack.empty()) {
        Open& top = s.stack.back();
        if (top.entry == Open::Kind::kSpan) {
            return apply_detail(top, r, &s, Place::of_span(top.key));
        }
        if (top.entry == Open::Kind::kContext && r.kind == SPANRING_REC_TRACESTATE) {
            scratch_.clear();
            put_again(scratch_, r);
            top.trace.trace_state = trace_state_number(scratch_);
            return true;
        }
    }
    // There is nothing that it could belong to, or its begin was lost; its item has no place
    // either.
    s.has_name = false;
    s.item = {};
    s.payload = {};
    return true;
}

bool Assembler::Impl::apply_detail(Open& open, const Record& r, Stream* stream, Place where) {
    switch (r.kind) {
        case SPANRING_REC_KIND:
            if (r.id > SPANRING_KIND_CONSUMER) return malformed("an unknown span kind");
            open.kind = static_cast<std::uint8_t>(r.id);
            break;
        case SPANRING_REC_STATUS:
            if (r.id > SPANRING_STATUS_ERROR) return malformed("an unknown status");
            open.status = static_cast<std::uint8_t>(r.id);
            open.flags &= ~Open::kMessage;
            // An older message in what was exported must not outlive the status that replaces it.
            if (open.has(Open::kExported)) open.flags |= Open::kRewritten;
            if (r.low == 0) break;
            open.flags |= Open::kMessage;
            return append(open, r, stream, where);
        case SPANRING_REC_RENAME:
            open.name = r.id;
            if (r.id != SPANRING_ID_INLINE) break;
            return append(open, r, stream, where);
        case SPANRING_REC_SCOPE:
            open.scope_name = r.id;
            open.scope_version = r.low;
            if (r.id != SPANRING_ID_INLINE) break;
            return append(open, r, stream, where);
        case SPANRING_REC_FLAGS: open.w3c_flags = static_cast<std::uint16_t>(r.low); break;
        case SPANRING_REC_TRACESTATE:
            open.flags |= Open::kStateInside;
            return append(open, r, stream, where);
        case SPANRING_REC_LINK_LOCAL:
        case SPANRING_REC_LINK:
        case SPANRING_REC_EVENT_AT:
        case SPANRING_REC_DROPPED: return append(open, r, stream, where);
        default:
            if (!codec::is_attribute(r.kind)) return malformed("an unknown detail");
            return append(open, r, stream, where);
    }
    if (where.in == Place::In::kSpan) touch(open);
    return true;
}

// Puts the record behind the span's others, and remembers it as the stream's item or as what a
// CONTINUE would extend.
bool Assembler::Impl::append(Open& open, const Record& r, Stream* stream, Place where) {
    auto& details = details_of(open);
    const std::size_t before = details.size();
    const bool is_inline = takes_inline_name(r.kind) && r.id == SPANRING_ID_INLINE;
    const std::size_t name_bytes = is_inline && stream != nullptr ? stream->name.size() + 16 : 0;
    if (!room_for(&open, before, r.bytes + name_bytes)) {
        if (stream != nullptr) {
            stream->item = is_item(r.kind) ? Place{} : stream->item;
            stream->payload = {};
            stream->has_name = false;
        }
        if (where.in == Place::In::kSpan) touch(open);
        return true;
    }
    if (is_inline && stream != nullptr && !append_inline_name(details, *stream, r.id)) return false;
    where.offset = static_cast<std::uint32_t>(details.size());
    put_again(details, r);
    details_held_ += details.size() - before;
    if (stream != nullptr) {
        stream->payload = spanring_record_has_payload(r.kind) != 0 ? where : Place{};
        if (is_item(r.kind)) {
            stream->item = where;
            stream->item.offset = static_cast<std::uint32_t>(details.size());
        }
    }
    if (where.in == Place::In::kSpan) touch(open);
    return true;
}

std::vector<std::byte>* Assembler::Impl::buffer_of(Stream& stream, const Place& place,
                                                   Open** open) {
    *open = nullptr;
    switch (place.in) {
        case Place::In::kSpan: *open = find(place.key); break;
        case Place::In::kImport: *open = stream.import ? &stream.import->open : nullptr; break;
        case Place::In::kResource: return stream.import ? &stream.import->resource : nullptr;
        case Place::In::kName: return &stream.name;
        case Place::In::kDeferred:
            for (auto* ops : {&fresh_, &ripe_}) {
                // Serials rise within each list.
                const auto op = std::lower_bound(
                    ops->begin(), ops->end(), place.serial,
                    [](const Deferred& d, std::uint64_t serial) { return d.serial < serial; });
                if (op != ops->end() && op->serial == place.serial) return &op->records;
            }
            return nullptr;
        case Place::In::kNowhere: return nullptr;
    }
    if (*open == nullptr || (*open)->details == kNoDetails) return nullptr;
    return &pool_[(*open)->details];
}

// Inserts within the records of `place`, and moves what other streams remember of them.
void Assembler::Impl::insert(Place place, std::vector<std::byte>& buffer, std::uint32_t at,
                             const std::vector<std::byte>& bytes) {
    const bool at_end = at == buffer.size();
    buffer.insert(buffer.begin() + at, bytes.begin(), bytes.end());
    details_held_ += bytes.size();
    if (at_end) return;
    for (Stream& stream : streams_) {
        // An item ends at its offset, a payload's record begins there.
        if (same_records(stream.item, place) && stream.item.offset > at) {
            stream.item.offset += static_cast<std::uint32_t>(bytes.size());
        }
        if (same_records(stream.payload, place) && stream.payload.offset >= at) {
            stream.payload.offset += static_cast<std::uint32_t>(bytes.size());
        }
    }
}

bool Assembler::Impl::detail_of_item(Stream& stream, const Record& r) {
    if (!codec::is_attribute(r.kind) && r.kind != SPANRING_REC_TRACESTATE) {
        return malformed("an item's detail that is no attribute");
    }
    Open* open = nullptr;
    auto* buffer = buffer_of(stream, stream.item, &open);
    scratch_.clear();
    const bool is_inline = takes_inline_name(r.kind) && r.id == SPANRING_ID_INLINE;
    if (is_inline && !append_inline_name(scratch_, stream, r.id)) return false;
    const auto name_bytes = static_cast<std::uint32_t>(scratch_.size());
    put_again(scratch_, r);
    stream.payload = {};
    if (buffer == nullptr || stream.item.offset > buffer->size()) return true;  // its span is gone
    if (!room_for(open, buffer->size(), scratch_.size())) {
        if (open != nullptr && stream.item.in == Place::In::kSpan) touch(*open);
        return true;
    }
    const std::uint32_t at = stream.item.offset;
    if (open != nullptr && at < open->exported_bytes) open->flags |= Open::kRewritten;
    insert(stream.item, *buffer, at, scratch_);
    stream.item.offset = at + static_cast<std::uint32_t>(scratch_.size());
    if (spanring_record_has_payload(r.kind) != 0) {
        stream.payload = stream.item;
        stream.payload.offset = at + name_bytes;
    }
    if (open != nullptr && stream.item.in == Place::In::kSpan) touch(*open);
    return true;
}

bool Assembler::Impl::detail_of_resource(Stream& stream, const Record& r) {
    if (!codec::is_attribute(r.kind)) return malformed("a resource's detail that is no attribute");
    stream.payload = {};
    if (!stream.import) {
        stream.has_name = false;
        return true;  // the begin of its import was lost
    }
    auto& resource = stream.import->resource;
    const std::size_t before = resource.size();
    if (!room_for(&stream.import->open, before, r.bytes + stream.name.size() + 16)) {
        stream.has_name = false;
        return true;
    }
    if (!append_inline_name(resource, stream, r.id)) return false;
    if (spanring_record_has_payload(r.kind) != 0) {
        stream.payload =
            Place::at(Place::In::kResource, static_cast<std::uint32_t>(resource.size()));
    }
    // In a batch, a resource is plain attribute records.
    put_record(resource, spanring_record_head(r.kind, r.id, r.low), r.body, r.bytes - 8);
    details_held_ += resource.size() - before;
    return true;
}

bool Assembler::Impl::continuation(Stream& stream, const Record& r) {
    if (stream.payload.in == Place::In::kName) {
        if (stream.name.size() + r.low > limits_.inline_string_bytes_max) {
            return malformed("an inline string too long");
        }
        stream.name.insert(stream.name.end(), r.body, r.body + r.low);
        return true;
    }
    Open* open = nullptr;
    auto* buffer = buffer_of(stream, stream.payload, &open);
    const std::uint32_t offset = stream.payload.offset;
    if (buffer == nullptr || offset + 8 > buffer->size()) return true;
    std::uint64_t head;
    std::memcpy(&head, buffer->data() + offset, 8);
    const std::uint32_t old_low = spanring_record_low(head);
    if (!room_for(open, buffer->size(), r.low + 8)) {
        stream.payload = {};
        if (open != nullptr && !open->has(Open::kDirty) && open->key.value != 0) touch(*open);
        return true;
    }
    // The old padding is filled first; what does not fit is inserted, padded anew.
    const std::uint32_t padded = (old_low + 7u) & ~7u;
    const std::uint32_t grown = (old_low + r.low + 7u) & ~7u;
    scratch_.assign(grown - padded, std::byte{0});
    if (open != nullptr && offset < open->exported_bytes) open->flags |= Open::kRewritten;
    if (!scratch_.empty()) insert(stream.payload, *buffer, offset + 8 + padded, scratch_);
    std::memcpy(buffer->data() + offset + 8 + old_low, r.body, r.low);
    head =
        spanring_record_head(spanring_record_kind(head), spanring_record_id(head), old_low + r.low);
    std::memcpy(buffer->data() + offset, &head, 8);
    // The item ends behind its last record, which this may have been.
    const bool same = same_records(stream.item, stream.payload);
    if (same && stream.item.offset == offset + 8 + padded) stream.item.offset += grown - padded;
    if (open != nullptr && stream.payload.in == Place::In::kSpan) touch(*open);
    return true;
}

bool Assembler::Impl::defer_detail(Stream& stream, const Record& r, SpanKey key) {
    if (!takes_inline_name(r.kind) && !is_item(r.kind) && r.kind != SPANRING_REC_KIND &&
        r.kind != SPANRING_REC_STATUS && r.kind != SPANRING_REC_FLAGS &&
        r.kind != SPANRING_REC_TRACESTATE && r.kind != SPANRING_REC_DROPPED) {
        return malformed("an unknown detail");
    }
    Deferred& op = defer(Deferred::What::kDetails, key, stream.for_mono_ns);
    if (takes_inline_name(r.kind) && !append_inline_name(op.records, stream, r.id)) return false;
    const Place place{
        Place::In::kDeferred, {}, op.serial, static_cast<std::uint32_t>(op.records.size())};
    put_again(op.records, r);
    details_held_ += op.records.size();
    stream.payload = spanring_record_has_payload(r.kind) != 0 ? place : Place{};
    if (is_item(r.kind)) {
        stream.item = place;
        stream.item.offset = static_cast<std::uint32_t>(op.records.size());
    }
    return true;
}

// The records of an operation that was held back; an item's details among them follow their item.
bool Assembler::Impl::apply_deferred_details(Open& open, const Deferred& op) {
    Stream stand_in;
    stand_in.item = Place::of_span(open.key);
    const std::byte* at = op.records.data();
    const std::byte* const end_at = at + op.records.size();
    Record r;
    const SpanKey key = open.key;
    while (at != end_at) {
        if (!read_record(at, end_at, &r)) return malformed("held-back records");
        at += r.bytes;
        bool good = true;
        if (r.kind == SPANRING_REC_NAME) {
            good = name(stand_in, r);
        } else if (r.target == SPANRING_TARGET_ITEM) {
            good = detail_of_item(stand_in, r);
        } else {
            good = apply_detail(open, r, &stand_in, Place::of_span(key));
        }
        if (!good) return false;
    }
    // A tracepoint that is not finished goes on where its records are now.
    for (Stream& stream : streams_) {
        if (stream.item.in == Place::In::kDeferred && stream.item.serial == op.serial) {
            stream.item = stand_in.item;
        }
        if (stream.payload.in == Place::In::kDeferred && stream.payload.serial == op.serial) {
            stream.payload = stand_in.payload;
        }
    }
    return true;
}

}  // namespace spanring::consumer
