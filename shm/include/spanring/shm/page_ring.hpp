// The ring of pages: claim, header, publish, full (producer); peek, stored, release, take
// (consumer).
//
//     claim            publish ...        mark_full            set_stored, release
//   free ─CAS─► writing(owner) ───────────────► full ─────────────────────────► free
//        gen+1       │   take (of an idle thread, revoked first)   ▲
//                    └─────────────────────────────────────────────┘
//
// Producer functions: the thread that owns the page. Consumer functions: the one consumer; `peek`
// and `published_mark` also any observer. Nothing here blocks, allocates or calls the system.
#pragma once

#include <cstddef>
#include <cstdint>

#include "spanring/abi/page_layout.h"
#include "spanring/base/testpoint.hpp"
#include "spanring/shm/atomics.hpp"

namespace spanring::shm {

/// Where the parts of the ring lie in this process.
struct RingMemory {
    std::uint64_t* states{nullptr};
    std::uint64_t* stored{nullptr};
    std::byte* pages{nullptr};
    std::uint32_t page_bytes{0};

    [[nodiscard]] spanring_page_header& header(std::uint32_t page) const noexcept {
        return *reinterpret_cast<spanring_page_header*>(pages + std::uint64_t{page} * page_bytes);
    }
};

/// A page that a thread owns.
struct PageClaim {
    std::uint32_t page{0};
    std::uint32_t generation{0};
    spanring_page_header* header{nullptr};

    [[nodiscard]] bool valid() const noexcept { return header != nullptr; }
    /// Offsets count from the start of the page: records stand in [SPANRING_PAGE_DATA, page_bytes).
    [[nodiscard]] std::byte* bytes() const noexcept { return reinterpret_cast<std::byte*>(header); }
};

/// What the first record of a page starts from.
struct PageStart {
    std::uint32_t stream{0};
    std::uint64_t sequence{0};
    std::uint64_t base_ticks{0};
    std::uint64_t first_ordinal{0};
};

/// A page as a reader saw it. `committed` counts from the start of the page. Nothing but `state`
/// and `generation` has been checked: bounds are the reader's business.
struct PagePeek {
    std::uint32_t state{SPANRING_PAGE_FREE};  ///< SPANRING_PAGE_FREE: empty, ignore the rest
    std::uint32_t generation{0};
    std::uint32_t owner{0};  ///< stream in the state word; the header's must be the same
    PageStart start;
    std::uint32_t committed{0};
};

template <typename Atomics>
struct BasicPageRing {
    // ---- producer ----

    /// Claims one page for `stream` if it is free. Returns an invalid claim if it is not, or if
    /// another thread was faster.
    static PageClaim try_claim(const RingMemory& ring, std::uint32_t page,
                               std::uint32_t stream) noexcept {
        // acquire: pairs with the release in release(): the consumer has read what we overwrite.
        std::uint64_t word = Atomics::load(ring.states[page], std::memory_order_acquire);
        if (spanring_page_state_of(word) != SPANRING_PAGE_FREE) return {};
        const std::uint32_t generation = spanring_page_generation_of(word) + 1;
        const std::uint64_t claimed =
            spanring_page_state(generation, stream, SPANRING_PAGE_WRITING);
        // acquire: as above, for the value that the CAS itself reads. The readers' partner is not
        // this word but the header's generation. relaxed on failure: nothing is read after it.
        if (!Atomics::compare_exchange(ring.states[page], word, claimed, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
            return {};
        }
        SPANRING_TESTPOINT("page.claimed");
        return {page, generation, &ring.header(page)};
    }

    /// Claims the next free page in ring order. `claim_next`: the segment's hint, shared by its
    /// threads. Returns an invalid claim when none of the first `pages` pages is free. O(pages).
    static PageClaim claim(const RingMemory& ring, std::uint32_t pages, std::uint64_t& claim_next,
                           std::uint32_t stream) noexcept {
        if (pages == 0) return {};
        // relaxed: a hint; the CAS decides.
        const std::uint64_t first = Atomics::load(claim_next, std::memory_order_relaxed);
        for (std::uint32_t i = 0; i < pages; ++i) {
            const auto page = static_cast<std::uint32_t>((first + i) % pages);
            const PageClaim claim = try_claim(ring, page, stream);
            if (!claim.valid()) continue;
            // relaxed: as the load above.
            Atomics::store(claim_next, (std::uint64_t{page} + 1) % pages,
                           std::memory_order_relaxed);
            return claim;
        }
        return {};
    }

    /// Writes the header of a page just claimed; the page is visible to readers, and empty, from
    /// then on.
    static void write_header(const PageClaim& claim, const PageStart& start) noexcept {
        spanring_page_header& header = *claim.header;
        // relaxed, all five: the release of `generation` below publishes them together.
        Atomics::store(header.stream, start.stream, std::memory_order_relaxed);
        Atomics::store(header.sequence, start.sequence, std::memory_order_relaxed);
        Atomics::store(header.base_ticks, start.base_ticks, std::memory_order_relaxed);
        Atomics::store(header.first_ordinal, start.first_ordinal, std::memory_order_relaxed);
        Atomics::store(header.committed, spanring_page_mark(claim.generation, SPANRING_PAGE_DATA),
                       std::memory_order_relaxed);
        SPANRING_TESTPOINT("page.header");
        // release: pairs with the acquire of `generation` in peek().
        Atomics::store(header.generation, claim.generation, std::memory_order_release);
        SPANRING_TESTPOINT("page.visible");
    }

    /// Publishes everything in front of `bytes` (from the start of the page). The hot path's only
    /// store that others wait for.
    static void publish(const PageClaim& claim, std::uint32_t bytes) noexcept {
        // release: pairs with the acquire of `committed` in peek(): the records come first.
        Atomics::store(claim.header->committed, spanring_page_mark(claim.generation, bytes),
                       std::memory_order_release);
    }

    /// Gives the page up: it will not be written any more. Returns false if the consumer has taken
    /// it already (revoked).
    static bool mark_full(const RingMemory& ring, const PageClaim& claim,
                          std::uint32_t stream) noexcept {
        return to_full(ring, claim.page, claim.generation, stream);
    }

    /// Returns the mark (generation and bytes) up to which the page is published now, or 0 if there
    /// is nothing in it that could be waited for.
    static std::uint64_t published_mark(const RingMemory& ring, std::uint32_t page) noexcept {
        const PagePeek seen = peek(ring, page);
        if (seen.state == SPANRING_PAGE_FREE || seen.committed <= SPANRING_PAGE_DATA) return 0;
        return spanring_page_mark(seen.generation, seen.committed);
    }

    /// Returns whether what `mark` (of published_mark) names has been committed to the database.
    static bool is_stored(const RingMemory& ring, std::uint32_t page, std::uint64_t mark) noexcept {
        if (mark == 0) return true;
        // acquire: pairs with the release in set_stored(): who sees it may query the database.
        const std::uint64_t stored = Atomics::load(ring.stored[page], std::memory_order_acquire);
        const std::uint32_t generation = spanring_page_generation_of(mark);
        if (spanring_page_generation_of(stored) == generation &&
            spanring_page_mark_bytes(stored) >= spanring_page_mark_bytes(mark)) {
            return true;
        }
        // acquire: pairs with the release in release(). A page of another generation, or free, has
        // been released since, so it was stored before.
        const std::uint64_t word = Atomics::load(ring.states[page], std::memory_order_acquire);
        return spanring_page_generation_of(word) != generation ||
               spanring_page_state_of(word) == SPANRING_PAGE_FREE;
    }

    // ---- consumer ----

    /// Looks at a page. Returns state FREE for a page that is free, claimed but without its header
    /// (killed in between), or recycled while we looked.
    static PagePeek peek(const RingMemory& ring, std::uint32_t page) noexcept {
        PagePeek seen;
        // acquire: pairs with the release in to_full(): a full page's `committed` is its last.
        const std::uint64_t word = Atomics::load(ring.states[page], std::memory_order_acquire);
        if (spanring_page_state_of(word) == SPANRING_PAGE_FREE) return seen;
        const std::uint32_t generation = spanring_page_generation_of(word);
        const spanring_page_header& header = ring.header(page);
        // acquire: pairs with the release of `generation` in write_header().
        if (Atomics::load(header.generation, std::memory_order_acquire) != generation) return seen;
        // acquire, all four: keeps the second look at the state word behind them. (On the CPUs that
        // we know it costs nothing, and unlike a fence ThreadSanitizer understands it.)
        seen.start.stream = Atomics::load(header.stream, std::memory_order_acquire);
        seen.start.sequence = Atomics::load(header.sequence, std::memory_order_acquire);
        seen.start.base_ticks = Atomics::load(header.base_ticks, std::memory_order_acquire);
        seen.start.first_ordinal = Atomics::load(header.first_ordinal, std::memory_order_acquire);
        // acquire: pairs with the release in publish().
        const std::uint64_t committed = Atomics::load(header.committed, std::memory_order_acquire);
        if (spanring_page_generation_of(committed) != generation) return seen;
        // relaxed: ordered by the acquires above. Only an observer can see a recycled page here:
        // the consumer itself is who releases.
        if (!same_life(Atomics::load(ring.states[page], std::memory_order_relaxed), word)) {
            return seen;
        }
        seen.state = spanring_page_state_of(word);
        seen.generation = generation;
        seen.owner = spanring_page_owner_of(word);
        seen.committed = spanring_page_mark_bytes(committed);
        return seen;
    }

    /// Returns the first page from `page` on that is not free, or `pages`. Of a thousand processes
    /// nearly all pages are, and all are looked at in each turn: so four at a time.
    static std::uint32_t next_used(const RingMemory& ring, std::uint32_t page,
                                   std::uint32_t pages) noexcept {
        static_assert(SPANRING_PAGE_FREE == 0);
        const auto word = [&ring](std::uint32_t at) {
            // relaxed: peek() looks again.
            return Atomics::load(ring.states[at], std::memory_order_relaxed);
        };
        const auto is_free = [](std::uint64_t words) { return spanring_page_state_of(words) == 0; };
        while (page + 4 <= pages &&
               is_free(word(page) | word(page + 1) | word(page + 2) | word(page + 3))) {
            page += 4;
        }
        while (page < pages && is_free(word(page))) ++page;
        return page;
    }

    /// Returns whether the page is still in the life that `seen` saw: what was copied in between is
    /// of that life. For observers; needs the copy to be ordered before (acquire fence).
    static bool still(const RingMemory& ring, std::uint32_t page, const PagePeek& seen) noexcept {
        // relaxed: the caller's fence orders it.
        const std::uint64_t word = Atomics::load(ring.states[page], std::memory_order_relaxed);
        return spanring_page_generation_of(word) == seen.generation &&
               spanring_page_state_of(word) != SPANRING_PAGE_FREE;
    }

    /// Notes that the content up to `bytes` is committed to the database.
    static void set_stored(const RingMemory& ring, std::uint32_t page, std::uint32_t generation,
                           std::uint32_t bytes) noexcept {
        // release: pairs with the acquire in is_stored().
        Atomics::store(ring.stored[page], spanring_page_mark(generation, bytes),
                       std::memory_order_release);
        SPANRING_TESTPOINT("page.stored");
    }

    /// full → free. Returns false if the page is not full in this generation (a hostile producer).
    static bool release(const RingMemory& ring, std::uint32_t page, std::uint32_t generation,
                        std::uint64_t& released_count) noexcept {
        // relaxed: only the consumer leaves `full`, so it reads what it has seen already.
        std::uint64_t word = Atomics::load(ring.states[page], std::memory_order_relaxed);
        if (spanring_page_generation_of(word) != generation ||
            spanring_page_state_of(word) != SPANRING_PAGE_FULL) {
            return false;
        }
        // release: pairs with the acquire in try_claim(): our reads come before their writes.
        // relaxed on failure: nothing follows.
        if (!Atomics::compare_exchange(ring.states[page], word,
                                       spanring_page_state(generation, 0, SPANRING_PAGE_FREE),
                                       std::memory_order_release, std::memory_order_relaxed)) {
            return false;
        }
        SPANRING_TESTPOINT("page.freed");
        // release: pairs with the acquire of a producer that waits for room: it finds the page
        // free.
        Atomics::fetch_add(released_count, std::uint64_t{1}, std::memory_order_release);
        SPANRING_TESTPOINT("page.released");
        return true;
    }

    /// writing → full on behalf of a thread that is revoked and not inside a tracepoint (the caller
    /// has seen its nesting word zero *after* revoked + membarrier). Returns false if the thread
    /// gave the page up itself.
    static bool take(const RingMemory& ring, std::uint32_t page, std::uint32_t generation,
                     std::uint32_t stream) noexcept {
        return to_full(ring, page, generation, stream);
    }

private:
    static bool to_full(const RingMemory& ring, std::uint32_t page, std::uint32_t generation,
                        std::uint32_t stream) noexcept {
        std::uint64_t word = spanring_page_state(generation, stream, SPANRING_PAGE_WRITING);
        // acq_rel: release pairs with the acquire of the state word in peek(); acquire because the
        // taker reads `committed` next. relaxed on failure: somebody else did it.
        const bool is_full = Atomics::compare_exchange(
            ring.states[page], word, spanring_page_state(generation, stream, SPANRING_PAGE_FULL),
            std::memory_order_acq_rel, std::memory_order_relaxed);
        SPANRING_TESTPOINT("page.full");
        return is_full;
    }

    /// writing → full is the same life of a page; free or another generation is not.
    static bool same_life(std::uint64_t now, std::uint64_t then) noexcept {
        return spanring_page_generation_of(now) == spanring_page_generation_of(then) &&
               spanring_page_state_of(now) != SPANRING_PAGE_FREE;
    }
};

using PageRing = BasicPageRing<RealAtomics>;

}  // namespace spanring::shm
