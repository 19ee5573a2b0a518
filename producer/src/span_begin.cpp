// Beginning and ending spans out of line: first use, explicit parents, inline names, losses.
#include "spanring/span.hpp"
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
    if (!tracepoint.ready()) return tracepoint.lost_without_segment(Loss::kSpan);
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
    Writer* writer = t_writer;
    const std::uint64_t dropped = options == nullptr ? drop_begin(writer, load_flags()) : 0;
    if (dropped == 0) return begin_any(span, name, options, false);
    fill(span, *writer, *state_of(writer)->top, dropped);
    set_life(span, lost_life(*writer));
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
    if (lost && drop_end(span.writer, key, life_of(span))) {
        span.writer = nullptr;
        return;
    }
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

void release_slow(SpanState& span) noexcept {
    if ((span.bits & kStateOwnsBlock) != 0) release(span.block);
    span.block = nullptr;
}

}  // namespace spanring::detail
