#include "spanring/consumer/assembler.hpp"

#include <algorithm>
#include <cstring>

#include "assembler_impl.hpp"

namespace spanring::consumer {
namespace {

using codec::RowFlag;

/// Raw bytes of an id as the batch holds them.
std::uint64_t raw_word(const std::byte* at) noexcept {
    std::uint64_t value;
    std::memcpy(&value, at, 8);
    return value;
}

std::uint64_t seed_of(const codec::Instance& instance) noexcept {
    // The producer knows its own keys, but a collision harms only itself: what matters is that
    // plain patterns (ordinals in steps) spread.
    return instance.id.number() ^ 0x9e3779b97f4a7c15ull;
}

}  // namespace

Assembler::Impl::Impl(const codec::Instance& instance, const TickClock& clock,
                      StringSource& strings, const Limits& limits)
    : instance_(instance),
      clock_(clock),
      strings_(strings),
      limits_(limits),
      detached_(seed_of(instance)),
      trace_states_(1) {}

void Assembler::Impl::set_resource(std::span<const std::byte> records) {
    resource_.assign(records.begin(), records.end());
    names_.resource.reset();
    open_names_.resource.reset();
}

Result<void> Assembler::Impl::corrupt() const {
    return Error{ErrorCode::kCorrupt, std::string("malformed records: ") + breach_};
}

Stream& Assembler::Impl::stream_of(std::uint32_t number) {
    if (number >= streams_.size()) streams_.resize(number + 1);
    Stream& stream = streams_[number];
    if (!stream.changed) {
        stream.changed = true;
        changed_streams_.push_back(number);
    }
    return stream;
}

Result<void> Assembler::Impl::feed(const PageBytes& bytes, RowSink& sink) {
    if (bytes.records.empty()) return {};
    if (bytes.stream > 0xffff) {
        malformed("a stream number over 65535");
        return corrupt();
    }
    Page page{stream_of(bytes.stream), bytes.stream, sink};
    const std::byte* at = bytes.records.data();
    const std::byte* const end_at = at + bytes.records.size();
    if (bytes.from_start) {
        if (!begin_page(page, bytes, at, end_at)) return corrupt();
    } else if (!page.stream.started || page.stream.sequence != bytes.sequence) {
        malformed("a page goes on that never began");
        return corrupt();
    }
    set_base(page, page.stream.base_ticks);
    Record r;
    while ((at = plain(page, at, end_at)) != end_at) {
        if (!read_record(at, end_at, &r)) {
            malformed("a record of unknown kind or beyond what is committed");
            return corrupt();
        }
        at += r.bytes;
        if (!record(page, r)) return corrupt();
    }
    return keep_to_limits(sink) ? Result<void>{} : corrupt();
}

void Assembler::Impl::set_base(Page& page, std::uint64_t ticks) const noexcept {
    page.stream.base_ticks = ticks;
    page.piece = clock_.piece_at(ticks);
    page.near = clock_.near(ticks);
}

bool Assembler::Impl::record(Page& page, const Record& r) {
    if (r.target == 0) {
        switch (r.kind) {
            case SPANRING_REC_BEGIN: return begin(page, r, false);
            case SPANRING_REC_END: return end(page, r, false);
            default: break;
        }
    }
    if (r.kind >= SPANRING_REC_DETAIL_FIRST) {
        ++counts.tracepoints;
        return detail(page, r);
    }
    if (r.target != 0) return malformed("a target on a record that has none");
    return structure(page, r);
}

bool Assembler::Impl::structure(Page& page, const Record& r) {
    Stream& s = page.stream;
    switch (r.kind) {
        case SPANRING_REC_END_SHARED: return end(page, r, true);
        case SPANRING_REC_EVENT: return event(page, r);
        case SPANRING_REC_BEGIN_ASYNC: return begin(page, r, true);
        case SPANRING_REC_TIME_BASE: set_base(page, r.word(0)); return true;
        case SPANRING_REC_FOR:
            s.for_key = SpanKey{r.word(0)};
            s.for_ordered = r.id == SPANRING_FOR_ORDERED;
            s.for_mono_ns = s.for_ordered ? mono_at(page, r.low) : 0;
            return true;
        case SPANRING_REC_ATTACH_LOCAL:
        case SPANRING_REC_ATTACH_REMOTE:
        case SPANRING_REC_ATTACH_NONE: return attach(s, r);
        case SPANRING_REC_DETACH: return detach(s, r);
        case SPANRING_REC_NAME: return name(s, r);
        case SPANRING_REC_CONTINUE: return continuation(s, r);
        case SPANRING_REC_LOST_END:
            defer(Deferred::What::kLostEnd, SpanKey{r.word(0)}, 0);
            return true;
        case SPANRING_REC_IMPORT_BEGIN: return import_begin(page, r);
        case SPANRING_REC_IMPORT_END: return import_end(page);
        case SPANRING_REC_IMPORT_ABORT: drop_import(s); return true;
        case SPANRING_REC_SNAPSHOT:
        case SPANRING_REC_OPEN:
        case SPANRING_REC_OPEN_FOREIGN:
            return malformed("a snapshot that is not at a page's begin");
        default: return malformed("an unknown record");
    }
}

void Assembler::Impl::make_child(Open& open, const Open* top, SpanKey key) {
    open.key = key;
    open.mark = key.ordinal();
    const Above above = above_of(top);
    open.trace = above.trace;
    open.parent = above.parent;
    open.flags = above.native_parent ? Open::kParentNative : 0u;
    if (top != nullptr && top->entry != Open::Kind::kContext && top->has(Open::kStateInside) &&
        top->trace.trace_state == 0) {
        open.trace.trace_state = trace_state_number(pool_[top->details]);
    }
    if (begins_trace(open.trace)) {
        open.trace.high = instance_.id.number();
        open.trace.low = key.value;
        open.trace.row_flags = RowFlag::kNativeTrace;
    }
    open.w3c_flags = open.trace.w3c_flags;
}

Open Assembler::Impl::child_of(const Stream& stream, SpanKey key) {
    Open open;
    make_child(open, stream.stack.empty() ? nullptr : &stream.stack.back(), key);
    return open;
}

bool Assembler::Impl::begin(Page& page, const Record& r, bool async) {
    ++counts.tracepoints;
    Stream& s = page.stream;
    const std::uint64_t ordinal = s.next_ordinal;
    if (ordinal > SpanKey::kOrdinalMask) return malformed("more begins than ordinals");
    ++s.next_ordinal;
    Open open = child_of(s, SpanKey::of(page.number, ordinal));
    open.name = r.id;
    open.start_mono_ns = mono_at(page, r.low);
    open.start_ns = open.start_mono_ns + clock_.real_offset_ns();
    if (r.id == SPANRING_ID_INLINE && !begin_inline_name(s, open)) return false;
    if (!async) return push(s, open);
    ++open_count_;
    detach_span(open);
    return true;
}

bool Assembler::Impl::begin_inline_name(Stream& stream, Open& open) {
    auto& details = details_of(open);
    if (!append_inline_name(details, stream, SPANRING_ID_INLINE)) return false;
    put_record(details, spanring_record_head(SPANRING_REC_RENAME, SPANRING_ID_INLINE, 0), nullptr,
               0);
    details_held_ += details.size();
    return true;
}

bool Assembler::Impl::push(Stream& stream, const Open& open) {
    if (!room_on_stack(stream)) return malformed("too much on the stacks");
    ++open_count_;
    stream.stack.push_back(open);
    return true;
}

std::size_t Assembler::Impl::index_to_end(const Stream& stream,
                                          std::uint32_t low_ordinal) noexcept {
    const auto& stack = stream.stack;
    if (stack.empty()) return 0;
    if (stack.back().entry != Open::Kind::kContext &&
        (stack.back().mark & 0xffffff) == low_ordinal) {
        return stack.size() - 1;
    }
    // The nearest such to the top. Only a program that nests for ever has a span open that is older
    // than a turn of the 24 bits: eight turns bound the search.
    const std::uint64_t top = stack.back().mark;
    std::uint64_t ordinal = (top & ~std::uint64_t{0xffffff}) | low_ordinal;
    for (int turn = 0; turn < 8; ++turn, ordinal -= 1u << 24) {
        if (ordinal <= top) {
            const std::size_t index = find_on_stack(stack, ordinal);
            if (index != stack.size()) return index;
        }
        if (ordinal < (1u << 24)) break;
    }
    return stack.size();
}

bool Assembler::Impl::end(Page& page, const Record& r, bool shared) {
    ++counts.tracepoints;
    Stream& s = page.stream;
    const std::int64_t mono = mono_at(page, r.low);
    if (s.for_key.value != 0) {
        const SpanKey key = std::exchange(s.for_key, SpanKey{});
        if (!s.for_ordered) return end_of(key, Deferred::What::kEnd, mono, page.sink);
        defer(Deferred::What::kEnd, key, mono);
        return true;
    }
    const std::size_t index = index_to_end(s, r.id);
    if (index == s.stack.size()) {
        // Left above a context that was detached: it is open, but no longer on the stack. Else of
        // a begin that was lost, or before our time.
        const std::uint64_t last = s.next_ordinal - 1;
        std::uint64_t ordinal = (last & ~std::uint64_t{0xffffff}) | r.id;
        if (ordinal > last && ordinal >= (1u << 24)) ordinal -= 1u << 24;
        const SpanKey key = SpanKey::of(page.number, ordinal);
        if (detached_.find(key.value) != nullptr) {
            defer(Deferred::What::kEnd, key, mono);
        } else {
            count_late_end(key);
        }
        return true;
    }
    Open& open = s.stack[index];
    bool good = true;
    if (open.entry == Open::Kind::kLost) {
        if (open.has(Open::kClosedEarly)) ++counts.ends_late;
        --open_count_;
    } else if (shared) {
        end_later(open, Deferred::What::kEnd, mono);
    } else {
        good = finish(open, std::max<std::int64_t>(0, mono - open.start_mono_ns), 0, page.sink);
    }
    s.stack.erase(s.stack.begin() + static_cast<std::ptrdiff_t>(index));
    return good;
}

Open Assembler::Impl::context_of(const Stream& stream, const Record& r) {
    Open context;
    context.entry = Open::Kind::kContext;
    context.mark = stream.stack.empty() ? 0 : stream.stack.back().mark;
    if (r.kind == SPANRING_REC_ATTACH_LOCAL) {
        context.key = SpanKey{r.word(0)};
        context.parent = context.key.value;
        context.flags = Open::kParentNative;
        context.trace = {
            .high = instance_.id.number(), .low = r.word(1), .row_flags = RowFlag::kNativeTrace};
    } else if (r.kind == SPANRING_REC_ATTACH_REMOTE) {
        context.trace.high = raw_word(r.body);
        context.trace.low = raw_word(r.body + 8);
        context.parent = raw_word(r.body + 16);
        context.trace.w3c_flags = static_cast<std::uint16_t>(r.low);
        if ((r.id & SPANRING_REMOTE_TRACE_64) != 0) context.trace.row_flags = RowFlag::kTraceId64;
    }
    return context;
}

bool Assembler::Impl::attach(Stream& stream, const Record& r) {
    Open context = context_of(stream, r);
    return push(stream, context);
}

bool Assembler::Impl::detach(Stream& stream, const Record& r) {
    if ((r.low & SPANRING_DETACH_BELOW) != 0) {
        const std::size_t index = index_to_end(stream, r.id);
        if (index == stream.stack.size() || index == 0) return true;
        if (stream.stack[index - 1].entry != Open::Kind::kContext) return true;
        --open_count_;
        stream.stack.erase(stream.stack.begin() + static_cast<std::ptrdiff_t>(index - 1));
        return true;
    }
    std::size_t at = stream.stack.size();
    while (at > 0 && stream.stack[at - 1].entry != Open::Kind::kContext) --at;
    if (at == 0) return true;  // its attach was lost with the page that held it
    --at;
    // What was left above the context is still open, but nobody's parent any more.
    for (std::size_t i = at; i < stream.stack.size(); ++i) {
        if (stream.stack[i].entry == Open::Kind::kSpan) {
            detach_span(stream.stack[i]);
        } else {
            --open_count_;
        }
    }
    stream.stack.resize(at);
    return true;
}

bool Assembler::Impl::name(Stream& stream, const Record& r) {
    if (r.low > limits_.inline_string_bytes_max) return malformed("an inline string too long");
    stream.name.assign(r.body, r.body + r.low);
    stream.has_name = true;
    stream.payload = Place::at(Place::In::kName);
    return true;
}

bool Assembler::Impl::event(Page& page, const Record& r) {
    ++counts.tracepoints;
    const std::int64_t time = mono_at(page, r.low) + clock_.real_offset_ns();
    std::byte body[8];
    std::memcpy(body, &time, 8);
    Record at = r;
    at.kind = SPANRING_REC_EVENT_AT;
    at.low = 0;
    at.head = spanring_record_head(at.kind, r.id, 0);
    at.bytes = 16;
    at.body = body;
    return detail(page, at);
}

bool Assembler::Impl::import_begin(Page& page, const Record& r) {
    ++counts.tracepoints;
    Stream& s = page.stream;
    drop_import(s);
    s.import = std::make_unique<Import>();
    Import& import = *s.import;
    import.open.name = r.id;
    import.open.trace.high = raw_word(r.body);
    import.open.trace.low = raw_word(r.body + 8);
    import.span = raw_word(r.body + 16);
    import.open.parent = (r.low & SPANRING_IMPORT_NO_PARENT) != 0 ? 0 : raw_word(r.body + 24);
    if ((r.low & SPANRING_IMPORT_TRACE_64) != 0) import.row_flags |= RowFlag::kTraceId64;
    if ((r.low & SPANRING_IMPORT_NO_START) == 0) {
        import.row_flags |= RowFlag::kHasStart;
        import.open.start_ns = static_cast<std::int64_t>(r.word(4));
    }
    if ((r.low & SPANRING_IMPORT_NO_DURATION) == 0) {
        import.row_flags |= RowFlag::kHasDuration;
        import.duration_ns = static_cast<std::int64_t>(r.word(5));
    }
    s.item = {};
    s.payload = {};
    return r.id != SPANRING_ID_INLINE || begin_inline_name(s, import.open);
}

bool Assembler::Impl::import_end(Page& page) {
    if (!page.stream.import) return true;  // its begin was lost
    const bool good = emit_import(*page.stream.import, page.sink);
    drop_import(page.stream);
    return good;
}

void Assembler::Impl::drop_import(Stream& stream) {
    if (!stream.import) return;
    free_details(stream.import->open);
    details_held_ -= std::min(details_held_, stream.import->resource.size());
    stream.import.reset();
    stream.item = {};
    stream.payload = {};
}

Assembler::Assembler(const codec::Instance& instance, const TickClock& clock, StringSource& strings,
                     const Limits& limits)
    : impl_(std::make_unique<Impl>(instance, clock, strings, limits)) {}
Assembler::~Assembler() = default;
void Assembler::set_resource(std::span<const std::byte> records) {
    impl_->set_resource(records);
}
Result<void> Assembler::feed(const PageBytes& page, RowSink& sink) {
    return impl_->feed(page, sink);
}
Result<void> Assembler::end_turn(bool complete, RowSink& sink) {
    return impl_->end_turn(complete, sink);
}
void Assembler::close(RowSink& sink) {
    impl_->close(sink);
}
bool Assembler::has_deferred() const noexcept {
    return impl_->has_deferred();
}
void Assembler::export_streams(bool whole, std::vector<store::StreamState>& out) {
    impl_->export_streams(whole, out);
}
Result<void> Assembler::export_open(bool whole, RowSink& open_sink) {
    return impl_->export_open(whole, open_sink);
}
void Assembler::export_deferred(std::vector<std::byte>& out) const {
    impl_->export_deferred(out);
}
Result<void> Assembler::restore(const std::vector<store::StreamState>& streams,
                                const codec::Batch& open, std::span<const std::size_t> row_indices,
                                std::span<const std::byte> deferred) {
    return impl_->restore(streams, open, row_indices, deferred);
}
std::uint64_t Assembler::next_sequence(std::uint32_t stream) const noexcept {
    return impl_->next_sequence(stream);
}
const AssemblerCounts& Assembler::counts() const noexcept {
    return impl_->counts;
}
std::size_t Assembler::open_spans() const noexcept {
    return impl_->open_spans();
}
std::size_t Assembler::held_bytes() const noexcept {
    return impl_->held_bytes();
}
void Assembler::shrink_to(std::size_t bytes, RowSink& sink) {
    impl_->shrink_to(bytes, sink);
}

}  // namespace spanring::consumer
