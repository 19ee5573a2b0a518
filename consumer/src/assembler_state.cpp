// Carry-over: what the next consumer must know of streams, open spans and held-back operations.
//
// The format is the assembler's own: a frame is read by the consumer of the same version, or by a
// later one, which knows older versions by their first byte.
#include <algorithm>
#include <cstring>

#include "assembler_impl.hpp"
#include "carry_over.hpp"

namespace spanring::consumer {
namespace {

using codec::RowFlag;

void write_trace(BytesWriter& out, const TraceRef& trace, const std::string& state) {
    out.word(trace.high);
    out.word(trace.low);
    out.number(trace.row_flags);
    out.number(trace.w3c_flags);
    out.bytes(std::as_bytes(std::span(state)));
}

std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

// Returns the number of a trace state: of the last TRACESTATE among these records.
std::uint32_t Assembler::Impl::trace_state_number(std::span<const std::byte> records) {
    const std::byte* at = records.data();
    const std::byte* const end_at = at + records.size();
    Record r;
    std::string text;
    while (at != end_at && read_record(at, end_at, &r)) {
        at += r.bytes;
        if (r.kind == SPANRING_REC_TRACESTATE && r.target == 0) text = text_of({r.body, r.low});
    }
    // W3C allows 512 characters and one state per trace: a table of 65,536 is a bound, not a need.
    if (text.empty() || text.size() > 4096) return 0;
    const auto known = trace_state_numbers_.find(text);
    if (known != trace_state_numbers_.end()) return known->second;
    if (trace_states_.size() >= 65536) return 0;
    const auto number = static_cast<std::uint32_t>(trace_states_.size());
    trace_states_.push_back(text);
    trace_state_numbers_.emplace(std::move(text), number);
    return number;
}

void Assembler::Impl::export_streams(bool whole, std::vector<store::StreamState>& out) {
    const auto one = [&](std::uint32_t number) {
        const Stream& stream = streams_[number];
        if (!stream.started && stream.stack.empty()) return;
        store::StreamState state;
        state.stream = number;
        state.next_ordinal = stream.next_ordinal;
        state.next_sequence = stream.sequence;
        write_stream(stream, state.state);
        out.push_back(std::move(state));
    };
    if (whole) {
        for (std::uint32_t i = 0; i < streams_.size(); ++i) one(i);
    } else {
        for (const std::uint32_t number : changed_streams_) one(number);
    }
    for (const std::uint32_t number : changed_streams_) streams_[number].changed = false;
    changed_streams_.clear();
}

void Assembler::Impl::write_entry(const Open& open, std::vector<std::byte>& bytes) const {
    BytesWriter out(bytes);
    out.number(static_cast<std::uint64_t>(open.entry));
    out.number(open.mark);
    if (open.entry == Open::Kind::kSpan) return;  // the rest stands in its row
    out.number(open.key.value);
    out.word(open.parent);
    out.number(open.flags & (Open::kParentNative | Open::kClosedEarly));
    write_trace(out, open.trace, trace_states_[open.trace.trace_state]);
}

void Assembler::Impl::write_stream(const Stream& stream, std::vector<std::byte>& bytes) const {
    BytesWriter out(bytes);
    out.number(kStateVersion);
    out.number(stream.started ? 1 : 0);
    out.word(stream.base_ticks);
    out.number(stream.for_key.value);
    out.number(stream.closed_up_to);
    out.number(stream.has_name || stream.payload.in == Place::In::kName ? 1 : 0);
    if (stream.has_name || stream.payload.in == Place::In::kName) {
        out.number(stream.has_name ? 1 : 0);
        out.bytes(stream.name);
    }
    write_place(out, stream.item);
    write_place(out, stream.payload);
    out.number(stream.stack.size());
    for (const Open& open : stream.stack) write_entry(open, bytes);
    out.number(stream.import ? 1 : 0);
    if (!stream.import) return;
    const Import& import = *stream.import;
    out.word(import.open.trace.high);
    out.word(import.open.trace.low);
    out.word(import.span);
    out.word(import.open.parent);
    out.word(static_cast<std::uint64_t>(import.open.start_ns));
    out.word(static_cast<std::uint64_t>(import.duration_ns));
    for (const std::uint32_t value :
         {import.row_flags, import.open.flags, import.open.name, import.open.scope_name,
          import.open.scope_version, std::uint32_t{import.open.kind},
          std::uint32_t{import.open.status}, std::uint32_t{import.open.w3c_flags}}) {
        out.number(value);
    }
    if (import.open.details == kNoDetails) {
        out.bytes({});
    } else {
        out.bytes(pool_[import.open.details]);
    }
    out.bytes(import.resource);
}

bool Assembler::Impl::export_one(Open& open, bool whole, RowSink& sink) {
    const bool append = !whole && open.has(Open::kExported) && !open.has(Open::kRewritten) &&
                        open.name != SPANRING_ID_INLINE && open.scope_name != SPANRING_ID_INLINE;
    // The duration will be that of the monotonic clock, whatever the wall clock does meanwhile.
    const std::int64_t offset = open.start_ns - open.start_mono_ns;
    std::uint32_t flags = RowFlag::kStartOffset | (append ? RowFlag::kAppend : 0u);
    if (open.has(Open::kPendingEnd)) flags |= RowFlag::kPendingEnd;
    const std::size_t from = append ? open.exported_bytes : 0;
    const bool good = emit(open, offset, flags, sink, open_names_, from);
    open.flags = (open.flags | Open::kExported) & ~(Open::kDirty | Open::kRewritten);
    open.exported_bytes =
        open.details == kNoDetails ? 0 : static_cast<std::uint32_t>(pool_[open.details].size());
    return good;
}

Result<void> Assembler::Impl::export_open(bool whole, RowSink& sink) {
    bool good = true;
    const auto stack = [&](Stream& stream) {
        for (Open& open : stream.stack) {
            if (open.entry != Open::Kind::kSpan) continue;
            if (whole || !open.has(Open::kExported) || open.has(Open::kDirty)) {
                good = export_one(open, whole, sink) && good;
            }
        }
    };
    if (whole) {
        for (Stream& stream : streams_) stack(stream);
        detached_.for_each([&](Open& open) { good = export_one(open, true, sink) && good; });
    } else {
        for (const std::uint32_t number : changed_streams_) stack(streams_[number]);
        for (const SpanKey key : changed_detached_) {
            Open* open = detached_.find(key.value);
            if (open != nullptr && open->has(Open::kDirty)) {
                good = export_one(*open, false, sink) && good;
            }
        }
    }
    changed_detached_.clear();
    return good ? Result<void>{} : corrupt();
}

void Assembler::Impl::export_deferred(std::vector<std::byte>& bytes) const {
    if (fresh_.empty() && ripe_.empty()) return;
    BytesWriter out(bytes);
    out.number(kStateVersion);
    out.number(next_serial_);
    for (const auto* ops : {&ripe_, &fresh_}) {
        out.number(ops->size());
        for (const Deferred& op : *ops) {
            out.number(static_cast<std::uint64_t>(op.what));
            out.number(op.key.value);
            out.word(static_cast<std::uint64_t>(op.mono_ns));
            out.number(op.serial);
            out.bytes(op.records);
        }
    }
}

}  // namespace spanring::consumer
