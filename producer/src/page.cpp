// Pages: giving one up, getting the next, waiting for room, and what a thread owes when it ends.
#include <time.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "spanring/base/testpoint.hpp"
#include "spanring/shm/doorbell.hpp"
#include "tracepoint.hpp"

namespace spanring::detail {
namespace {

/// A blocked writer looks again after this long, then twice as long, ...
constexpr std::uint64_t kWaitNsFirst = 20'000;
/// ... up to the consumer's default turn.
constexpr std::uint64_t kWaitNsMost = 1'000'000;
/// A snapshot takes at most this part of a page's records.
constexpr std::size_t kSnapshotShare = 2;

void sleep_ns(std::uint64_t ns) noexcept {
    const timespec span{0, static_cast<long>(ns)};
    ::nanosleep(&span, nullptr);
}

shm::PageClaim claim_of(const Writer& writer, std::uint32_t page,
                        std::uint32_t generation) noexcept {
    return {page, generation, &segment_of(writer).ring().header(page)};
}

/// Waits, within the block time, for the consumer to release a page. One wait in vain is enough
/// until something is released: a dead consumer must not stop the application at each tracepoint.
shm::PageClaim wait_for_page(Process& process, Writer& writer) noexcept {
    shm::SegmentWriter& segment = segment_of(writer);
    // relaxed: a hint; at worst another thread waits in vain, too.
    if (__atomic_load_n(&process.gave_up_at, __ATOMIC_RELAXED) == segment.released_count() + 1) {
        return {};
    }
    const std::uint64_t end_at = shm::monotonic_ns() + block_ns_of(process);
    std::uint64_t pause = kWaitNsFirst;
    for (;;) {
        shm::ring_if_waiting(process.control->flags, process.doorbell->word);
        SPANRING_TESTPOINT("turn.waiting");
        sleep_ns(pause);
        pause = pause < kWaitNsMost ? pause * 2 : pause;
        if (replaced(process, writer)) return {};
        const std::uint64_t released = segment.released_count();
        const shm::PageClaim claim = segment.claim_page(writer.stream);
        if (claim.valid()) return claim;
        if (shm::monotonic_ns() >= end_at) {
            // relaxed: as above.
            __atomic_store_n(&process.gave_up_at, released + 1, __ATOMIC_RELAXED);
            return {};
        }
    }
}

/// A page that nobody has.
shm::PageClaim claim_free(Process& process, Writer& writer, bool may_wait,
                          LossReason& reason) noexcept {
    if (replaced(process, writer)) {
        reason = LossReason::kRingFull;
        return {};
    }
    shm::SegmentWriter& segment = segment_of(writer);
    for (;;) {
        const shm::PageClaim found = segment.claim_page(writer.stream);
        if (found.valid()) return found;
        const shm::Growth growth = segment.grow();
        if (growth == shm::Growth::kGrown) continue;
        reason = growth == shm::Growth::kNoSpace ? LossReason::kNoMemory : LossReason::kRingFull;
        if (!may_wait || !may_block(process)) return {};
        return wait_for_page(process, writer);
    }
}

/// One that was claimed ahead, or a free one.
shm::PageClaim claim(Process& process, Writer& writer, bool may_wait, LossReason& reason) noexcept {
    if (writer.reserve_count == 0 || replaced(process, writer)) {
        return claim_free(process, writer, may_wait, reason);
    }
    const auto ahead = claim_of(writer, writer.reserve_page, writer.reserve_generation);
    // The chain stands where the records will.
    std::memcpy(&writer.reserve_page, ahead.bytes() + SPANRING_PAGE_DATA, 4);
    std::memcpy(&writer.reserve_generation, ahead.bytes() + SPANRING_PAGE_DATA + 4, 4);
    --writer.reserve_count;
    return ahead;
}

void install(Writer& writer, const shm::PageClaim& page) noexcept {
    const std::uint64_t now = shm::ticks(writer.clock_kind);
    const std::uint64_t ordinal = SpanKey{writer.next_key}.ordinal();
    shm::PageRing::write_header(page, {writer.stream, writer.next_sequence, now, ordinal});
    ++writer.next_sequence;
    // relaxed, both: read when the slot's state or the page's header has been acquired.
    __atomic_store_n(&writer.slot->next_sequence, writer.next_sequence, __ATOMIC_RELAXED);
    __atomic_store_n(&writer.slot->next_ordinal, ordinal, __ATOMIC_RELAXED);
    char* start = reinterpret_cast<char*>(page.header);
    writer.cursor = start + SPANRING_PAGE_DATA;
    writer.end = start + segment_of(writer).page_bytes();
    writer.committed = &page.header->committed;
    writer.mark_bias =
        (std::uint64_t{page.generation} << 32) - reinterpret_cast<std::uintptr_t>(start);
    writer.base_ticks = now;
    writer.page = page.page;
    writer.generation = page.generation;
    writer.full_at = 0;
    const auto records = static_cast<std::size_t>(writer.end - writer.cursor);
    if (put_snapshot(writer, *state_of(&writer), records / kSnapshotShare)) writer.resync = 0;
    if (writer.import_open != 0) {
        put(&writer, spanring_record_head(SPANRING_REC_IMPORT_ABORT, 0, 0));
        writer.import_open = 0;
    }
}

/// LOST_END records, as far as there is room beyond `needed`.
void tell_lost_ends(Writer& writer, std::size_t needed) noexcept {
    ThreadState& state = *state_of(&writer);
    while (state.lost_ends_count != 0 &&
           static_cast<std::size_t>(writer.end - writer.cursor) >= needed + 16) {
        put(&writer, spanring_record_head(SPANRING_REC_LOST_END, 0, 0));
        put(&writer, state.lost_ends[--state.lost_ends_count]);
    }
}

/// A page without content still has a record: only pages with one are looked at.
void put_empty_snapshot(Writer& writer) noexcept {
    if (state_of(&writer)->top == state_of(&writer)->base) {
        put(&writer, spanring_record_head(SPANRING_REC_SNAPSHOT, 0, 0));
    }
}

void publish_page(Writer& writer) noexcept {
    // release: pairs with the acquire of `committed` in PageRing::peek.
    __atomic_store_n(writer.committed,
                     writer.mark_bias + reinterpret_cast<std::uintptr_t>(writer.cursor),
                     __ATOMIC_RELEASE);
}

}  // namespace

bool replaced(const Process& process, const Writer& writer) noexcept {
    return writer.epoch != epoch_of(process);
}

void seal_page(Process& process, Writer& writer) noexcept {
    if (writer.generation != 0 && !replaced(process, writer)) {
        segment_of(writer).mark_full(claim_of(writer, writer.page, writer.generation),
                                     writer.stream);
    }
    writer.generation = 0;
    writer.cursor = nullptr;
    writer.end = nullptr;
}

void yield_taken_page(Process& process, Writer& writer) noexcept {
    // relaxed: the consumer has taken the page already; clearing it lets us go on.
    if (__atomic_load_n(&writer.slot->revoked, __ATOMIC_RELAXED) == 0) return;
    seal_page(process, writer);
    // release: pairs with the consumer's acquire: the page is given up.
    __atomic_store_n(&writer.slot->revoked, 0U, __ATOMIC_RELEASE);
}

bool turn_page(Process& process, Writer& writer, std::size_t needed, LossReason& reason) noexcept {
    do {
        if (writer.generation != 0) publish_page(writer);
        const shm::PageClaim page = claim(process, writer, true, reason);
        if (!page.valid()) {
            // Told of the stack in part only: nothing but the rest may follow.
            if (writer.resync != 0) seal_page(process, writer);
            return false;
        }
        SPANRING_TESTPOINT("turn.claimed");
        seal_page(process, writer);
        SPANRING_TESTPOINT("turn.sealed");
        install(writer, page);
        SPANRING_TESTPOINT("turn.installed");
    } while (writer.resync != 0);
    tell_lost_ends(writer, needed);
    return true;
}

namespace {

// The chain is written into the pages themselves, where the first record will stand: to a reader
// they are empty until the header says their generation.
bool claim_chain(Process& process, Writer& writer, std::size_t pages, LossReason& reason) noexcept {
    // Of the last value's pages some may be left: it never takes more than were claimed for it.
    while (writer.reserve_count < pages) {
        const shm::PageClaim page = claim_free(process, writer, true, reason);
        if (!page.valid()) return false;
        std::memcpy(page.bytes() + SPANRING_PAGE_DATA, &writer.reserve_page, 4);
        std::memcpy(page.bytes() + SPANRING_PAGE_DATA + 4, &writer.reserve_generation, 4);
        writer.reserve_page = page.page;
        writer.reserve_generation = page.generation;
        ++writer.reserve_count;
    }
    return true;
}

}  // namespace

bool claim_ahead(Process& process, Writer& writer, std::size_t pages, LossReason& reason) noexcept {
    bool claimed = false;
    if (may_block(process)) {
        // Two that wait with pages in their hands would wait for each other.
        const OwnerGuard guard(process.wiped->ahead_lock);
        claimed = guard && claim_chain(process, writer, pages, reason);
    } else {
        claimed = claim_chain(process, writer, pages, reason);
    }
    if (!claimed) drop_claims(process, writer);
    return claimed;
}

void drop_claims(Process& process, Writer& writer) noexcept {
    LossReason reason{};
    while (writer.reserve_count != 0) {
        if (writer.generation != 0) publish_page(writer);
        const shm::PageClaim page = claim(process, writer, false, reason);
        if (!page.valid()) {
            writer.reserve_count = 0;  // went with the segment that they were claimed in
            return;
        }
        seal_page(process, writer);
        install(writer, page);
        put_empty_snapshot(writer);
        publish_page(writer);
    }
}

void remember_lost_end(Writer& writer, std::uint64_t key) noexcept {
    ThreadState& state = *state_of(&writer);
    if (state.lost_ends_count == state.lost_ends_capacity) {
        const std::uint32_t capacity =
            state.lost_ends_capacity == 0 ? 64 : 2 * state.lost_ends_capacity;
        if (capacity > kLostEndsMax) return;
        void* keys = std::realloc(state.lost_ends, capacity * sizeof(std::uint64_t));
        if (keys == nullptr) return;
        state.lost_ends = static_cast<std::uint64_t*>(keys);
        state.lost_ends_capacity = capacity;
    }
    state.lost_ends[state.lost_ends_count++] = key;
}

bool settle_debts(Process& process, Writer& writer) noexcept {
    if (replaced(process, writer)) return true;  // its segment's reader is told nothing any more
    LossReason reason{};
    while (writer.resync != 0 || writer.import_open != 0 ||
           state_of(&writer)->lost_ends_count != 0) {
        if (writer.generation != 0) publish_page(writer);
        const shm::PageClaim page = claim(process, writer, false, reason);
        if (!page.valid()) {
            if (writer.resync != 0) seal_page(process, writer);
            return false;
        }
        seal_page(process, writer);
        install(writer, page);
        put_empty_snapshot(writer);
        tell_lost_ends(writer, 0);
        publish_page(writer);
    }
    return true;
}

bool settle_orphans(Process& process) noexcept {
    const OwnerGuard guard(process.wiped->lock);
    return guard && settle_orphans_locked(process);
}

bool settle_orphans_locked(Process& process) noexcept {
    while (Writer* orphan = process.wiped->orphans) {
        if (!settle_debts(process, *orphan)) return false;
        seal_page(process, *orphan);
        process.wiped->orphans = orphan->next_orphan;
        retire(process, *orphan);
    }
    return true;
}

void leave_segment(Process& process, Writer& writer) noexcept {
    writer.gate = 0;  // the hot path takes a slot for granted
    writer.drop_gate = 0;
    signal_fence();
    writer.slot = nullptr;
    signal_fence();
    writer.cursor = nullptr;
    writer.end = nullptr;
    writer.generation = 0;
    writer.reserve_count = 0;
    writer.resync = 0;
    writer.full_at = 0;
    writer.import_open = 0;
    writer.epoch = 0;
    let_go(process, std::exchange(writer.segment, nullptr));
}

namespace {

/// Until then a snapshot may have to tell of contexts.
void drop_stack(ThreadState& state) noexcept {
    for (StackEntry* entry = state.top; entry != state.base; --entry) {
        if (owns_block(*entry)) release(entry->block);
    }
    init_stack(state);
}

}  // namespace

void retire(Process& process, Writer& writer) noexcept {
    ThreadState& state = *state_of(&writer);
    drop_stack(state);
    if (writer.slot != nullptr) {
        // relaxed: release_slot publishes it.
        __atomic_store_n(&writer.slot->next_ordinal, SpanKey{writer.next_key}.ordinal(),
                         __ATOMIC_RELAXED);
        // relaxed: as above; nobody is in a tracepoint of this slot any more.
        __atomic_store_n(&writer.slot->nesting, 0U, __ATOMIC_RELAXED);
        if (!writer.keep_slot && !replaced(process, writer)) {
            segment_of(writer).release_slot(writer.stream);
        }
        leave_segment(process, writer);
    }
    std::free(state.lost_ends);
    state.lost_ends = nullptr;
    state.lost_ends_count = state.lost_ends_capacity = 0;
    // release: pairs with the acquire in owner_of().
    __atomic_store_n(&state.owner, std::uint64_t{0}, __ATOMIC_RELEASE);
}

void thread_exit(Process& process, Writer& writer) noexcept {
    SPANRING_TESTPOINT("thread.exiting");
    ThreadState& state = *state_of(&writer);
    const bool current = writer.slot != nullptr && !replaced(process, writer);
    if (current) {
        // relaxed: written by this thread only, see Tracepoint.
        __atomic_store_n(&writer.slot->nesting, 1U, __ATOMIC_RELAXED);
        writer.busy = 1;
        signal_fence();
        yield_taken_page(process, writer);
    } else {
        if (writer.slot != nullptr) leave_segment(process, writer);
        state.lost_ends_count = 0;
    }
    // A span that is still open may be ended by another thread: its stream must not be taken over.
    for (StackEntry* entry = state.top; entry != state.base; --entry) {
        if (entry->kind == EntryKind::kSpan && (entry->flags & kEntryLost) == 0) {
            writer.keep_slot = 1;
        }
    }
    if (!writer.keep_slot) drop_stack(state);
    if (current) {
        drop_claims(process, writer);
        if (!settle_debts(process, writer)) {
            seal_page(process, writer);
            state.owner = kOrphanOwner;
            writer.next_orphan = process.wiped->orphans;
            process.wiped->orphans = &writer;
            return;
        }
        seal_page(process, writer);
    }
    retire(process, writer);
}

}  // namespace spanring::detail
