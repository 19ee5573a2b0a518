// The common case in one loop: spans that begin and end on top of their stack, with attributes of
// the simple types. It does what begin(), end() and detail() do, and leaves to them whatever is
// otherwise.
#include <algorithm>
#include <cstring>

#include "assembler_impl.hpp"

namespace spanring::consumer {
namespace {

using codec::RowFlag;

std::uint64_t head_at(const std::byte* at) noexcept {
    std::uint64_t head;
    std::memcpy(&head, at, 8);
    return head;
}

/// Bytes of an attribute that is copied as it stands; 0: another record.
std::size_t plain_attribute_bytes(std::uint64_t head) noexcept {
    switch (head & 0xff) {
        case SPANRING_REC_ATTR_BOOL: return spanring_record_low(head) <= 1 ? 8 : 0;
        case SPANRING_REC_ATTR_INT:
        case SPANRING_REC_ATTR_DOUBLE: return 16;
        case SPANRING_REC_ATTR_STRING: {
            const std::size_t bytes = spanring_record_low(head);
            return bytes <= SPANRING_SPAN_BYTES_MAX ? 8 + ((bytes + 7) & ~std::size_t{7}) : 0;
        }
        default: return 0;
    }
}

}  // namespace

// Returns where the first record stands that is otherwise; everything before it is done.
const std::byte* Assembler::Impl::plain(Page& page, const std::byte* at, const std::byte* end_at) {
    if (page.stream.for_key.value != 0) return at;
    while (end_at - at >= 8) {
        const std::uint64_t head = head_at(at);
        std::size_t bytes = 0;
        switch (head & 0xff) {
            case SPANRING_REC_BEGIN: bytes = plain_begin(page, head) ? 8 : 0; break;
            case SPANRING_REC_END: bytes = plain_end(page, head) ? 8 : 0; break;
            default: bytes = plain_detail(page, head, at, end_at); break;
        }
        if (bytes == 0) break;
        at += bytes;
    }
    return at;
}

bool Assembler::Impl::plain_begin(Page& page, std::uint64_t head) {
    Stream& s = page.stream;
    const std::size_t depth = s.stack.size();
    const std::uint64_t ordinal = s.next_ordinal;
    if (spanring_record_id(head) == SPANRING_ID_INLINE || ordinal > SpanKey::kOrdinalMask ||
        !room_on_stack(s)) {
        return false;
    }
    Open& open = s.stack.emplace_back();
    make_child(open, depth != 0 ? &s.stack[depth - 1] : nullptr, SpanKey::of(page.number, ordinal));
    s.next_ordinal = ordinal + 1;
    open.name = spanring_record_id(head);
    open.start_mono_ns = mono_at(page, spanring_record_low(head));
    open.start_ns = open.start_mono_ns + clock_.real_offset_ns();
    ++open_count_;
    ++counts.tracepoints;
    return true;
}

// Returns the record's bytes, or 0.
std::size_t Assembler::Impl::plain_detail(Page& page, std::uint64_t head, const std::byte* at,
                                          const std::byte* end_at) {
    const std::size_t bytes = plain_attribute_bytes(head);
    Stream& s = page.stream;
    if (bytes == 0 || bytes > static_cast<std::size_t>(end_at - at) || s.stack.empty() ||
        s.import != nullptr || spanring_record_id(head) == SPANRING_ID_INLINE) {
        return 0;
    }
    Open& open = s.stack.back();
    if (open.entry != Open::Kind::kSpan) return 0;
    if ((head & 0xff) == SPANRING_REC_ATTR_STRING) {
        // More of it may follow.
        const std::byte* const next = at + bytes;
        if (next == end_at || (head_at(next) & 0xff) == SPANRING_REC_CONTINUE) return 0;
    }
    auto& details = details_of(open);
    if (details.size() + bytes > limits_.span_details_bytes_max) return 0;
    details.insert(details.end(), at, at + bytes);
    details_held_ += bytes;
    s.payload = {};
    open.flags |= Open::kDirty;  // of a stream that is known as changed
    ++counts.tracepoints;
    return bytes;
}

bool Assembler::Impl::plain_end(Page& page, std::uint64_t head) {
    Stream& s = page.stream;
    if (s.stack.empty()) return false;
    Open& open = s.stack.back();
    constexpr std::uint32_t kOtherwise =
        Open::kTruncated | Open::kStateInside | Open::kMessage | Open::kClosedEarly;
    if (open.entry != Open::Kind::kSpan || (open.mark & 0xffffff) != spanring_record_id(head) ||
        open.name == SPANRING_ID_INLINE || open.scope_name != SPANRING_ID_NONE ||
        open.trace.trace_state != 0 || (open.flags & kOtherwise) != 0) {
        return false;
    }
    codec::Batch& batch = page.sink.batch();
    names_.enter(page.sink.epoch());
    codec::StringId name = 0;
    if (names_.instance == 0 || !names_.resource || !names_.known(open.name, &name)) return false;
    const std::size_t details_offset = batch.details.size();
    if (open.details != kNoDetails) {
        if (!plain_translate(pool_[open.details], batch)) return false;
        free_details(open);
    }
    const std::int64_t mono = mono_at(page, spanring_record_low(head));
    codec::Row& row = batch.rows.emplace_back();
    row.trace_high = open.trace.high;
    row.trace_low = open.trace.low;
    row.span = open.key.value;
    row.parent = open.parent;
    row.start_ns = open.start_ns;
    row.duration_ns = std::max<std::int64_t>(0, mono - open.start_mono_ns);
    row.details_offset = details_offset;
    row.details_bytes = static_cast<std::uint32_t>(batch.details.size() - details_offset);
    row.flags = open.trace.row_flags | RowFlag::kHasStart | RowFlag::kHasDuration |
                RowFlag::kNativeSpan |
                (open.has(Open::kParentNative) ? RowFlag::kNativeParent : 0u);
    row.name = name;
    row.resource = *names_.resource;
    row.instance = names_.instance;
    row.kind = open.kind;
    row.status = open.status;
    row.trace_flags = open.w3c_flags;
    page.sink.count_row();
    s.stack.pop_back();
    --open_count_;
    ++counts.rows;
    ++counts.tracepoints;
    return true;
}

// Puts plain attributes whose keys the batch has already; else nothing.
bool Assembler::Impl::plain_translate(std::span<const std::byte> records,
                                      codec::Batch& batch) const {
    const std::size_t before = batch.details.size();
    batch.details.insert(batch.details.end(), records.begin(), records.end());
    for (std::size_t at = before; at < batch.details.size();) {
        const std::uint64_t head = head_at(batch.details.data() + at);
        const std::size_t bytes = plain_attribute_bytes(head);
        codec::StringId key = 0;
        if (bytes == 0 || bytes > batch.details.size() - at ||
            !names_.known(spanring_record_id(head), &key)) {
            batch.details.resize(before);
            return false;
        }
        const std::uint64_t translated = spanring_record_head(
            static_cast<std::uint32_t>(head & 0xff), key, spanring_record_low(head));
        std::memcpy(batch.details.data() + at, &translated, 8);
        at += bytes;
    }
    return true;
}

}  // namespace spanring::consumer
