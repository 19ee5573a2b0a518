// The hot path: begin and end, written straight into the thread's page. plain_values.hpp: details.
//
// Threads: as in writer.hpp. Nothing here calls the system, takes a lock or allocates; whatever is
// unusual returns false and the caller goes out of line.
//
// A timestamp takes as long as some forty instructions, which hardly overlap with it: instructions
// are what there is to save. So all of it is inlined to the call site, what cannot change in
// between is read once (a store through `cursor` may alias anything, as far as the compiler knows),
// and two checks are one where two neighbouring fields can be compared together.
#pragma once

#include "spanring/base/testpoint.hpp"
#include "spanring/detail/writer.hpp"
#include "spanring/shm/clock.hpp"

namespace spanring::detail {

/// Keeps the compiler, and so a signal handler of this thread, to the order of the source.
SPANRING_INLINE void signal_fence() noexcept {
    // seq_cst signal fence: pairs with the handler of the same thread; no instruction.
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/// Out of line: writes the stash out, wakes the consumer.
SPANRING_HIDDEN void after_slow(Writer* writer) noexcept;

/// Leaves without having published anything.
SPANRING_INLINE void leave(spanring_thread_slot* slot) noexcept {
    signal_fence();
    // release: pairs with the consumer's acquire of `nesting` when it takes an idle page.
    __atomic_store_n(&slot->nesting, 0U, __ATOMIC_RELEASE);
}

/// Enters the writer if it has `bytes` of room and this is the outermost tracepoint: until it is
/// left, nobody else changes it. Returns false if not; else `slot` and `cursor` are the writer's.
SPANRING_INLINE bool enter(Writer* writer, std::size_t bytes, spanring_thread_slot*& slot,
                           char*& cursor) noexcept {
    slot = writer->slot;
    // relaxed: written by this thread only; a value other than 0 is our own interrupted tracepoint.
    if (__atomic_load_n(&slot->nesting, __ATOMIC_RELAXED) != 0) [[unlikely]]
        return false;
    // relaxed: the consumer's membarrier orders it before the load of `revoked`.
    __atomic_store_n(&slot->nesting, 1U, __ATOMIC_RELAXED);
    signal_fence();
    SPANRING_TESTPOINT("tracepoint.entered");
    // relaxed: see above; the consumer looks at `nesting` after it has set `revoked`.
    const bool taken = __atomic_load_n(&slot->revoked, __ATOMIC_RELAXED) != 0;
    cursor = writer->cursor;
    if (!taken && static_cast<std::size_t>(writer->end - cursor) >= bytes) [[likely]]
        return true;
    leave(slot);
    return false;
}

/// Publishes up to `cursor` and leaves.
SPANRING_INLINE void publish_and_leave(Writer* writer, spanring_thread_slot* slot,
                                       char* cursor) noexcept {
    writer->cursor = cursor;
    SPANRING_TESTPOINT("tracepoint.written");
    // release: pairs with the acquire of `committed` in PageRing::peek: the records come first.
    __atomic_store_n(writer->committed,
                     writer->mark_bias + reinterpret_cast<std::uintptr_t>(cursor),
                     __ATOMIC_RELEASE);
    SPANRING_TESTPOINT("tracepoint.published");
    leave(slot);
    signal_fence();
    SPANRING_TESTPOINT("tracepoint.left");
    if (writer->stash.used != 0 || (load_flags() & SPANRING_FLAG_WAITING) != 0) [[unlikely]] {
        after_slow(writer);
    }
}

SPANRING_INLINE void put_at(char* place, std::uint64_t word) noexcept {
    __builtin_memcpy(place, &word, 8);
}
inline void put(Writer* writer, std::uint64_t word) noexcept {
    put_at(writer->cursor, word);
    writer->cursor += 8;
}

/// Bytes that whole words take.
SPANRING_INLINE constexpr std::size_t padded(std::size_t bytes) noexcept {
    return (bytes + 7) & ~std::size_t{7};
}

/// The last `count` < 8 bytes of a text as a word, padded with zeros.
SPANRING_INLINE std::uint64_t last_word(const char* at, std::size_t count) noexcept {
    std::uint64_t word = 0;
    if ((count & 4) != 0) {
        std::uint32_t half;
        __builtin_memcpy(&half, at + (count & 3), 4);
        word = std::uint64_t{half} << (8 * (count & 3));
    }
    if ((count & 2) != 0) {
        std::uint16_t pair;
        __builtin_memcpy(&pair, at + (count & 1), 2);
        word |= std::uint64_t{pair} << (8 * (count & 1));
    }
    if ((count & 1) != 0) word |= static_cast<unsigned char>(*at);
    return word;
}

/// Bytes, padded with zeros to whole words. Returns the place behind them.
SPANRING_INLINE char* put_padded_at(char* place, const void* bytes, std::size_t count) noexcept {
    const char* from = static_cast<const char*>(bytes);
    for (; count >= 8; count -= 8, from += 8, place += 8) __builtin_memcpy(place, from, 8);
    if (count == 0) return place;
    put_at(place, last_word(from, count));
    return place + 8;
}
inline void put_padded(Writer* writer, const void* bytes, std::size_t count) noexcept {
    writer->cursor = put_padded_at(writer->cursor, bytes, count);
}

/// Returns the time as a delta to the page's base, or more than 32 bits if it does not fit.
SPANRING_INLINE std::uint64_t delta_now(const Writer* writer) noexcept {
    return shm::ticks(writer->clock_kind) - writer->base_ticks;
}

/// Pushes a plain child of the stack's top; there must be room.
SPANRING_INLINE void push_span(ThreadState* state, StackEntry* top, std::uint64_t key,
                               std::uint8_t flags) noexcept {
    state->top = top + 1;
    top[1].key = key;
    // No memory is meant: two stores cost less than one of a vector that is put together before.
    asm("" ::: "memory");
    top[1].root = top->kind == EntryKind::kNone ? key : top->root;
    top[1].block = top->block;
    top[1].detail_bytes = 0;
    top[1].kind = EntryKind::kSpan;
    top[1].flags = flags;
    top[1].epoch = 0;
}

/// Begins a span below the top of the stack, where it is then. Returns false if the slow path has
/// to; else `key` is the span's.
SPANRING_INLINE bool begin_fast(Writer* writer, std::uint32_t name, std::uint64_t& key) noexcept {
    spanring_thread_slot* slot;
    char* cursor;
    if (!enter(writer, 8, slot, cursor)) [[unlikely]]
        return false;
    ThreadState* state = state_of(writer);
    StackEntry* top = state->top;
    const std::uint64_t next = writer->next_key;
    const std::uint64_t delta = delta_now(writer);
    if ((delta >> 32) != 0 || top + 1 == state->limit) [[unlikely]] {
        leave(slot);
        return false;
    }
    writer->next_key = next + 1;
    push_span(state, top, next, 0);
    put_at(cursor,
           spanring_record_head(SPANRING_REC_BEGIN, name, static_cast<std::uint32_t>(delta)));
    publish_and_leave(writer, slot, cursor + 8);
    key = next;
    return true;
}

/// Whether `entry` is that span, and has of all flags at most some of `allowed`.
SPANRING_INLINE bool is_span(const StackEntry* entry, std::uint64_t key,
                             std::uint8_t allowed) noexcept {
    static_assert(offsetof(StackEntry, flags) == offsetof(StackEntry, kind) + 1);
    std::uint16_t both;  // kind, flags
    __builtin_memcpy(&both, &entry->kind, 2);
    const auto mask = static_cast<std::uint16_t>(~(allowed << 8));
    return entry->key == key && (both & mask) == static_cast<unsigned>(EntryKind::kSpan);
}

/// Ends the span on top. Returns false if it is not, or the slow path has to.
SPANRING_INLINE bool end_fast(Writer* writer, std::uint64_t key) noexcept {
    ThreadState* state = state_of(writer);
    StackEntry* top = state->top;
    if (!is_span(top, key, kEntryShared)) [[unlikely]]
        return false;
    spanring_thread_slot* slot;
    char* cursor;
    if (!enter(writer, 8, slot, cursor)) [[unlikely]]
        return false;
    const std::uint64_t delta = delta_now(writer);
    if ((delta >> 32) != 0) [[unlikely]] {
        leave(slot);
        return false;
    }
    // END or, if the context was handed on, END_SHARED: the next kind.
    const std::uint32_t kind = SPANRING_REC_END + (top->flags >> 1);
    state->top = top - 1;
    if ((top[-1].flags & kEntryGated) != 0) [[unlikely]]
        writer->gate = 0;
    put_at(cursor, spanring_record_head(kind, static_cast<std::uint32_t>(key),
                                        static_cast<std::uint32_t>(delta)));
    publish_and_leave(writer, slot, cursor + 8);
    return true;
}

}  // namespace spanring::detail
