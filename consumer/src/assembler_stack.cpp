// The stack of a stream: what a page's snapshot says of it, and looking spans up.
#include <algorithm>

#include "assembler_impl.hpp"

namespace spanring::consumer {

std::size_t Assembler::Impl::find_on_stack(const std::vector<Open>& stack, std::uint64_t ordinal,
                                           std::size_t from) noexcept {
    // Marks never fall towards the top, and the contexts that bear a span's mark stand above it.
    const auto at =
        std::lower_bound(stack.begin() + static_cast<std::ptrdiff_t>(from), stack.end(), ordinal,
                         [](const Open& open, std::uint64_t o) { return open.mark < o; });
    if (at == stack.end() || at->mark != ordinal || at->entry == Open::Kind::kContext) {
        return stack.size();
    }
    return static_cast<std::size_t>(at - stack.begin());
}

Open* Assembler::Impl::find(SpanKey key) noexcept {
    if (key.stream() < streams_.size()) {
        auto& stack = streams_[key.stream()].stack;
        const std::size_t index = find_on_stack(stack, key.ordinal());
        if (index != stack.size()) {
            return stack[index].entry == Open::Kind::kSpan ? &stack[index] : nullptr;
        }
    }
    return key.value == 0 ? nullptr : detached_.find(key.value);
}

bool Assembler::Impl::begin_page(Page& page, const PageBytes& bytes, const std::byte*& at,
                                 const std::byte* end_at) {
    Stream& s = page.stream;
    if (s.started && bytes.sequence <= s.sequence) return malformed("a page that came already");
    if (bytes.first_ordinal < s.next_ordinal) return malformed("ordinals that go back");
    if (bytes.first_ordinal > SpanKey::kOrdinalMask) return malformed("an ordinal over 48 bits");
    s.started = true;
    s.sequence = bytes.sequence;
    s.base_ticks = bytes.base_ticks;
    s.next_ordinal = bytes.first_ordinal;
    Record first;
    if (!read_record(at, end_at, &first)) return malformed("no record at the begin of a page");
    return snapshot(page, first, at, end_at);
}

// What a snapshot names is always taken as the truth. Where nothing was lost it says what is known,
// and costs a look at each entry; a page without one says that the stack was empty.
bool Assembler::Impl::snapshot(Page& page, const Record& first, const std::byte*& at,
                               const std::byte* end_at) {
    Stream& s = page.stream;
    const bool present = first.target == 0 && first.kind == SPANRING_REC_SNAPSHOT;
    if (!present && s.stack.empty()) return true;
    const std::size_t depth = present ? first.low & 0xffffu : 0;
    const std::size_t kept = present ? first.low >> 16 : 0;
    const std::size_t named = present ? first.id : 0;
    if (kept + named > depth) return malformed("a snapshot of more than its stack");
    old_stack_.clear();
    old_stack_.swap(s.stack);
    std::size_t old_at = std::min(kept, old_stack_.size());
    s.stack.assign(old_stack_.begin(), old_stack_.begin() + static_cast<std::ptrdiff_t>(old_at));
    // A reader that never saw the outermost entries (another database did) keeps their places.
    bool good = true;
    while (good && s.stack.size() < kept) good = push(s, unknown_context(s));
    if (present) at += first.bytes;
    for (std::size_t i = 0; i < named && good; ++i) {
        Record r;
        if (!read_record(at, end_at, &r)) {
            good = malformed("a snapshot that ends early");
            break;
        }
        at += r.bytes;
        good = named_by_snapshot(page, r, old_at, old_stack_);
    }
    if (kept + named < depth) {
        // The next page tells the rest; until then, what is known stands there. What is older than
        // the last that was told would have been told before it: it has gone.
        const std::uint64_t told = s.stack.empty() ? 0 : s.stack.back().mark;
        std::size_t above = old_at;
        while (above != old_stack_.size() && old_stack_[above].mark < told) ++above;
        drop_unnamed(old_stack_, old_at, above);
        s.stack.insert(s.stack.end(), old_stack_.begin() + static_cast<std::ptrdiff_t>(above),
                       old_stack_.end());
        return good;
    }
    drop_unnamed(old_stack_, old_at, old_stack_.size());
    return good;
}

Open Assembler::Impl::unknown_context(const Stream& stream) {
    Open context;
    context.entry = Open::Kind::kContext;
    context.mark = stream.stack.empty() ? 0 : stream.stack.back().mark;
    return context;
}

// A span that is known keeps what is known; of a lost one this is all that its children learn.
TraceRef Assembler::Impl::trace_of_entry(const Record& r) const noexcept {
    TraceRef trace;
    if (r.kind == SPANRING_REC_OPEN) {
        trace.high = instance_.id.number();
        trace.low = r.word(1);
        trace.row_flags = codec::RowFlag::kNativeTrace;
    } else {
        trace.high = r.word(1);
        trace.low = r.word(2);
        trace.w3c_flags = static_cast<std::uint16_t>(r.low);
        if ((r.id & SPANRING_OPEN_TRACE_64) != 0) trace.row_flags = codec::RowFlag::kTraceId64;
    }
    return trace;
}

bool Assembler::Impl::named_by_snapshot(Page& page, const Record& r, std::size_t& old_at,
                                        std::vector<Open>& old) {
    Stream& s = page.stream;
    if (r.target != 0) return malformed("a snapshot of something else than a stack");
    if (r.kind == SPANRING_REC_OPEN || r.kind == SPANRING_REC_OPEN_FOREIGN) {
        const std::uint64_t ordinal = r.word(0);
        const std::uint64_t last = s.stack.empty() ? 0 : s.stack.back().mark;
        if (ordinal == 0 || ordinal >= s.next_ordinal || ordinal < last ||
            (ordinal == last && s.stack.back().entry != Open::Kind::kContext)) {
            return malformed("a snapshot whose spans are not in order");
        }
        const std::size_t found = find_on_stack(old, ordinal, old_at);
        if (found != old.size()) {
            drop_unnamed(old, old_at, found);
            s.stack.push_back(old[found]);
            old_at = found + 1;
            return true;
        }
        Open lost = child_of(s, SpanKey::of(page.number, ordinal));
        lost.entry = Open::Kind::kLost;
        lost.trace = trace_of_entry(r);
        return push(s, lost);
    }
    if (r.kind != SPANRING_REC_ATTACH_LOCAL && r.kind != SPANRING_REC_ATTACH_REMOTE &&
        r.kind != SPANRING_REC_ATTACH_NONE) {
        return malformed("a snapshot of something else than a stack");
    }
    const Open context = context_of(s, r);
    // The same context as known already keeps what came with it (trace state, resolved trace).
    for (std::size_t i = old_at; i < old.size() && old[i].entry == Open::Kind::kContext; ++i) {
        const Open& known = old[i];
        if (known.key == context.key && known.parent == context.parent &&
            known.trace.high == context.trace.high && known.trace.low == context.trace.low) {
            drop_unnamed(old, old_at, i);
            s.stack.push_back(known);
            s.stack.back().mark = context.mark;
            old_at = i + 1;
            return true;
        }
    }
    return push(s, context);
}

// Spans that the thread has no longer on its stack have lost their end. What other threads did to
// them may still be on its way.
void Assembler::Impl::drop_unnamed(const std::vector<Open>& old, std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
        if (old[i].entry == Open::Kind::kSpan) {
            end_later(old[i], Deferred::What::kLostEnd, 0);
        } else {
            --open_count_;
        }
    }
}

}  // namespace spanring::consumer
