// Spans that are dropped while the ring is full, and those of call sites out of line.
//
// When a begin has found no room, nothing changes until the consumer releases a page. Until then
// drop_begin() and drop_end() do what the slow path would: they count the span and keep its place
// on the stack. A writer in this state has no page, so the hot path would find that out with its
// last check: its gate is closed, and `drop_gate` says at which flags it would be open.
#include "spanring/macros.hpp"
#include "tracepoint.hpp"

namespace spanring::detail {
namespace {

/// What stands above `top` is to be told anew.
SPANRING_INLINE void know_less(ThreadState& state, const StackEntry* top) noexcept {
    const auto depth = static_cast<std::uint32_t>(top - state.base);
    if (depth < state.known_depth) state.known_depth = depth;
}

SPANRING_INLINE void leave_dropped(Writer* writer, spanring_thread_slot* slot) noexcept {
    leave(slot);
    signal_fence();
    if (writer->stash.used != 0) [[unlikely]]
        after_slow(writer);
}

/// Whether the children of a lost span below `top` must say its tracestate.
bool must_tell_state_below(const StackEntry& top) noexcept {
    return must_tell_state({0, top.root, top.block, 0, EntryKind::kSpan, kEntryLost, 0});
}

// What says that the ring is still full is looked at inside: a signal handler that comes before may
// find a page. Left out of that page, the span would shift the ordinals of all that follow in it.
SPANRING_INLINE std::uint64_t drop_begin_here(Writer* writer, std::uint32_t flags) noexcept {
    spanring_thread_slot* slot;
    char* cursor;
    if (writer->drop_gate != gate_word(flags) || !enter(writer, 0, slot, cursor)) return 0;
    ThreadState* state = state_of(writer);
    StackEntry* top = state->top;
    // acquire: pairs with the release in PageRing::release(): who sees the count finds the page.
    if (writer->drop_gate != gate_word(flags) ||
        __atomic_load_n(writer->released, __ATOMIC_ACQUIRE) + 1 != writer->full_at ||
        top + 1 == state->limit || (top->block != nullptr && must_tell_state_below(*top))) {
        leave(slot);
        return 0;
    }
    const std::uint64_t key = writer->next_key;
    std::uint64_t& lost = slot->lost_spans[SPANRING_LOST_RING_FULL];
    // relaxed, both: only the owner writes it; the reader takes differences.
    __atomic_store_n(&lost, __atomic_load_n(&lost, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
    know_less(*state, top);
    writer->next_key = key + 1;
    push_span(state, top, key, kEntryLost);
    // relaxed: see install() in page.cpp.
    __atomic_store_n(&slot->next_ordinal, SpanKey{key + 1}.ordinal(), __ATOMIC_RELAXED);
    leave_dropped(writer, slot);
    return key;
}

SPANRING_INLINE bool drop_end_here(Writer* writer, std::uint64_t key, std::uint64_t life) noexcept {
    if (writer != t_writer || writer->drop_gate == 0 || life != lost_life(*writer)) return false;
    spanring_thread_slot* slot;
    char* cursor;
    if (!enter(writer, 0, slot, cursor)) return false;
    ThreadState* state = state_of(writer);
    StackEntry* top = state->top;
    // The gate again: as above.
    if (writer->drop_gate == 0 || top->flags != kEntryLost || !is_span(top, key, kEntryLost)) {
        leave(slot);
        return false;
    }
    state->top = top - 1;
    know_less(*state, top - 1);
    if ((top[-1].flags & kEntryGated) != 0) writer->drop_gate = 0;
    leave_dropped(writer, slot);
    return true;
}

SpanState state_of_token(const SpanToken& token) noexcept {
    SpanState span;
    span.writer = token.writer;
    span.key = token.key;
    set_life(span, token.life);
    return span;
}

}  // namespace

void remember_full(Tracepoint& tracepoint) noexcept {
    Writer& writer = tracepoint.writer();
    const shm::SegmentWriter& segment = segment_of(writer);
    const bool may_grow = segment.pages_declared() < segment.pages_max();
    writer.full_at = may_grow || !tracepoint.is_ring_full() ? 0 : segment.released_count() + 1;
    writer.released = segment.released_word();
}

bool is_dropping(const Writer& writer) noexcept {
    return writer.full_at != 0 && writer.generation == 0 && writer.resync != 0;
}

std::uint64_t drop_begin(Writer* writer, std::uint32_t flags) noexcept {
    return drop_begin_here(writer, flags);
}

bool drop_end(Writer* writer, std::uint64_t key, std::uint64_t life) noexcept {
    return drop_end_here(writer, key, life);
}

namespace {

// Apart from what is dropped, which needs no registers to be saved and no state to be prepared.

[[gnu::noinline]] SpanToken begin_listed(CallSite& site, std::uint32_t flags) noexcept {
    SpanState span;
    if (enabled(flags)) begin_slow(span, NameRef(site.name), nullptr);
    return {span.writer, span.key, life_of(span)};
}

[[gnu::noinline]] void end_token(Writer* writer, std::uint64_t key, std::uint64_t life) noexcept {
    SpanState span = state_of_token({writer, key, life});
    end_slow(span);
}

}  // namespace

SpanToken begin_site_slow(CallSiteList& list, CallSite& site) noexcept {
    const std::uint32_t flags = load_flags();
    if (site_listed(site)) [[likely]] {
        Writer* writer = t_writer;
        const std::uint64_t key = drop_begin_here(writer, flags);
        if (key != 0) [[likely]]
            return {writer, key, lost_life(*writer)};
    } else if (!register_site(list, site)) {
        return {nullptr, 0, 0};
    }
    return begin_listed(site, flags);
}

std::uint64_t kind_token_slow(Writer* writer, std::uint64_t key, std::uint64_t life,
                              SpanKind kind) noexcept {
    SpanState span = state_of_token({writer, key, life});
    kind_slow(span, kind);
    return life_of(span);
}

void end_token_slow(Writer* writer, std::uint64_t key, std::uint64_t life) noexcept {
    if (!drop_end_here(writer, key, life)) [[unlikely]]
        end_token(writer, key, life);
}

}  // namespace spanring::detail
