// SegmentReader::count_pending: R, counted from the outside.

#include <algorithm>
#include <atomic>
#include <cstring>

#include "segment_impl.hpp"
#include "spanring/abi/record_layout.h"

namespace spanring::shm {
namespace {

/// Counts the tracepoints in a copy of records; stops at what is no record.
std::uint64_t count_tracepoints(const std::byte* bytes, std::uint32_t length) {
    std::uint64_t count = 0;
    for (std::uint32_t at = 0; at + 8 <= length;) {
        std::uint64_t head;
        std::memcpy(&head, bytes + at, sizeof head);
        const std::uint32_t record_bytes = spanring_record_bytes(head);
        if (record_bytes == 0 || record_bytes > length - at) break;
        count += spanring_record_is_tracepoint(spanring_record_kind(head)) != 0 ? 1 : 0;
        at += record_bytes;
    }
    return count;
}

}  // namespace

Result<PendingCount> SegmentReader::count_pending() const {
    std::vector<PageView> pages;
    if (Result<void> looked = peek_all(&pages); !looked) return std::move(looked).error();
    PendingCount pending;
    std::vector<std::byte> copy(impl_->bounds.page_bytes);
    for (const PageView& view : pages) {
        Result<std::uint32_t> stored = stored_bytes(view);
        if (!stored) return std::move(stored).error();
        const std::uint32_t from = std::max<std::uint32_t>(*stored, SPANRING_PAGE_DATA);
        if (from >= view.committed) continue;
        const std::uint32_t length = view.committed - from;
        if (Result<void> copied = copy_bytes(view.page, from, view.committed, copy.data());
            !copied) {
            return std::move(copied).error();
        }
        // acquire fence: the copy is read before the second look. Pairs with the acquire of the
        // claim that would overwrite the page: it comes after the release of the page.
        std::atomic_thread_fence(std::memory_order_acquire);
        bool same = false;
        PagePeek seen;
        seen.generation = view.generation;
        Result<void> looked =
            impl_->guarded([&] { same = PageRing::still(impl_->ring, view.page, seen); });
        if (!looked) return std::move(looked).error();
        if (!same) continue;  // committed and released while we looked
        pending.tracepoints += count_tracepoints(copy.data(), length);
        pending.bytes += length;
    }
    return pending;
}

}  // namespace spanring::shm
