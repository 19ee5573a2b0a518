// The hot path: a thread's writer, and begin, end and plain details written straight into its page.
//
//   Writer (MADV_WIPEONFORK)      cursor, end, committed word, base time, next key, slot
//   ThreadState (ordinary)        the stack of open spans and attached contexts; outlives fork
//
// Both lie in a slab at a constant distance, so one thread-local pointer reaches them. Any thread,
// and signal handlers: only the outermost tracepoint of a thread touches the writer; one that finds
// `nesting` set goes to the slow path, which stashes or drops it. Nothing here calls the system,
// takes a lock or allocates; whatever is unusual returns false and the caller goes out of line.
#pragma once

#include <cstddef>
#include <cstdint>

#include "spanring/abi/control_layout.h"
#include "spanring/abi/page_layout.h"
#include "spanring/abi/record_layout.h"
#include "spanring/abi/segment_layout.h"
#include "spanring/shm/clock.hpp"

#define SPANRING_HIDDEN __attribute__((visibility("hidden")))

namespace spanring::detail {

enum class ContextKind : std::uint8_t { kEmpty, kLocal, kRemote };
struct ContextBlock;   // remote ids, tracestate, baggage: src/context_block.hpp
struct ContextAccess;  // src/context_block.hpp
struct HeldSegment;    // src/process.hpp

enum class EntryKind : std::uint8_t { kNone, kSpan, kLocal, kRemote };

/// Bits of StackEntry::flags. The first two have the values of SPANRING_OPEN_*.
inline constexpr std::uint8_t kEntryLost = SPANRING_OPEN_LOST;
inline constexpr std::uint8_t kEntryShared = SPANRING_OPEN_SHARED;
/// The span stands on a context of its own, which its end takes away too.
inline constexpr std::uint8_t kEntryOwnsContext = 0x4;
/// On top, begins need the slow path: not sampled, or there is tracestate or baggage to record.
inline constexpr std::uint8_t kEntryGated = 0x8;
/// Not sampled: nothing below is recorded.
inline constexpr std::uint8_t kEntrySuppressed = 0x10;
/// The reader does not know the span's tracestate: it was lost. Its children say theirs.
inline constexpr std::uint8_t kEntryStateLost = 0x20;
/// A span that outlived the context below whose block it uses, and holds that reference now.
inline constexpr std::uint8_t kEntryOwnsBlock = 0x40;

/// An open span or an attached context. The first entry of a stack is always a kNone sentinel.
struct StackEntry {
    std::uint64_t key;    ///< of the span; kNone: 0; kRemote: 0, or of a span of a replaced segment
    std::uint64_t root;   ///< key of the trace's first span; 0: the trace is foreign
    ContextBlock* block;  ///< foreign ids, tracestate, baggage in force; owned by contexts only
    std::uint32_t detail_bytes;  ///< of the span so far; contexts: serial number of the Scope
    EntryKind kind;
    std::uint8_t flags;
    std::uint16_t epoch;  ///< kRemote with a key: low bits of the instance that the span was of
};

inline constexpr std::size_t kStackInline = 120;

/// A thread's part that a forked child still wants to see.
struct ThreadState {
    StackEntry* top;
    StackEntry* limit;  ///< one past the last usable entry
    StackEntry* base;   ///< the sentinel
    std::uint32_t next_serial;
    std::uint32_t epoch;    ///< instance that the stack's keys belong to
    std::uint64_t owner;    ///< pthread_self() of the thread, the same in a forked child; 0: free
    std::uint32_t tid;      ///< tells the thread from a dead one with the same pthread_self()
    std::uint32_t copies;   ///< of the library, whose `t_writer` is this thread's writer
    std::uint32_t exiting;  ///< the thread gives it back: its signal handlers get no writer
    std::uint32_t inside;   ///< as Writer::busy, also in a child that a signal handler forks
    std::uint64_t* lost_ends;  ///< keys of async spans whose lost ends are still to be told
    std::uint32_t lost_ends_count;
    std::uint32_t lost_ends_capacity;
    std::uint32_t known_depth;  ///< while out of step: outermost entries that the reader has right
    StackEntry stack[kStackInline];
};

inline constexpr std::size_t kStashBytes = 2048;

/// What a signal handler over an interrupted tracepoint leaves for it to write.
struct Stash {
    std::uint32_t used;      ///< bytes reserved, by handlers
    std::uint32_t consumed;  ///< bytes written out, by the outermost tracepoint
    std::uint32_t spans;     ///< begins in it
    std::uint32_t reserved;
    std::byte bytes[kStashBytes];
};

/// A thread's place in its page. All-zero (a new thread, a forked child): every check fails.
struct alignas(64) Writer {
    char* cursor;
    char* end;
    std::uint64_t* committed;  ///< the page header's word
    std::uint64_t mark_bias;   ///< committed = mark_bias + cursor: generation << 32 - page address
    std::uint64_t base_ticks;
    std::uint64_t next_key;  ///< stream << 48 | next ordinal
    spanring_thread_slot* slot;
    std::uint32_t gate;  ///< the control flags at which the hot path may pass; 0: never
    std::uint32_t clock_kind;

    std::uint32_t epoch;  ///< instance that the page belongs to
    std::uint32_t stream;
    std::uint32_t page;  ///< index and generation of the claimed page; generation 0: none
    std::uint32_t generation;
    std::uint64_t next_sequence;
    std::uint32_t busy;    ///< a slow path runs: as slot->nesting, but there without a slot, too
    std::uint32_t resync;  ///< the next page's snapshot must be taken as the truth
    std::uint32_t import_open;    ///< an import was cut: IMPORT_ABORT comes first
    std::uint32_t reserve_first;  ///< page claimed ahead + 1, chained in the pages; 0: none
    std::uint32_t reserve_generation;
    std::uint32_t keep_slot;  ///< spans of the exiting thread are open: nobody takes the slot over
    std::uint64_t full_at;    ///< pages released when the ring was found full, + 1; 0: it was not
    Writer* next_orphan;
    HeldSegment* segment;  ///< where slot and page are, held as long as `slot` is set
    Stash stash;
};

inline constexpr std::size_t kWriterStride = 4096;
inline constexpr std::size_t kSlabWriters = 16;
static_assert(sizeof(Writer) <= kWriterStride && sizeof(ThreadState) <= kWriterStride);

/// The calling thread's writer; at first a shared all-zero one that nobody writes.
extern SPANRING_HIDDEN __thread Writer* t_writer;
/// The word that every tracepoint reads: the control page's flags, or, before the first tracepoint,
/// a constant that leads to the slow path.
extern SPANRING_HIDDEN const std::uint32_t* g_flags;

inline ThreadState* state_of(Writer* writer) noexcept {
    return reinterpret_cast<ThreadState*>(reinterpret_cast<char*>(writer) +
                                          kSlabWriters * kWriterStride);
}

inline std::uint32_t load_flags() noexcept {
    // acquire: pairs with the release in set_flags_word(), which another thread's mapping precedes.
    const std::uint32_t* flags = __atomic_load_n(&g_flags, __ATOMIC_ACQUIRE);
    // relaxed: the flags carry no data.
    return __atomic_load_n(flags, __ATOMIC_RELAXED);
}
inline bool enabled(std::uint32_t flags) noexcept {
    return (flags & SPANRING_FLAG_ENABLED) != 0;
}

/// Keeps the compiler, and so a signal handler of this thread, to the order of the source.
inline void signal_fence() noexcept {
    // seq_cst signal fence: pairs with the handler of the same thread; no instruction.
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/// Out of line: writes the stash out, wakes the consumer.
SPANRING_HIDDEN void after_slow(Writer* writer) noexcept;

/// Enters the writer if it has `bytes` of room and this is the outermost tracepoint.
inline bool enter(Writer* writer, std::size_t bytes) noexcept {
    spanring_thread_slot* slot = writer->slot;
    // relaxed: written by this thread only; a value other than 0 is our own interrupted tracepoint.
    if (__atomic_load_n(&slot->nesting, __ATOMIC_RELAXED) != 0) return false;
    // relaxed: the consumer's membarrier orders it before the load of `revoked`.
    __atomic_store_n(&slot->nesting, 1U, __ATOMIC_RELAXED);
    signal_fence();
    // relaxed: see above; the consumer looks at `nesting` after it has set `revoked`.
    const bool taken = __atomic_load_n(&slot->revoked, __ATOMIC_RELAXED) != 0;
    if (!taken && static_cast<std::size_t>(writer->end - writer->cursor) >= bytes) [[likely]] {
        return true;
    }
    // release: pairs with the consumer's acquire of `nesting`; nothing was written.
    __atomic_store_n(&slot->nesting, 0U, __ATOMIC_RELEASE);
    return false;
}

/// Leaves without having published anything.
inline void leave(Writer* writer) noexcept {
    signal_fence();
    // release: pairs with the consumer's acquire of `nesting` when it takes an idle page.
    __atomic_store_n(&writer->slot->nesting, 0U, __ATOMIC_RELEASE);
}

/// Publishes up to the cursor and leaves.
inline void publish_and_leave(Writer* writer) noexcept {
    // release: pairs with the acquire of `committed` in PageRing::peek: the records come first.
    __atomic_store_n(writer->committed,
                     writer->mark_bias + reinterpret_cast<std::uintptr_t>(writer->cursor),
                     __ATOMIC_RELEASE);
    leave(writer);
    signal_fence();
    if (writer->stash.used != 0 || (load_flags() & SPANRING_FLAG_WAITING) != 0) [[unlikely]] {
        after_slow(writer);
    }
}

inline void put(Writer* writer, std::uint64_t word) noexcept {
    __builtin_memcpy(writer->cursor, &word, 8);
    writer->cursor += 8;
}

/// Bytes, padded with zeros to whole words.
inline void put_padded(Writer* writer, const void* bytes, std::size_t count) noexcept {
    if (count == 0) return;
    const std::size_t words = (count + 7) & ~std::size_t{7};
    __builtin_memset(writer->cursor + words - 8, 0, 8);
    __builtin_memcpy(writer->cursor, bytes, count);
    writer->cursor += words;
}

/// Returns the time as a delta to the page's base, or more than 32 bits if it does not fit.
inline std::uint64_t delta_now(const Writer* writer) noexcept {
    return shm::ticks(writer->clock_kind) - writer->base_ticks;
}

/// Begins a span below the top of the stack. Returns false if the slow path has to.
inline bool begin_fast(Writer* writer, std::uint32_t name) noexcept {
    if (!enter(writer, 8)) return false;
    ThreadState* state = state_of(writer);
    const std::uint64_t delta = delta_now(writer);
    StackEntry* top = state->top;
    if ((delta >> 32) != 0 || top + 1 == state->limit) [[unlikely]] {
        leave(writer);
        return false;
    }
    put(writer, spanring_record_head(SPANRING_REC_BEGIN, name, static_cast<std::uint32_t>(delta)));
    const std::uint64_t key = writer->next_key++;
    top[1] = {
        key, top->kind == EntryKind::kNone ? key : top->root, top->block, 0, EntryKind::kSpan, 0,
        0};
    state->top = top + 1;
    publish_and_leave(writer);
    return true;
}

/// Ends the span on top. Returns false if it is not, or the slow path has to.
inline bool end_fast(Writer* writer, std::uint64_t key) noexcept {
    ThreadState* state = state_of(writer);
    StackEntry* top = state->top;
    if (top->key != key || top->kind != EntryKind::kSpan || (top->flags & ~kEntryShared) != 0 ||
        !enter(writer, 8)) {
        return false;
    }
    const std::uint64_t delta = delta_now(writer);
    if ((delta >> 32) != 0) [[unlikely]] {
        leave(writer);
        return false;
    }
    // END or, if the context was handed on, END_SHARED: the next kind.
    const std::uint32_t kind = SPANRING_REC_END + (top->flags >> 1);
    put(writer, spanring_record_head(kind, static_cast<std::uint32_t>(key),
                                     static_cast<std::uint32_t>(delta)));
    state->top = top - 1;
    if ((top[-1].flags & kEntryGated) != 0) [[unlikely]]
        writer->gate = 0;
    publish_and_leave(writer);
    return true;
}

/// Writes a record of one or two words for the span on top: an attribute or an event. `timed`: the
/// low half of `head` becomes the time. Returns false if the span is not on top, or the slow path
/// has to.
inline bool detail_fast(Writer* writer, std::uint64_t key, std::uint64_t head, bool timed,
                        const std::uint64_t* body) noexcept {
    StackEntry* top = state_of(writer)->top;
    const std::size_t bytes = body != nullptr ? 16 : 8;
    if (top->key != key || top->kind != EntryKind::kSpan ||
        (top->flags & (kEntryLost | kEntryShared)) != 0 ||
        top->detail_bytes > SPANRING_SPAN_BYTES_MAX - 16 || !enter(writer, bytes)) {
        return false;
    }
    if (timed) {
        const std::uint64_t delta = delta_now(writer);
        if ((delta >> 32) != 0) [[unlikely]] {
            leave(writer);
            return false;
        }
        head |= delta << 32;
    }
    put(writer, head);
    if (body != nullptr) put(writer, *body);
    top->detail_bytes += 16;  // what it takes in the database: an event's time is 8 bytes there
    publish_and_leave(writer);
    return true;
}

/// Longer strings take the slow path.
inline constexpr std::size_t kTextFastMax = 512;

/// As detail_fast, for the string attribute `key_number`. Returns false also if it is long.
inline bool text_fast(Writer* writer, std::uint64_t key, std::uint32_t key_number, const void* text,
                      std::size_t count) noexcept {
    StackEntry* top = state_of(writer)->top;
    const std::size_t words = (count + 7) & ~std::size_t{7};
    if (count > kTextFastMax || top->key != key || top->kind != EntryKind::kSpan ||
        (top->flags & (kEntryLost | kEntryShared)) != 0 ||
        top->detail_bytes > SPANRING_SPAN_BYTES_MAX - 8 - kTextFastMax ||
        !enter(writer, 8 + words)) {
        return false;
    }
    put(writer, spanring_record_head(SPANRING_REC_ATTR_STRING, key_number,
                                     static_cast<std::uint32_t>(count)));
    put_padded(writer, text, count);
    top->detail_bytes += static_cast<std::uint32_t>(8 + words);
    publish_and_leave(writer);
    return true;
}

}  // namespace spanring::detail
