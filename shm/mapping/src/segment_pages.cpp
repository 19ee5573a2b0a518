// SegmentReader: the pages of the ring.

#include <algorithm>
#include <atomic>
#include <cstring>

#include "segment_impl.hpp"

namespace spanring::shm {

Result<std::uint32_t> SegmentReader::pages_declared() const {
    return impl_->load_count(impl_->header().pages_declared, impl_->bounds.pages_max,
                             "number of pages");
}

Result<void> SegmentReader::Impl::check_index(std::uint32_t page) const {
    if (page < bounds.pages_max) return {};
    return Error{ErrorCode::kInvalidArgument, file_name + ": no page " + std::to_string(page)};
}

Result<PageView> SegmentReader::Impl::checked(std::uint32_t page, const PagePeek& peek) const {
    if (peek.state > SPANRING_PAGE_FULL || peek.owner != peek.start.stream ||
        peek.owner >= bounds.slots_max) {
        return breach("page " + std::to_string(page) + " has state " + std::to_string(peek.state) +
                      ", owner " + std::to_string(peek.owner) + ", stream " +
                      std::to_string(peek.start.stream));
    }
    if (peek.committed < SPANRING_PAGE_DATA || peek.committed > bounds.page_bytes ||
        peek.committed % 8 != 0) {
        return breach("page " + std::to_string(page) + " has committed " +
                      std::to_string(peek.committed) + " of " + std::to_string(bounds.page_bytes) +
                      " bytes");
    }
    PageView view;
    view.page = page;
    view.state = peek.state;
    view.generation = peek.generation;
    view.stream = peek.start.stream;
    view.sequence = peek.start.sequence;
    view.base_ticks = peek.start.base_ticks;
    view.first_ordinal = peek.start.first_ordinal;
    view.committed = peek.committed;
    return view;
}

Result<void> SegmentReader::peek_all(std::vector<PageView>* out) const {
    out->clear();
    Result<std::uint32_t> pages = pages_declared();
    if (!pages) return std::move(pages).error();
    if (impl_->scratch.size() < *pages) impl_->scratch.resize(*pages);
    Impl::Seen* scratch = impl_->scratch.data();
    std::size_t count = 0;
    Result<void> looked = impl_->guarded([&] {
        for (std::uint32_t page = 0;; ++page) {
            page = PageRing::next_used(impl_->ring, page, *pages);
            if (page == *pages) break;
            const PagePeek peek = PageRing::peek(impl_->ring, page);
            if (peek.state != SPANRING_PAGE_FREE) scratch[count++] = {page, peek};
        }
    });
    if (!looked) return looked;
    out->reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        Result<PageView> view = impl_->checked(scratch[i].page, scratch[i].peek);
        if (!view) return std::move(view).error();
        out->push_back(*view);
    }
    return {};
}

Result<bool> SegmentReader::peek(std::uint32_t page, PageView* out) const {
    if (Result<void> valid = impl_->check_index(page); !valid) return std::move(valid).error();
    PagePeek seen;
    Result<void> looked = impl_->guarded([&] { seen = PageRing::peek(impl_->ring, page); });
    if (!looked) return std::move(looked).error();
    if (seen.state == SPANRING_PAGE_FREE) return false;
    Result<PageView> view = impl_->checked(page, seen);
    if (!view) return std::move(view).error();
    *out = *view;
    return true;
}

Result<void> SegmentReader::copy_bytes(std::uint32_t page, std::uint32_t from, std::uint32_t to,
                                       std::byte* out) const {
    if (Result<void> valid = impl_->check_index(page); !valid) return valid;
    if (from > to || to > impl_->bounds.page_bytes) {
        return Error{ErrorCode::kInvalidArgument, impl_->file_name + ": no bytes " +
                                                      std::to_string(from) + " to " +
                                                      std::to_string(to) + " in a page"};
    }
    const std::byte* bytes =
        impl_->ring.pages + std::uint64_t{page} * impl_->bounds.page_bytes + from;
    return impl_->guarded([&] { std::memcpy(out, bytes, to - from); });
}

Result<std::uint32_t> SegmentReader::stored_bytes(const PageView& view) const {
    if (Result<void> valid = impl_->check_index(view.page); !valid) return std::move(valid).error();
    std::uint64_t word_untrusted = 0;
    Result<void> loaded = impl_->guarded([&] {
        // acquire: pairs with the release in PageRing::set_stored().
        word_untrusted =
            RealAtomics::load(impl_->ring.stored[view.page], std::memory_order_acquire);
    });
    if (!loaded) return std::move(loaded).error();
    if (spanring_page_generation_of(word_untrusted) != view.generation) return 0U;
    return std::min(spanring_page_mark_bytes(word_untrusted), impl_->bounds.page_bytes);
}

Result<void> SegmentReader::set_stored(std::uint32_t page, std::uint32_t generation,
                                       std::uint32_t bytes) {
    if (Result<void> valid = impl_->check_index(page); !valid) return valid;
    return impl_->guarded([&] { PageRing::set_stored(impl_->ring, page, generation, bytes); });
}

Result<std::uint64_t> SegmentReader::turn_stored() const {
    std::uint64_t turn_untrusted = 0;  // harms whoever wrote it: his flush waits for it
    Result<void> loaded = impl_->guarded([&] {
        // relaxed: what the last consumer wrote; nothing is read on the strength of it.
        turn_untrusted = RealAtomics::load(impl_->header().turn_stored, std::memory_order_relaxed);
    });
    if (!loaded) return std::move(loaded).error();
    return turn_untrusted;
}

Result<void> SegmentReader::set_turn_stored(std::uint64_t turn) {
    return impl_->guarded([&] {
        // release: pairs with the acquire in SegmentWriter::turn_stored(). The release of the
        // pages' `stored` behind it is what puts it before them.
        RealAtomics::store(impl_->header().turn_stored, turn, std::memory_order_release);
    });
}

Result<void> SegmentReader::set_turn_settled(std::uint64_t turn) {
    return impl_->guarded([&] {
        // release: pairs with the acquire in SegmentWriter::turn_settled().
        RealAtomics::store(impl_->header().turn_settled, turn, std::memory_order_release);
    });
}

Result<void> SegmentReader::release(std::uint32_t page, std::uint32_t generation) {
    if (Result<void> valid = impl_->check_index(page); !valid) return valid;
    bool released = false;
    Result<void> done = impl_->guarded([&] {
        released = PageRing::release(impl_->ring, page, generation, impl_->header().released_count);
    });
    if (done && !released) {
        return impl_->breach("page " + std::to_string(page) + " is not full in generation " +
                             std::to_string(generation));
    }
    return done;
}

Result<RingFill> SegmentReader::fill() const {
    Result<std::uint32_t> pages = pages_declared();
    if (!pages) return std::move(pages).error();
    std::uint64_t used = 0;
    Result<void> looked = impl_->guarded([&] {
        for (std::uint32_t page = 0; page < *pages; ++page) {
            // relaxed: a figure for people; nothing is read on the strength of it.
            const std::uint64_t word =
                RealAtomics::load(impl_->ring.states[page], std::memory_order_relaxed);
            used += spanring_page_state_of(word) != SPANRING_PAGE_FREE ? 1 : 0;
        }
    });
    if (!looked) return std::move(looked).error();
    const std::uint64_t page_bytes = impl_->bounds.page_bytes;
    return RingFill{used * page_bytes, *pages * page_bytes, impl_->bounds.pages_max * page_bytes};
}

}  // namespace spanring::shm
