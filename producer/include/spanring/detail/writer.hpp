// A thread's writer: its place in the page, its stack, its stash. hot_path.hpp writes through it.
//
//   Writer (MADV_WIPEONFORK)      cursor, end, committed word, base time, next key, slot
//   ThreadState (ordinary)        the stack of open spans and attached contexts; outlives fork
//
// Both lie in a slab at a constant distance, so one thread-local pointer reaches them. Any thread,
// and signal handlers: only the outermost tracepoint of a thread touches the writer; one that finds
// `nesting` set goes to the slow path, which stashes or drops it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "spanring/abi/control_layout.h"
#include "spanring/abi/page_layout.h"
#include "spanring/abi/record_layout.h"
#include "spanring/abi/segment_layout.h"

#define SPANRING_HIDDEN __attribute__((visibility("hidden")))
#define SPANRING_INLINE inline __attribute__((always_inline))

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

inline constexpr std::size_t kStackInline = 118;

// Writers, thread states, thread slots (256 bytes) and page headers all begin at multiples of 256
// in pages of memory of their own, so what a tracepoint writes would easily have equal low 12
// address bits. A load behind a store to another address with the same ones takes twice as long on
// many processors, and the next tracepoint begins with those loads. So each has bytes of its own:
//
//     0 nesting, ordinal, losses of the slot (64 committed of the page)
//   128 ThreadState: base to limit      160 Writer: full_at to clock_kind
//   288 the stack                       384 the stash

/// A thread's part that a forked child still wants to see.
struct ThreadState {
    std::uint64_t owner;  ///< pthread_self() of the thread, the same in a forked child; 0: free
    std::uint64_t* lost_ends;  ///< keys of async spans whose lost ends are still to be told
    std::uint32_t lost_ends_count;
    std::uint32_t lost_ends_capacity;
    std::uint32_t next_serial;
    std::uint32_t epoch;    ///< instance that the stack's keys belong to
    std::uint32_t tid;      ///< tells the thread from a dead one with the same pthread_self()
    std::uint32_t copies;   ///< of the library, whose `t_writer` is this thread's writer
    std::uint32_t exiting;  ///< the thread gives it back: its signal handlers get no writer
    std::uint32_t inside;   ///< as Writer::busy, also in a child that a signal handler forks
    std::uint64_t reserved_0[10];
    StackEntry* base;           ///< the sentinel
    std::uint32_t known_depth;  ///< while out of step: outermost entries that the reader has right
    std::uint32_t reserved_1;
    StackEntry* top;
    StackEntry* limit;  ///< one past the last usable entry
    std::uint64_t reserved_2[16];
    StackEntry stack[kStackInline];
};
static_assert(offsetof(ThreadState, base) == 128 && offsetof(ThreadState, stack) == 288);

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
    std::uint64_t next_sequence;
    Writer* next_orphan;
    HeldSegment* segment;  ///< where slot and page are, held as long as `slot` is set
    std::uint32_t stream;
    std::uint32_t page;  ///< index and generation of the claimed page; generation 0: none
    std::uint32_t generation;
    std::uint32_t busy;    ///< a slow path runs: as slot->nesting, but there without a slot, too
    std::uint32_t resync;  ///< the next page's snapshot must be taken as the truth
    std::uint32_t import_open;    ///< an import was cut: IMPORT_ABORT comes first
    std::uint32_t reserve_count;  ///< pages claimed ahead: this one, and those chained behind it
    std::uint32_t reserve_page;
    std::uint32_t reserve_generation;
    std::uint32_t keep_slot;  ///< spans of the exiting thread are open: nobody takes the slot over
    std::uint32_t reserved_0[24];

    std::uint64_t full_at;  ///< pages released when the ring was found full, + 1; 0: it was not
    const std::uint64_t* released;  ///< pages released by now, in the segment
    std::uint32_t drop_gate;        ///< as `gate`, while spans are dropped: src/drop.cpp
    std::uint32_t reserved_1[2];
    std::uint32_t epoch;  ///< instance that the page belongs to
    char* cursor;
    char* end;
    std::uint64_t* committed;  ///< the page header's word
    std::uint64_t mark_bias;   ///< committed = mark_bias + cursor: generation << 32 - page address
    std::uint64_t base_ticks;
    std::uint64_t next_key;  ///< stream << 48 | next ordinal
    spanring_thread_slot* slot;
    std::uint32_t gate;  ///< gate_word() of the flags at which the hot path may pass; 0: never
    std::uint32_t clock_kind;

    std::uint64_t reserved_2[16];
    Stash stash;
};
static_assert(offsetof(Writer, full_at) == 160 && offsetof(Writer, cursor) == 192);
static_assert(offsetof(Writer, stash) == 384);

inline constexpr std::size_t kWriterStride = 4096;
inline constexpr std::size_t kSlabWriters = 16;
static_assert(sizeof(Writer) <= kWriterStride && sizeof(ThreadState) <= kWriterStride);

/// The calling thread's writer; at first a shared all-zero one that nobody writes.
extern SPANRING_HIDDEN __thread Writer* t_writer;
/// The word that every tracepoint reads: the control page's flags, or, before the first tracepoint,
/// a constant that leads to the slow path.
extern SPANRING_HIDDEN const std::uint32_t* g_flags;

SPANRING_INLINE ThreadState* state_of(Writer* writer) noexcept {
    return reinterpret_cast<ThreadState*>(reinterpret_cast<char*>(writer) +
                                          kSlabWriters * kWriterStride);
}

SPANRING_INLINE std::uint32_t load_flags() noexcept {
    // acquire: pairs with the release in set_flags_word(), which another thread's mapping precedes.
    const std::uint32_t* flags = __atomic_load_n(&g_flags, __ATOMIC_ACQUIRE);
    // relaxed: the flags carry no data.
    return __atomic_load_n(flags, __ATOMIC_RELAXED);
}
SPANRING_INLINE bool enabled(std::uint32_t flags) noexcept {
    return (flags & SPANRING_FLAG_ENABLED) != 0;
}
/// What a writer's gate is compared with. Never 0, so that 0 is a gate through which nobody passes;
/// a sleeping consumer makes no difference. Who passes need not look at `enabled`: no gate is
/// opened without it.
SPANRING_INLINE std::uint32_t gate_word(std::uint32_t flags) noexcept {
    return flags | SPANRING_FLAG_WAITING;
}

}  // namespace spanring::detail
