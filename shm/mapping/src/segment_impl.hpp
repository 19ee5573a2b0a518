// What the functions of SegmentReader share.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bus_guard.hpp"
#include "mapped_file.hpp"
#include "segment_check.hpp"
#include "spanring/shm/mapping/segment_reader.hpp"

namespace spanring::shm {

struct SegmentReader::Impl {
    /// A page that held something when peek_all looked.
    struct Seen {
        std::uint32_t page;
        PagePeek peek;
    };

    Impl(UniqueFd directory_fd, std::string name, MappedFile mapped, const SegmentBounds& checked)
        : directory(std::move(directory_fd)),
          file_name(std::move(name)),
          file(std::move(mapped)),
          bounds(checked) {
        ring.states = at<std::uint64_t>(bounds.state_offset);
        ring.stored = at<std::uint64_t>(bounds.stored_offset);
        ring.pages = at<std::byte>(bounds.page_offset);
        ring.page_bytes = bounds.page_bytes;
    }

    template <typename T>
    [[nodiscard]] T* at(std::uint64_t offset) const noexcept {
        return reinterpret_cast<T*>(file.data() + offset);
    }
    [[nodiscard]] spanring_segment_header& header() const noexcept {
        return *at<spanring_segment_header>(0);
    }
    [[nodiscard]] spanring_thread_slot& slot(std::uint32_t stream) const noexcept {
        return at<spanring_thread_slot>(bounds.slot_offset)[stream];
    }

    /// Runs `touch` under the SIGBUS guard.
    template <typename Touch>
    Result<void> guarded(Touch&& touch) const {
        if (BusGuard::guarded(touch)) return {};
        return breach("the file was cut short");
    }
    [[nodiscard]] Error breach(const std::string& what) const {
        return {ErrorCode::kCorrupt, file_name + ": " + what};
    }
    /// Loads one word of the header that grows, checked against its maximum.
    [[nodiscard]] Result<std::uint32_t> load_count(const std::uint32_t& word, std::uint32_t max,
                                                   const char* what) const;
    /// SPANRING_MEMBARRIER_..., or whatever the producer has put there.
    [[nodiscard]] Result<std::uint32_t> membarrier_word() const;
    /// Turns what was seen into a view; kCorrupt if it breaks the layout.
    [[nodiscard]] Result<PageView> checked(std::uint32_t page, const PagePeek& peek) const;
    [[nodiscard]] Result<void> check_index(std::uint32_t page) const;

    UniqueFd directory;
    std::string file_name;
    MappedFile file;
    SegmentBounds bounds;
    RingMemory ring;
    SegmentIdentity identity;
    bool writable{false};
    std::vector<Seen> scratch;  ///< reused, so that a turn does not allocate
};

}  // namespace spanring::shm
