#include "spanring/shm/segment_writer.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>

#include "directory_scan.hpp"
#include "segment_plan.hpp"
#include "spanring/base/clock.hpp"
#include "spanring/base/os.hpp"
#include "spanring/base/testpoint.hpp"

namespace spanring::shm {
namespace {

/// After a failed reservation, the next attempt: a full tmpfs stays full for a while, and a dropped
/// tracepoint must stay cheap.
constexpr std::uint64_t kGrowRetryNs = 100'000'000;

std::uint64_t coarse_ns() noexcept {
    return static_cast<std::uint64_t>(clock_ns(CLOCK_MONOTONIC_COARSE));
}

}  // namespace

// The states of the word: 0 open, 1 held, 2 held and somebody sleeps.

bool FutexLock::try_lock() noexcept {
    std::uint32_t open = 0;
    // acquire: pairs with the release in unlock(). relaxed: nothing was acquired.
    return RealAtomics::compare_exchange(word_, open, 1U, std::memory_order_acquire,
                                         std::memory_order_relaxed);
}

void FutexLock::lock() noexcept {
    if (try_lock()) return;
    // acquire: pairs with the release in unlock().
    while (RealAtomics::exchange(word_, 2U, std::memory_order_acquire) != 0) {
        ::syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, 2, nullptr, nullptr, 0);
    }
}

void FutexLock::unlock() noexcept {
    // release: pairs with the acquires in try_lock() and lock().
    if (RealAtomics::exchange(word_, 0U, std::memory_order_release) == 2) {
        ::syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    }
}

bool SegmentWriter::revoked() const noexcept {
    // acquire: pairs with the release in SegmentReader::revoke().
    return RealAtomics::load(header()->revoked, std::memory_order_acquire) != 0;
}

// ---- threads ----

spanring_thread_slot* SegmentWriter::slot(std::uint32_t stream) const noexcept {
    return reinterpret_cast<spanring_thread_slot*>(mapping_.data + header()->slot_offset) + stream;
}

std::uint32_t SegmentWriter::acquire_slot(std::uint32_t tid) noexcept {
    const std::lock_guard guard(lock_);
    std::uint32_t stream;
    if (free_slots_count_ > 0) {
        stream = free_slots_[--free_slots_count_];
    } else {
        // relaxed: written under lock_ only.
        stream = RealAtomics::load(header()->slots_declared, std::memory_order_relaxed);
        if (stream >= slots_max_) return kNoSlot;
        const std::uint64_t end = (std::uint64_t{stream} + 1) * sizeof(spanring_thread_slot);
        if (end > slots_reserved_) {
            const std::uint64_t from = header()->slot_offset + slots_reserved_;
            if (!reserve(from, from + kRegionBytes)) return kNoSlot;
            slots_reserved_ += kRegionBytes;
        }
    }
    spanring_thread_slot& slot_words = *slot(stream);
    // relaxed, all: `state` publishes them. A revocation was meant for the slot's last owner.
    RealAtomics::store(slot_words.tid, tid, std::memory_order_relaxed);
    RealAtomics::store(slot_words.nesting, 0U, std::memory_order_relaxed);
    RealAtomics::store(slot_words.revoked, 0U, std::memory_order_relaxed);
    // release: pairs with the acquire in SegmentReader::slot().
    RealAtomics::store(slot_words.state, SPANRING_SLOT_USED, std::memory_order_release);
    SPANRING_TESTPOINT("slot.used");
    // relaxed: as above.
    if (stream == RealAtomics::load(header()->slots_declared, std::memory_order_relaxed)) {
        // release: pairs with the acquire in SegmentReader::slots_declared(): the slot is reserved.
        RealAtomics::store(header()->slots_declared, stream + 1, std::memory_order_release);
    }
    return stream;
}

void SegmentWriter::release_slot(std::uint32_t stream) noexcept {
    const std::lock_guard guard(lock_);
    // release: pairs with the acquire in SegmentReader::slot(): the last ordinal and losses.
    RealAtomics::store(slot(stream)->state, SPANRING_SLOT_FREE, std::memory_order_release);
    SPANRING_TESTPOINT("slot.freed");
    free_slots_[free_slots_count_++] = stream;
}

// ---- pages ----

std::uint32_t SegmentWriter::pages_declared() const noexcept {
    // acquire: pairs with the release in grow(): the pages are reserved.
    const std::uint32_t pages =
        RealAtomics::load(header()->pages_declared, std::memory_order_acquire);
    return std::min(pages, pages_max_);
}

std::uint64_t SegmentWriter::released_count() const noexcept {
    // acquire: pairs with the release in PageRing::release().
    return RealAtomics::load(header()->released_count, std::memory_order_acquire);
}

std::uint64_t SegmentWriter::turn_stored() const noexcept {
    // acquire: keeps the loads of turn_settled() behind it.
    return RealAtomics::load(header()->turn_stored, std::memory_order_acquire);
}

std::uint64_t SegmentWriter::turn_settled() const noexcept {
    // acquire: pairs with the release in SegmentReader::set_settled(): who sees it may query.
    return RealAtomics::load(header()->turn_settled, std::memory_order_acquire);
}

PageClaim SegmentWriter::claim_page(std::uint32_t stream) noexcept {
    const std::uint32_t pages = pages_declared();
    // What a failed search depends on: pages released, and pages there are. Loaded before the
    // search, so that a release during it is not missed. Never 0, as there is a page.
    constexpr int kPagesShift = 40;  // released_count may wrap below: it only has to differ
    const std::uint64_t seen = (std::uint64_t{pages} << kPagesShift) |
                               (released_count() & ((std::uint64_t{1} << kPagesShift) - 1));
    // relaxed, here and below: a memory of our own, at worst one search too many.
    if (RealAtomics::load(full_at_, std::memory_order_relaxed) == seen) return {};
    const PageClaim claim = PageRing::claim(ring_, pages, header()->claim_next, stream);
    if (!claim.valid()) RealAtomics::store(full_at_, seen, std::memory_order_relaxed);
    return claim;
}

bool SegmentWriter::may_grow(std::uint64_t bytes) const noexcept {
    // The application may have closed our descriptor: then the ring's own maximum is the limit.
    if (!directory_.is(directory_fd_)) return true;
    return scan_may_reserve(directory_fd_, bytes, directory_bytes_max_);
}

Growth SegmentWriter::grow() noexcept {
    const std::uint32_t seen = pages_declared();
    if (seen >= pages_max_) return Growth::kAtMax;
    // relaxed: a deadline of our own; one attempt more or less does no harm.
    const std::uint64_t retry_at = RealAtomics::load(grow_retry_at_ns_, std::memory_order_relaxed);
    if (retry_at != 0 && coarse_ns() < retry_at) return Growth::kNoSpace;

    const std::lock_guard guard(grow_lock_);
    const std::uint32_t pages = pages_declared();
    if (pages != seen) return Growth::kGrown;
    const std::uint32_t target = pages > pages_max_ / 2 ? pages_max_ : pages * 2;
    const std::uint64_t from = header()->page_offset + std::uint64_t{pages} * ring_.page_bytes;
    const std::uint64_t to = header()->page_offset + std::uint64_t{target} * ring_.page_bytes;
    if (!may_grow(to - from) || !reserve(from, to)) {
        // relaxed: as above.
        RealAtomics::store(grow_retry_at_ns_, coarse_ns() + kGrowRetryNs,
                           std::memory_order_relaxed);
        return Growth::kNoSpace;
    }
    SPANRING_TESTPOINT("grow.reserved");
    // The next claims find the new pages first. relaxed: a hint.
    RealAtomics::store(header()->claim_next, std::uint64_t{pages}, std::memory_order_relaxed);
    // release: pairs with the acquire in pages_declared(), here and in the reader.
    RealAtomics::store(header()->pages_declared, target, std::memory_order_release);
    SPANRING_TESTPOINT("grow.declared");
    return Growth::kGrown;
}

}  // namespace spanring::shm
