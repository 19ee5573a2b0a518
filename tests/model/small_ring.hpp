// A ring that is small enough to be explored whole, and a writer and a reader on the real page-ring
// code. Every record is its number, so that a gap, a repetition or a torn record shows.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "scheduler.hpp"
#include "spanring/abi/segment_layout.h"
#include "spanring/shm/page_ring.hpp"

namespace spanring::model {

/// Pages of three records.
inline constexpr std::uint32_t kRecords = 3;
inline constexpr std::uint32_t kPageBytes = 192;
inline constexpr std::uint32_t kPagesMax = 2;
inline constexpr std::uint32_t kWritersMax = 2;

struct SmallRing {
    std::uint64_t states[kPagesMax];
    std::uint64_t stored[kPagesMax];
    std::uint64_t claim_next;
    std::uint64_t released_count;
    spanring_thread_slot slots[kWritersMax];
    std::uint32_t page_revoked[kPagesMax];  ///< only where a fix is undone
    alignas(64) std::byte pages[kPagesMax * kPageBytes];

    void reset() { std::memset(static_cast<void*>(this), 0, sizeof *this); }
    [[nodiscard]] shm::RingMemory memory() { return {states, stored, pages, kPageBytes}; }
    [[nodiscard]] std::uint64_t& record(std::uint32_t page, std::uint32_t offset) {
        return *reinterpret_cast<std::uint64_t*>(pages + page * kPageBytes + offset);
    }
};

/// What record number `index` of a stream holds: never zero, different for each stream.
inline std::uint64_t record_value(std::uint32_t stream, std::uint64_t index) {
    return (std::uint64_t{stream} + 1) * 1000 + index;
}

/// What the reader has got of each stream. Lives through one run.
struct Received {
    struct Position {
        std::uint32_t generation{0};
        std::uint32_t offset{0};
    };
    std::array<Position, kPagesMax> at{};
    std::array<std::uint64_t, kWritersMax> next{};
    std::array<std::uint64_t, kWritersMax> sequence{};  ///< of the page that comes next
};

/// One look of the consumer at one page: reads what is new, checks it, stores, releases.
/// `kReleaseFirst` is a seeded bug: the page is given back before it is read.
template <typename Atomics, bool kReleaseFirst = false>
void drain_page(Model& model, SmallRing& ring, Received& got, std::uint32_t page) {
    using Ring = shm::BasicPageRing<Atomics>;
    const shm::RingMemory memory = ring.memory();
    const shm::PagePeek seen = Ring::peek(memory, page);
    if (seen.state == SPANRING_PAGE_FREE) return;
    model.require(seen.owner == seen.start.stream, "a header of another stream");
    model.require(seen.start.base_ticks == 500 + seen.start.stream, "a torn header");
    // A stream's pages are read in the order of their sequence (ARCHITECTURE: order between
    // streams).
    if (seen.start.sequence != got.sequence[seen.start.stream]) return;
    Received::Position& position = got.at[page];
    if (position.generation != seen.generation) position = {seen.generation, SPANRING_PAGE_DATA};
    const bool full = seen.state == SPANRING_PAGE_FULL;
    if (kReleaseFirst && full) {
        Ring::release(memory, page, seen.generation, ring.released_count);
    }
    for (; position.offset < seen.committed; position.offset += 8) {
        // relaxed: ordered by the acquire of `committed` in peek.
        const std::uint64_t value =
            Atomics::load(ring.record(page, position.offset), std::memory_order_relaxed);
        std::uint64_t& next = got.next[seen.start.stream];
        model.require(value == record_value(seen.start.stream, next),
                      "a record lost, repeated or torn");
        ++next;
    }
    Ring::set_stored(memory, page, seen.generation, position.offset);
    if (full) ++got.sequence[seen.start.stream];
    if (!kReleaseFirst && full) {
        model.require(Ring::release(memory, page, seen.generation, ring.released_count),
                      "a full page that cannot be released");
    }
}

/// What a writing thread counts.
struct Written {
    std::uint64_t published{0};
    std::uint64_t dropped{0};
};

/// Writes `count` records, `per_page` to a page, each published by itself; drops what finds no
/// page.
template <typename Atomics>
void write_records(SmallRing& ring, Written& written, std::uint32_t stream, std::uint32_t count,
                   std::uint32_t per_page = kRecords) {
    using Ring = shm::BasicPageRing<Atomics>;
    const shm::RingMemory memory = ring.memory();
    shm::PageClaim claim;
    std::uint32_t end = 0;
    std::uint64_t sequence = 0;
    std::uint64_t next = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        if (!claim.valid()) {
            claim = Ring::claim(memory, kPagesMax, ring.claim_next, stream);
            if (!claim.valid()) {
                ++written.dropped;
                continue;
            }
            Ring::write_header(claim, {stream, sequence++, 500 + stream, 1});
            end = SPANRING_PAGE_DATA;
        }
        // relaxed: the release in publish() comes after.
        Atomics::store(ring.record(claim.page, end), record_value(stream, next++),
                       std::memory_order_relaxed);
        end += 8;
        Ring::publish(claim, end);
        // relaxed: stands for the look at WAITING. Who got here has published.
        (void)Atomics::load(ring.released_count, std::memory_order_relaxed);
        ++written.published;
        if (end == SPANRING_PAGE_DATA + 8 * per_page) {
            Ring::mark_full(memory, claim, stream);
            claim = {};
        }
    }
    if (claim.valid()) Ring::mark_full(memory, claim, stream);
}

}  // namespace spanring::model
