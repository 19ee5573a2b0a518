// Carry-over, the other way: what the last consumer knew becomes this one's knowledge.
#include <algorithm>
#include <cstring>

#include "assembler_impl.hpp"
#include "carry_over.hpp"
#include "spanring/codec/details.hpp"

namespace spanring::consumer {
namespace {

using codec::RowFlag;

void put_name(std::vector<std::byte>& out, std::string_view text) {
    put_record(out,
               spanring_record_head(SPANRING_REC_NAME, 0, static_cast<std::uint32_t>(text.size())),
               text.data(), text.size());
}

}  // namespace

TraceRef Assembler::Impl::read_trace(BytesReader& in) {
    TraceRef trace;
    trace.high = in.word();
    trace.low = in.word();
    trace.row_flags = static_cast<std::uint32_t>(in.number());
    trace.w3c_flags = static_cast<std::uint16_t>(in.number());
    const auto state = in.bytes();
    if (!state.empty()) {
        scratch_.clear();
        put_record(scratch_,
                   spanring_record_head(SPANRING_REC_TRACESTATE, 0,
                                        static_cast<std::uint32_t>(state.size())),
                   state.data(), state.size());
        trace.trace_state = trace_state_number(scratch_);
    }
    return trace;
}

// A row's strings are those of its batch: in the span they become inline ones.
Open Assembler::Impl::open_of_row(const codec::Batch& batch, const codec::Row& row) {
    Open open;
    open.key = SpanKey{row.span};
    open.mark = open.key.ordinal();
    open.parent = row.parent;
    if ((row.flags & RowFlag::kNativeParent) != 0) open.flags |= Open::kParentNative;
    if ((row.flags & RowFlag::kTruncated) != 0) open.flags |= Open::kTruncated;
    if ((row.flags & RowFlag::kPendingEnd) != 0) open.flags |= Open::kPendingEnd;
    open.trace = {.high = row.trace_high,
                  .low = row.trace_low,
                  .row_flags = row.flags & (RowFlag::kNativeTrace | RowFlag::kTraceId64),
                  .w3c_flags = row.trace_flags};
    open.w3c_flags = row.trace_flags;
    open.start_ns = row.start_ns;
    const bool told = (row.flags & RowFlag::kStartOffset) != 0;
    open.start_mono_ns = row.start_ns - (told ? row.duration_ns : clock_.real_offset_ns());
    open.kind = row.kind;
    open.status = row.status;
    open.flags |= Open::kExported;
    auto& details = details_of(open);
    if (row.name != 0) {
        open.name = SPANRING_ID_INLINE;
        put_name(details, batch.string(row.name));
        put_record(details, spanring_record_head(SPANRING_REC_RENAME, SPANRING_ID_INLINE, 0),
                   nullptr, 0);
    }
    if (row.scope != 0) put_scope(open, batch.scope(row.scope), batch);
    const auto records =
        std::span(batch.details)
            .subspan(static_cast<std::size_t>(row.details_offset), row.details_bytes);
    const std::byte* at = records.data();
    const std::byte* const end_at = at + records.size();
    Record r;
    while (at != end_at && read_record(at, end_at, &r)) {
        at += r.bytes;
        std::uint64_t head = r.head;
        if (codec::names_a_string(r.kind)) {
            put_name(details, batch.string(r.id));
            head = spanring_record_head(spanring_record_kind(head), SPANRING_ID_INLINE, r.low);
        }
        if (r.kind == SPANRING_REC_TRACESTATE && r.target == 0) open.flags |= Open::kStateInside;
        if (r.kind == SPANRING_REC_STATUS) open.flags |= Open::kMessage;
        put_record(details, head, r.body, r.bytes - 8);
    }
    details_held_ += details.size();
    open.exported_bytes = static_cast<std::uint32_t>(details.size());
    return open;
}

void Assembler::Impl::put_scope(Open& open, std::pair<codec::StringId, codec::StringId> scope,
                                const codec::Batch& batch) {
    auto& details = details_of(open);
    open.scope_name = SPANRING_ID_INLINE;
    put_name(details, batch.string(scope.first));
    if (scope.second != 0) {
        put_record(
            details,
            spanring_record_head(SPANRING_REC_NAME, kVersionName,
                                 static_cast<std::uint32_t>(batch.string(scope.second).size())),
            batch.string(scope.second).data(), batch.string(scope.second).size());
    }
    put_record(details,
               spanring_record_head(SPANRING_REC_SCOPE, SPANRING_ID_INLINE,
                                    scope.second != 0 ? SPANRING_ID_INLINE : 0),
               nullptr, 0);
}

bool Assembler::Impl::read_entry(BytesReader& in, std::uint32_t number, Open& open,
                                 FlatMap<Open>& rows) {
    const std::uint64_t kind = in.number();
    if (kind > static_cast<std::uint64_t>(Open::Kind::kContext)) return false;
    const std::uint64_t mark = in.number();
    if (kind == static_cast<std::uint64_t>(Open::Kind::kSpan)) {
        const SpanKey key = SpanKey::of(number, mark);
        Open* row = rows.find(key.value);
        if (row == nullptr) {
            // Its row could not be stored: it stays as the parent of what its thread begins.
            open.entry = Open::Kind::kLost;
            open.mark = mark;
            open.key = key;
            open.trace = {.high = instance_.id.number(),
                          .low = key.value,
                          .row_flags = RowFlag::kNativeTrace};
            return in.ok();
        }
        open = *row;
        rows.erase(key.value);
        return in.ok();
    }
    open.entry = static_cast<Open::Kind>(kind);
    open.mark = mark;
    open.key.value = in.number();
    open.parent = in.word();
    open.flags =
        static_cast<std::uint32_t>(in.number()) & (Open::kParentNative | Open::kClosedEarly);
    open.trace = read_trace(in);
    return in.ok();
}

bool Assembler::Impl::read_import(BytesReader& in, Stream& stream) {
    stream.import = std::make_unique<Import>();
    Import& import = *stream.import;
    import.open.trace.high = in.word();
    import.open.trace.low = in.word();
    import.span = in.word();
    import.open.parent = in.word();
    import.open.start_ns = static_cast<std::int64_t>(in.word());
    import.duration_ns = static_cast<std::int64_t>(in.word());
    import.row_flags = static_cast<std::uint32_t>(in.number());
    import.open.flags = static_cast<std::uint32_t>(in.number());
    import.open.name = static_cast<std::uint32_t>(in.number());
    import.open.scope_name = static_cast<std::uint32_t>(in.number());
    import.open.scope_version = static_cast<std::uint32_t>(in.number());
    import.open.kind = static_cast<std::uint8_t>(in.number());
    import.open.status = static_cast<std::uint8_t>(in.number());
    import.open.w3c_flags = static_cast<std::uint16_t>(in.number());
    const auto details = in.bytes();
    if (!details.empty()) {
        details_of(import.open).assign(details.begin(), details.end());
    }
    const auto resource = in.bytes();
    import.resource.assign(resource.begin(), resource.end());
    details_held_ += details.size() + resource.size();
    return in.ok();
}

bool Assembler::Impl::read_stream(std::uint32_t number, const store::StreamState& state,
                                  FlatMap<Open>& rows) {
    BytesReader in(state.state);
    const std::uint64_t version = in.number();
    if (!is_known_version(version)) return false;
    Stream& stream = streams_[number];
    stream.started = in.number() != 0;
    stream.sequence = state.next_sequence;
    stream.next_ordinal = state.next_ordinal;
    stream.base_ticks = in.word();
    stream.for_key.value = in.number();
    if (version >= 3) stream.closed_up_to = in.number();
    if (in.number() != 0) {
        stream.has_name = in.number() != 0;
        const auto text = in.bytes();
        stream.name.assign(text.begin(), text.end());
    }
    stream.item = read_place(in);
    stream.payload = read_place(in);
    const std::uint64_t depth = in.number();
    if (depth > limits_.stack_depth_max) return false;
    for (std::uint64_t i = 0; i < depth; ++i) {
        Open open;
        if (!read_entry(in, number, open, rows)) return false;
        stream.stack.push_back(open);
    }
    open_count_ += stream.stack.size();
    if (in.number() != 0 && !read_import(in, stream)) return false;
    return in.ok() && in.at_end();
}

bool Assembler::Impl::read_deferred(std::span<const std::byte> bytes) {
    if (bytes.empty()) return true;
    BytesReader in(bytes);
    if (!is_known_version(in.number())) return false;
    next_serial_ = in.number();
    // All of it was seen before the round that comes: it is due at its end.
    for (int list = 0; list < 2; ++list) {
        const std::uint64_t count = in.number();
        for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
            Deferred op;
            op.what = static_cast<Deferred::What>(in.number());
            op.key.value = in.number();
            op.mono_ns = static_cast<std::int64_t>(in.word());
            op.serial = in.number();
            const auto records = in.bytes();
            op.records.assign(records.begin(), records.end());
            details_held_ += records.size();
            if (op.what > Deferred::What::kLostEnd) return false;
            ripe_.push_back(std::move(op));
        }
    }
    return in.ok() && in.at_end();
}

// The records of restored spans stand elsewhere than they did. Who was in the middle of a
// tracepoint was at the end of them: his item is the last one, his payload the last with one.
void Assembler::Impl::settle_places(Stream& stream) {
    for (Place* place : {&stream.item, &stream.payload}) {
        if (place->in != Place::In::kSpan) continue;
        const Open* open = find(place->key);
        if (open == nullptr || open->details == kNoDetails) {
            *place = {};
            continue;
        }
        const auto& details = pool_[open->details];
        place->offset = static_cast<std::uint32_t>(details.size());
        if (place == &stream.item) continue;
        const std::byte* at = details.data();
        Record r;
        while (read_record(at, details.data() + details.size(), &r)) {
            if (r.kind != SPANRING_REC_NAME && spanring_record_has_payload(r.kind) != 0) {
                place->offset = static_cast<std::uint32_t>(at - details.data());
            }
            at += r.bytes;
        }
    }
}

Result<void> Assembler::Impl::restore(const std::vector<store::StreamState>& streams,
                                      const codec::Batch& open,
                                      std::span<const std::size_t> row_indices,
                                      std::span<const std::byte> deferred) {
    const Error bad{ErrorCode::kCorrupt, "the carried-over state is none that a consumer wrote"};
    FlatMap<Open> rows(instance_.id.number());
    for (const std::size_t index : row_indices) {
        if (index >= open.rows.size() || open.rows[index].span == 0) return bad;
        rows.insert(open.rows[index].span, open_of_row(open, open.rows[index]));
    }
    for (const auto& state : streams) {
        if (state.stream > 0xffff) return bad;
        if (state.stream >= streams_.size()) streams_.resize(state.stream + 1);
        if (!read_stream(state.stream, state, rows)) return bad;
    }
    // What stands on no stack is named by its key.
    rows.for_each([&](Open& row) {
        row.flags |= Open::kDetached;
        detached_.insert(row.key.value, row);
        ++open_count_;
    });
    for (Stream& stream : streams_) settle_places(stream);
    if (!read_deferred(deferred)) return bad;
    return {};
}

}  // namespace spanring::consumer
