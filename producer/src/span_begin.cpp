// Beginning and ending spans out of line: first use, explicit parents, inline names, losses.
#include "spanring/macros.hpp"
#include "tracepoint.hpp"

namespace spanring::detail {
namespace {

std::uint32_t head_kind(bool async) noexcept {
    return async ? SPANRING_REC_BEGIN_ASYNC : SPANRING_REC_BEGIN;
}

void put_kind(Tracepoint& tracepoint, SpanKind kind, const Addressee& addressee) noexcept {
    if (kind == SpanKind::kUnset) return;
    if (!tracepoint.room(kForBytesMax + 8)) {
        tracepoint.lost(Loss::kDetail);
        return;
    }
    put_for(tracepoint, addressee);
    tracepoint.record(SPANRING_REC_KIND, static_cast<std::uint32_t>(kind), 0);
}

void fill(SpanState& span, Writer& writer, const StackEntry& parent, std::uint64_t key) noexcept {
    span.writer = &writer;
    span.key = key;
    span.root = parent.kind == EntryKind::kNone ? key : parent.root;
    span.block = parent.block;
    span.epoch = writer.epoch;
}

/// Pushes context and span; without memory for it the span is not recorded.
bool make_depth(ThreadState& stack, std::size_t entries) noexcept {
    while (static_cast<std::size_t>(stack.limit - stack.top) <= entries) {
        if (!grow_stack(stack)) return false;
    }
    return true;
}

struct Begin {
    SpanState& span;
    NameRef name;
    SpanKind kind{SpanKind::kUnset};
    bool async{false};
    const StackEntry* attach{nullptr};  ///< the explicit parent
};

/// From now on, until a page is released, drop_begin() and drop_end() may answer.
void remember_full(Tracepoint& tracepoint) noexcept {
    Writer& writer = tracepoint.writer();
    const shm::SegmentWriter& segment = segment_of(writer);
    const bool may_grow = segment.pages_declared() < segment.pages_max();
    writer.full_at = may_grow || !tracepoint.is_ring_full() ? 0 : segment.released_count() + 1;
}

/// A begin that was lost still takes its ordinal, and stands on the stack as its children's parent.
void lose(Tracepoint& tracepoint, const Begin& begin, const StackEntry& parent) noexcept {
    Writer& writer = tracepoint.writer();
    tracepoint.lost(Loss::kSpan);
    const std::size_t known = depth_of(tracepoint.stack());
    fill(begin.span, writer, parent, writer.next_key++);
    begin.span.bits |= kStateLost;
    if (begin.async) {
        begin.span.writer = nullptr;  // nothing of it will be written; its key lives in context()
    } else {
        if (begin.attach != nullptr) push(tracepoint.stack(), *begin.attach);
        StackEntry lost{
            begin.span.key, begin.span.root, parent.block, 0, EntryKind::kSpan, kEntryLost, 0};
        if (begin.attach != nullptr) lost.flags |= kEntryOwnsContext;
        if (must_tell_state(lost)) lost.flags |= kEntryGated;
        push(tracepoint.stack(), lost);
    }
    tracepoint.out_of_step(known);
    remember_full(tracepoint);
}

/// Nothing has been released, and nothing has grown, since the ring was found full.
bool is_still_full(const Writer& writer, std::uint32_t flags) noexcept {
    return writer.full_at != 0 && writer.slot != nullptr && writer.gate == gate_word(flags) &&
           writer.full_at == segment_of(writer).released_count() + 1 &&
           !segment_of(writer).revoked() && writer.stash.used == 0;
}

/// What stands above this depth is to be told anew.
void know_less(ThreadState& state) noexcept {
    const auto depth = static_cast<std::uint32_t>(depth_of(state));
    if (depth < state.known_depth) state.known_depth = depth;
}

/// What lose() does to a plain child of the stack's top, while the ring is as full as it was: a
/// dropped call must cost little. Returns false if the slow path has to.
bool drop_begin(SpanState& span) noexcept {
    Writer* writer = t_writer;
    if (!is_still_full(*writer, load_flags())) return false;
    ThreadState* state = state_of(writer);
    spanring_thread_slot* slot;
    char* cursor;
    StackEntry* top = state->top;
    const StackEntry entry{writer->next_key,
                           top->kind == EntryKind::kNone ? writer->next_key : top->root,
                           top->block,
                           0,
                           EntryKind::kSpan,
                           kEntryLost,
                           0};
    if ((top->flags & (kEntryGated | kEntrySuppressed)) != 0 || top + 1 == state->limit ||
        writer->generation != 0 || writer->resync == 0 || must_tell_state(entry) ||
        !enter(writer, 0, slot, cursor)) {
        return false;
    }
    std::uint64_t& lost = writer->slot->lost_spans[SPANRING_LOST_RING_FULL];
    // relaxed, both: only the owner writes it; the reader takes differences.
    __atomic_store_n(&lost, __atomic_load_n(&lost, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
    know_less(*state);
    fill(span, *writer, *top, writer->next_key++);
    span.bits |= kStateLost;
    top[1] = entry;
    state->top = top + 1;
    // relaxed: see install() in page.cpp.
    __atomic_store_n(&writer->slot->next_ordinal, SpanKey{writer->next_key}.ordinal(),
                     __ATOMIC_RELAXED);
    leave(slot);
    if (writer->stash.used != 0) after_slow(writer);
    return true;
}

/// The end of such a span, under the same condition: it is counted already.
bool drop_end(SpanState& span) noexcept {
    Writer* writer = t_writer;
    if (span.writer != writer || span.epoch != writer->epoch ||
        !is_still_full(*writer, load_flags())) {
        return false;
    }
    ThreadState* state = state_of(writer);
    spanring_thread_slot* slot;
    char* cursor;
    if (state->top->key != span.key || state->top->kind != EntryKind::kSpan ||
        state->top->flags != kEntryLost || writer->generation != 0 || writer->resync == 0 ||
        !enter(writer, 0, slot, cursor)) {
        return false;
    }
    --state->top;
    know_less(*state);
    if ((state->top->flags & kEntryGated) != 0) writer->gate = 0;
    span.writer = nullptr;
    leave(slot);
    if (writer->stash.used != 0) after_slow(writer);
    return true;
}

void write_begin(Tracepoint& tracepoint, const Begin& begin, std::uint32_t number,
                 const StackEntry& parent) noexcept {
    Writer& writer = tracepoint.writer();
    ThreadState& stack = tracepoint.stack();
    if (begin.attach != nullptr) put_attach(writer, *begin.attach);
    tracepoint.inline_name(begin.name, number);
    tracepoint.timed(head_kind(begin.async), number);
    fill(begin.span, writer, parent, writer.next_key++);
    if (!begin.async) {
        if (begin.attach != nullptr) push(stack, *begin.attach);
        const std::uint8_t owns = begin.attach != nullptr ? kEntryOwnsContext : 0;
        push(stack, {begin.span.key, begin.span.root, parent.block, 0, EntryKind::kSpan, owns, 0});
    } else if (begin.attach != nullptr) {
        tracepoint.record(SPANRING_REC_DETACH, 0, 0);
    }
}

/// Returns whether the entry is consumed: its block reference is on the stack now.
bool begin_ready(Tracepoint& tracepoint, const Begin& begin) noexcept {
    ThreadState& stack = tracepoint.stack();
    const StackEntry parent = begin.attach != nullptr ? *begin.attach : *stack.top;
    if ((parent.flags & kEntrySuppressed) != 0) return false;
    if (!make_depth(stack, 2)) {
        tracepoint.lost(Loss::kSpan, LossReason::kTooLarge);
        return false;
    }
    const std::uint32_t number = tracepoint.number_of(begin.name);
    const std::size_t bytes = (begin.attach != nullptr ? attach_bytes(parent) + 8 : 0) +
                              tracepoint.name_bytes(begin.name, number) + kTimeBaseBytes + 8;
    if (!tracepoint.room(bytes)) {
        lose(tracepoint, begin, parent);
        return begin.attach != nullptr && !begin.async;
    }
    write_begin(tracepoint, begin, number, parent);
    const Addressee addressee{begin.async ? begin.span.key : 0};
    put_kind(tracepoint, begin.kind, addressee);
    const std::uint8_t flags = put_inherited(tracepoint, parent, addressee);
    if (!begin.async) stack.top->flags |= flags;
    return begin.attach != nullptr && !begin.async;
}

void begin_any(SpanState& span, NameRef name, const SpanOptions* options, bool async) noexcept {
    Tracepoint tracepoint;
    if (tracepoint.state() == Tracepoint::State::kSignal) {
        if (async || (options != nullptr && options->parent)) {
            count_signal_loss(tracepoint.writer(), Loss::kSpan);
        } else {
            stash_begin(tracepoint.writer(), span, name);
        }
        return;
    }
    if (!tracepoint.ready()) return tracepoint.lost_without_segment();
    Begin begin{span, name};
    begin.async = async;
    StackEntry attach{};
    if (options != nullptr) {
        begin.kind = options->kind;
        if (options->parent) {
            attach = entry_of(tracepoint.process(), *options->parent);
            begin.attach = &attach;
        }
    }
    const bool consumed = begin_ready(tracepoint, begin);
    if (async && span.key != 0) {
        // The handle may outlive the context that it was begun in.
        retain(span.block);
        span.bits |= kStateAsync | kStateOwnsBlock;
    }
    if (begin.attach != nullptr && !consumed) release(attach.block);
}

/// END for a span that is not on this thread's stack.
void end_for(Tracepoint& tracepoint, std::uint64_t key, bool shared) noexcept {
    if (!tracepoint.room(kForBytesMax + 8 + kTimeBaseBytes)) {
        tracepoint.lost(Loss::kEnd);
        remember_lost_end(tracepoint.writer(), key);
        return;
    }
    put_for(tracepoint, {key, shared || is_foreign(tracepoint.writer(), key)});
    tracepoint.timed(SPANRING_REC_END, static_cast<std::uint32_t>(key));
}

void end_on_stack(Tracepoint& tracepoint, StackEntry* entry, bool shared) noexcept {
    const std::uint8_t flags = entry->flags;
    shared = shared || (flags & kEntryShared) != 0;
    const auto ordinal = static_cast<std::uint32_t>(entry->key);
    // The context that a span owns stands directly below it, whatever was begun or attached since.
    const bool owns = (flags & kEntryOwnsContext) != 0;
    const bool room = tracepoint.room(8 + kTimeBaseBytes + (owns ? 8 : 0));
    if (room) {
        if (owns) tracepoint.record(SPANRING_REC_DETACH, ordinal, SPANRING_DETACH_BELOW);
        tracepoint.timed(shared ? SPANRING_REC_END_SHARED : SPANRING_REC_END, ordinal);
    }
    // `room` may have turned the page, but the stack did not change in between.
    const auto below = static_cast<std::size_t>(entry - tracepoint.stack().base) - (owns ? 2 : 1);
    erase(tracepoint.stack(), entry);
    if (owns) erase(tracepoint.stack(), entry - 1);
    if (room) return;
    if ((flags & kEntryLost) == 0) tracepoint.lost(Loss::kEnd);
    tracepoint.out_of_step(below);
}

/// A span of a segment that was replaced while it was open, and stored as unfinished: its end is
/// lost, and the context that it has become is current no longer.
void end_replaced(Tracepoint& tracepoint, std::uint64_t key, std::uint32_t epoch,
                  bool lost) noexcept {
    if (epoch < tracepoint.process().own_epoch) return;  // inherited by fork: not ours
    if (!lost) tracepoint.lost(Loss::kEnd, LossReason::kNoMemory);
    ThreadState& stack = tracepoint.stack();
    StackEntry* entry = find_replaced(stack, key, epoch);
    if (entry == nullptr) return;
    const bool owns = (entry->flags & kEntryOwnsContext) != 0;
    const auto below = static_cast<std::size_t>(entry - stack.base) - (owns ? 2 : 1);
    erase(stack, entry);
    if (owns) erase(stack, entry - 1);
    if (tracepoint.ready()) tracepoint.out_of_step(below);
}

}  // namespace

bool must_tell_state(const StackEntry& parent) noexcept {
    const ContextBlock* block = parent.block;
    if (block == nullptr || parent.root != 0 || !block->has_remote || block->trace_state.empty()) {
        return false;
    }
    return parent.kind != EntryKind::kSpan || (parent.flags & (kEntryLost | kEntryStateLost)) != 0;
}

std::uint8_t put_inherited(Tracepoint& tracepoint, const StackEntry& parent,
                           const Addressee& addressee) noexcept {
    const ContextBlock* block = parent.block;
    std::uint8_t flags = 0;
    if (must_tell_state(parent)) {
        const std::size_t bytes = 8 + ((block->trace_state.size() + 7) & ~std::size_t{7});
        if (!tracepoint.room(bytes + kForBytesMax) ||
            !put_text(tracepoint, SPANRING_REC_TRACESTATE, 0, block->trace_state, addressee)) {
            tracepoint.lost(Loss::kDetail);
            flags = kEntryStateLost | kEntryGated;
        }
    }
    if (block == nullptr ||
        (parent.kind != EntryKind::kRemote && parent.kind != EntryKind::kNone)) {
        return flags;
    }
    for (const char* key : {"request.id", "user.id"}) {
        const std::string* id = block->find(key);
        if (id == nullptr) continue;
        const NameRef name{Key(key)};
        const std::uint32_t number = tracepoint.number_of(name);
        const AttributeValue value(*id);
        if (!tracepoint.room(attribute_bytes(tracepoint, name, number, value) + kForBytesMax) ||
            !put_attribute(tracepoint, name, number, value, SPANRING_TARGET_SPAN, addressee)) {
            tracepoint.lost(Loss::kDetail);
        }
    }
    return flags;
}

void begin_slow(SpanState& span, NameRef name, const SpanOptions* options) noexcept {
    if (options == nullptr && drop_begin(span)) return;
    begin_any(span, name, options, false);
}

void begin_async(SpanState& span, NameRef name, const SpanOptions* options) noexcept {
    begin_any(span, name, options, true);
}

void end_slow(SpanState& span) noexcept {
    if ((span.bits & kStateStashed) != 0) {
        stash_end(*span.writer);
        span.writer = nullptr;
        return;
    }
    const std::uint64_t key = span.key;
    const bool lost = (span.bits & kStateLost) != 0;
    if (lost && drop_end(span)) return;
    const bool shared = (span.bits & kStateShared) != 0;
    const std::uint32_t epoch = span.epoch;
    span.writer = nullptr;
    Tracepoint tracepoint(false);
    if (tracepoint.state() == Tracepoint::State::kSignal) {
        // A handler ends a span of the thread that it interrupted: its stack is not ours to touch.
        if (!lost) count_signal_loss(tracepoint.writer(), Loss::kEnd);
        return;
    }
    if (!tracepoint.owns_stack()) {  // no memory for this thread's writer
        if (!lost) tracepoint.lost(Loss::kEnd, LossReason::kNoMemory);
        return;
    }
    if (epoch != epoch_of(tracepoint.process())) return end_replaced(tracepoint, key, epoch, lost);
    if (!tracepoint.ready()) {
        // The thread that ends it has no slot yet.
        if (!tracepoint.take_slot_now()) {
            if (lost) return;
            tracepoint.lost(Loss::kEnd, LossReason::kNoMemory);
            return remember_lost_end(tracepoint.writer(), key);
        }
    }
    if (StackEntry* entry = find_span(tracepoint.stack(), key)) {
        end_on_stack(tracepoint, entry, shared);
    } else if (!lost) {
        end_for(tracepoint, key, shared);
    }
}

namespace {

SpanState state_of_token(const SpanToken& token) noexcept {
    SpanState span;
    span.writer = token.writer;
    span.key = token.key;
    set_life(span, token.life);
    return span;
}

}  // namespace

SpanToken begin_site_slow(CallSiteList& list, CallSite& site) noexcept {
    SpanState span;
    if (enabled(load_flags()) && (site_listed(site) || register_site(list, site))) {
        begin_slow(span, NameRef(site.name), nullptr);
    }
    return {span.writer, span.key, life_of(span)};
}

std::uint64_t kind_token_slow(Writer* writer, std::uint64_t key, std::uint64_t life,
                              SpanKind kind) noexcept {
    SpanState span = state_of_token({writer, key, life});
    kind_slow(span, kind);
    return life_of(span);
}

void end_token_slow(Writer* writer, std::uint64_t key, std::uint64_t life) noexcept {
    SpanState span = state_of_token({writer, key, life});
    end_slow(span);
}

void release_slow(SpanState& span) noexcept {
    if ((span.bits & kStateOwnsBlock) != 0) release(span.block);
    span.block = nullptr;
}

}  // namespace spanring::detail
