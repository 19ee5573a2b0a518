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

/// What `make` returns is constructed where emplace_back puts it, instead of being copied there.
template <typename Make>
struct InPlace {
    Make make;
    operator codec::Row() const { return make(); }  // implicit: that is its use
};
template <typename Make>
InPlace(Make) -> InPlace<Make>;

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

/// A span that is whole: its begin, plain attributes, its end.
struct Leaf {
    std::size_t details_bytes{0};
    std::uint32_t details{0};
};

bool read_leaf(const std::byte* at, const std::byte* end_at, std::uint64_t ordinal, Leaf* leaf) {
    if (end_at - at < 16 || (head_at(at) & 0xff) != SPANRING_REC_BEGIN ||
        ordinal > SpanKey::kOrdinalMask) {
        return false;
    }
    *leaf = {};
    const std::byte* const details = at + 8;
    for (at = details; end_at - at >= 8; ++leaf->details) {
        const std::uint64_t head = head_at(at);
        leaf->details_bytes = static_cast<std::size_t>(at - details);
        if ((head & 0xff) == SPANRING_REC_END) {
            return (ordinal & 0xffffff) == spanring_record_id(head);
        }
        const std::size_t bytes = plain_attribute_bytes(head);
        if (bytes == 0 || bytes > static_cast<std::size_t>(end_at - at)) return false;
        at += bytes;
    }
    return false;
}

std::uint32_t plain_row_flags(std::uint32_t trace_flags, bool native_parent) noexcept {
    return trace_flags | RowFlag::kHasStart | RowFlag::kHasDuration | RowFlag::kNativeSpan |
           (native_parent ? RowFlag::kNativeParent : 0u);
}

}  // namespace

// Returns where the first record stands that is otherwise; everything before it is done.
const std::byte* Assembler::Impl::plain(Page& page, const std::byte* at, const std::byte* end_at) {
    if (page.stream.for_key.value != 0) return at;
    while (end_at - at >= 8) {
        const std::uint64_t head = head_at(at);
        std::size_t bytes = 0;
        switch (head & 0xff) {
            case SPANRING_REC_BEGIN: {
                const std::byte* const behind = leaves(page, at, end_at);
                bytes = behind != at ? static_cast<std::size_t>(behind - at)
                                     : (plain_begin(page, head) ? 8 : 0);
                break;
            }
            case SPANRING_REC_END: bytes = plain_end(page, head) ? 8 : 0; break;
            default: bytes = plain_detail(page, head, at, end_at); break;
        }
        if (bytes == 0) break;
        at += bytes;
    }
    return at;
}

// Spans that get nothing but plain attributes and end before anything else happens on their thread:
// they never enter the stack, and what they share is looked up once. Returns where the first record
// stands that is otherwise.
const std::byte* Assembler::Impl::leaves(Page& page, const std::byte* at, const std::byte* end_at) {
    Stream& s = page.stream;
    std::uint64_t ordinal = s.next_ordinal;
    Leaf leaf;
    if (!read_leaf(at, end_at, ordinal, &leaf) || !room_on_stack(s)) return at;
    const Open* const top = s.stack.empty() ? nullptr : &s.stack.back();
    const Above above = above_of(top);
    const bool gets_state =
        above.trace.trace_state != 0 || (top != nullptr && top->has(Open::kStateInside));
    if (gets_state) return at;
    codec::Batch& batch = page.sink.batch();
    names_.enter(page.sink.epoch());
    if (names_.instance == 0 || !names_.resource) return at;
    const bool own_trace = begins_trace(above.trace);
    const std::uint64_t trace_high = own_trace ? instance_.id.number() : above.trace.high;
    const std::uint32_t flags = plain_row_flags(
        own_trace ? RowFlag::kNativeTrace : above.trace.row_flags, above.native_parent);
    const std::int64_t offset_ns = clock_.real_offset_ns();
    std::size_t count = 0;
    do {
        const std::uint64_t begin = head_at(at);
        const std::uint32_t begin_time = spanring_record_low(begin);
        const std::uint32_t end_time = spanring_record_low(head_at(at + 8 + leaf.details_bytes));
        const std::size_t details_offset = batch.details.size();
        codec::StringId name = 0;
        if (std::max(begin_time, end_time) >= page.near.end ||
            !names_.known(spanring_record_id(begin), &name) ||
            leaf.details_bytes > limits_.span_details_bytes_max ||
            (leaf.details != 0 && !plain_translate({at + 8, leaf.details_bytes}, batch))) {
            break;
        }
        const std::int64_t mono_ns = page.near.mono_at(begin_time);
        const std::uint64_t key = SpanKey::of(page.number, ordinal).value;
        batch.rows.emplace_back(InPlace{[&] {
            return codec::Row{
                .trace_high = trace_high,
                .trace_low = own_trace ? key : above.trace.low,
                .span = key,
                .parent = above.parent,
                .start_ns = mono_ns + offset_ns,
                .duration_ns = std::max<std::int64_t>(0, page.near.mono_at(end_time) - mono_ns),
                .details_offset = details_offset,
                .details_bytes = static_cast<std::uint32_t>(leaf.details_bytes),
                .flags = flags,
                .name = name,
                .resource = *names_.resource,
                .instance = names_.instance,
                .trace_flags = above.trace.w3c_flags};
        }});
        if (leaf.details != 0) s.payload = {};
        counts.tracepoints += 2 + leaf.details;
        at += 16 + leaf.details_bytes;
        ++ordinal;
        ++count;
    } while (page.sink.has_room() && read_leaf(at, end_at, ordinal, &leaf));
    s.next_ordinal = ordinal;
    page.sink.count_rows(count);
    counts.rows += count;
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
    const std::uint32_t flags =
        plain_row_flags(open.trace.row_flags, open.has(Open::kParentNative));
    batch.rows.emplace_back(InPlace{[&] {
        return codec::Row{
            .trace_high = open.trace.high,
            .trace_low = open.trace.low,
            .span = open.key.value,
            .parent = open.parent,
            .start_ns = open.start_ns,
            .duration_ns = std::max<std::int64_t>(0, mono - open.start_mono_ns),
            .details_offset = details_offset,
            .details_bytes = static_cast<std::uint32_t>(batch.details.size() - details_offset),
            .flags = flags,
            .name = name,
            .resource = *names_.resource,
            .instance = names_.instance,
            .kind = open.kind,
            .status = open.status,
            .trace_flags = open.w3c_flags};
    }});
    page.sink.count_rows(1);
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
