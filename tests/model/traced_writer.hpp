// The way of a tracepoint (producer: hot_path.hpp, tracepoint.cpp, stash.cpp, page.cpp) over the
// real page ring, word for word where order matters: nesting, revoked, room, record, publish,
// leave, and the stash for a signal handler over it. What it leaves out needs no other thread:
// names, stacks, times. A record's number is given when it is written, as an ordinal is.
//
// A member that is not shared is touched between points() only, where a handler may come.
#pragma once

#include <cstdint>

#include "small_ring.hpp"

namespace spanring::model {

/// What the review of the design has mended, undone one by one, and other breaks.
enum class Undone {
    kNothing,
    kHeaderAfterClaim,   ///< the header is written before the page is claimed
    kRevokedPerThread,   ///< `revoked` is a word of the page, which its next owner resets
    kNestedNeverTurns,   ///< a handler's tracepoint takes a page of its own
    kStashAfterLeaving,  ///< nobody looks at the stash behind the last step of a slow tracepoint
};

/// Where the word lies that makes a thread give its page up.
template <Undone kUndone>
std::uint32_t& revoked_word(SmallRing& ring, std::uint32_t stream, std::uint32_t page) {
    return kUndone == Undone::kRevokedPerThread ? ring.page_revoked[page]
                                                : ring.slots[stream].revoked;
}

template <Undone kUndone = Undone::kNothing>
class TracedWriter {
public:
    using Ring = shm::BasicPageRing<ModelAtomics>;

    TracedWriter(SmallRing& ring, std::uint32_t stream, std::uint32_t per_page)
        : ring_(ring), stream_(stream), per_page_(per_page) {}

    /// A call of the application, or of a handler.
    void trace() {
        ++calls;
        if (!trace_fast()) trace_slow(true);
    }

    std::uint32_t calls{0};
    std::uint32_t written{0};
    std::uint32_t dropped{0};
    [[nodiscard]] std::uint32_t stashed() const { return stash_used_; }

private:
    static constexpr std::uint32_t kStashMax = 1;

    spanring_thread_slot& slot() { return ring_.slots[stream_]; }
    static void point() { Model::active->point(); }

    // relaxed, all of nesting but its last store: ordered by the consumer's membarrier.
    bool nested() { return ModelAtomics::load(slot().nesting, std::memory_order_relaxed) != 0; }
    void enter() { ModelAtomics::store(slot().nesting, 1U, std::memory_order_relaxed); }
    void leave() {
        // release: pairs with the consumer's acquire of `nesting`.
        ModelAtomics::store(slot().nesting, 0U, std::memory_order_release);
        point();
    }
    bool is_revoked() {
        if (!claim_.valid()) return false;
        auto& word = revoked_word<kUndone>(ring_, stream_, claim_.page);
        // relaxed: as nesting.
        return ModelAtomics::load(word, std::memory_order_relaxed) != 0;
    }

    bool trace_fast() {
        if (nested()) return false;
        enter();
        const bool taken = is_revoked();
        const std::uint32_t cursor = cursor_;
        if (taken || cursor + 8 > end_) {
            leave();
            return false;
        }
        put_at(cursor);
        publish();
        leave();
        if (stash_used_ != 0) trace_slow(false);
        return true;
    }

    /// A Tracepoint, with or without a record.
    void trace_slow(bool record) {
        if (busy_ || nested()) return trace_nested(record);
        busy_ = true;
        point();
        enter();
        if (is_revoked()) give_page_up();
        if (record) write_one();
        if (claim_.valid()) publish();
        if (stash_used_ != 0) write_stash();
        point();
        leave();
        busy_ = false;
        point();
        // A handler that came behind write_stash() took us for inside.
        if (kUndone != Undone::kStashAfterLeaving && stash_used_ != 0) trace_slow(false);
    }

    void trace_nested(bool record) {
        if (!record) return;
        if (kUndone == Undone::kNestedNeverTurns) {
            turn_page();
            if (claim_.valid()) {
                put_at(cursor_);
                publish();
                return;
            }
        } else if (stash_used_ < kStashMax) {
            ++stash_used_;
            return;
        }
        ++dropped;
    }

    void write_stash() {
        for (;;) {
            const std::uint32_t used = stash_used_;
            point();
            for (; stash_consumed_ < used; ++stash_consumed_) write_one();
            point();
            if (stash_used_ != used) continue;
            stash_used_ = 0;
            point();
            stash_consumed_ = 0;
            point();
            if (stash_used_ == 0) break;
        }
        if (claim_.valid()) publish();
    }

    void write_one() {
        if (cursor_ + 8 > end_) turn_page();
        if (!claim_.valid()) {
            ++dropped;
            return;
        }
        put_at(cursor_);
    }

    void put_at(std::uint32_t cursor) {
        const std::uint64_t value = record_value(stream_, written++);
        // relaxed: the release in publish() comes after.
        ModelAtomics::store(ring_.record(claim_.page, cursor), value, std::memory_order_relaxed);
        cursor_ = cursor + 8;
    }
    void publish() { Ring::publish(claim_, cursor_); }

    void give_page_up() {
        Ring::mark_full(ring_.memory(), claim_, stream_);
        // release: as in yield_taken_page(): the page is given up.
        ModelAtomics::store(revoked_word<kUndone>(ring_, stream_, claim_.page), 0U,
                            std::memory_order_release);
        forget_page();
    }
    void forget_page() {
        claim_ = {};
        cursor_ = end_ = 0;
    }
    void turn_page() {
        const shm::RingMemory memory = ring_.memory();
        if (claim_.valid()) publish();
        const shm::PageStart start{stream_, sequence_, 500 + stream_, 1};
        if (kUndone == Undone::kHeaderAfterClaim) write_headers_early(start);
        const shm::PageClaim next = Ring::claim(memory, kPagesMax, ring_.claim_next, stream_);
        if (!next.valid()) return;
        if (claim_.valid()) Ring::mark_full(memory, claim_, stream_);
        claim_ = next;
        ++sequence_;
        if (kUndone == Undone::kRevokedPerThread) {
            // relaxed: the header's release comes after.
            ModelAtomics::store(ring_.page_revoked[next.page], 0U, std::memory_order_relaxed);
        }
        if (kUndone != Undone::kHeaderAfterClaim) Ring::write_header(next, start);
        cursor_ = SPANRING_PAGE_DATA;
        end_ = SPANRING_PAGE_DATA + 8 * per_page_;
    }
    /// Of every page that looks free.
    void write_headers_early(const shm::PageStart& start) {
        const shm::RingMemory memory = ring_.memory();
        for (std::uint32_t page = 0; page < kPagesMax; ++page) {
            // acquire: as in try_claim().
            const auto word = ModelAtomics::load(ring_.states[page], std::memory_order_acquire);
            if (spanring_page_state_of(word) != SPANRING_PAGE_FREE) continue;
            Ring::write_header({page, spanring_page_generation_of(word) + 1, &memory.header(page)},
                               start);
        }
    }

    SmallRing& ring_;
    const std::uint32_t stream_;
    const std::uint32_t per_page_;
    shm::PageClaim claim_;
    std::uint64_t sequence_{0};
    std::uint32_t cursor_{0};
    std::uint32_t end_{0};
    bool busy_{false};
    std::uint32_t stash_used_{0};
    std::uint32_t stash_consumed_{0};
};

}  // namespace spanring::model
