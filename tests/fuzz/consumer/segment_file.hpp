// A small segment in a real file, for the fuzz targets that break it. The file starts as a right
// one, so that inputs get beyond the attach; from then on every word of it is the input's.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "record_maker.hpp"
#include "require.hpp"
#include "scratch_folder.hpp"
#include "segment.hpp"
#include "spanring/abi/page_layout.h"
#include "spanring/abi/segment_layout.h"
#include "spanring/shm/directory.hpp"

namespace spanring::fuzz {

inline constexpr std::uint32_t kPages = 4;
inline constexpr std::uint32_t kPageBytes = 1024;
inline constexpr std::uint32_t kStrings = 8;
inline constexpr std::uint32_t kRegionBytes = 512;

/// The regions behind the header; small, so that random offsets hit.
struct Image {
    spanring_segment_header header;
    std::uint8_t resource[kRegionBytes];
    std::uint32_t string_index[kStrings];
    std::uint8_t string_data[kRegionBytes];
    spanring_thread_slot slots[kStreams];
    std::uint64_t states[kPages];
    std::uint64_t stored[kPages];
    std::uint8_t pages[kPages][kPageBytes];
};
static_assert(sizeof(Image) % 8 == 0);

inline void fill_header(spanring_segment_header& h) {
    h.magic = SPANRING_SEGMENT_MAGIC;
    h.abi_major = SPANRING_ABI_MAJOR;
    h.header_bytes = sizeof h;
    h.fingerprint = SPANRING_LAYOUT_FINGERPRINT;
    h.segment_bytes = sizeof(Image);
    h.pid = static_cast<std::uint32_t>(::getpid());
    h.clock_kind = SPANRING_CLOCK_MONOTONIC;
    h.resource_offset = offsetof(Image, resource);
    h.resource_bytes_max = kRegionBytes;
    h.string_index_offset = offsetof(Image, string_index);
    h.string_data_offset = offsetof(Image, string_data);
    h.string_data_bytes_max = kRegionBytes;
    h.slot_offset = offsetof(Image, slots);
    h.state_offset = offsetof(Image, states);
    h.stored_offset = offsetof(Image, stored);
    h.page_offset = offsetof(Image, pages);
    h.strings_max = h.strings_count = kStrings;
    h.slots_max = h.slots_declared = kStreams;
    h.pages_max = h.pages_declared = kPages;
    h.page_bytes = kPageBytes;
    h.ready = 1;
}

/// The file and its directory; one for the life of the fuzzer. Writes go by pwrite: a mapping would
/// fault where the file has been cut.
class SegmentFile {
public:
    SegmentFile() {
        directory_ = std::make_unique<shm::RingDirectory>(
            std::move(*shm::RingDirectory::open(folder_.path(), shm::RingDirectory::Create::kNo)));
        fd_ = ::open((folder_.path() + "/" + kName).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        require(fd_ >= 0, "the file is made");
    }
    ~SegmentFile() { ::close(fd_); }
    SegmentFile(const SegmentFile&) = delete;
    SegmentFile& operator=(const SegmentFile&) = delete;

    /// Makes it a right one again.
    void renew() {
        std::memset(&image_, 0, sizeof image_);
        fill_header(image_.header);
        for (std::uint32_t i = 0; i < kStrings; ++i) {
            image_.string_index[i] = i * 8;
            image_.string_data[i * 8] = static_cast<std::uint8_t>(i % 5);
            image_.string_data[i * 8 + 4] = 'a';
        }
        require(::ftruncate(fd_, sizeof image_) == 0, "the file has its length");
        put(&image_, sizeof image_);
    }
    /// What its producer takes to be there.
    [[nodiscard]] Image& image() noexcept { return image_; }
    /// Writes these bytes of image() to the file.
    void put(const void* from, std::size_t bytes) {
        const auto at = static_cast<const char*>(from) - reinterpret_cast<const char*>(&image_);
        require(::pwrite(fd_, from, bytes, at) == static_cast<ssize_t>(bytes), "it is written");
    }
    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] Result<shm::SegmentReader> attach() const {
        return shm::SegmentReader::attach(*directory_, kName, shm::SegmentReader::Mode::kReadWrite);
    }

private:
    static constexpr const char* kName = "1-fuzz.seg";
    ScratchFolder folder_;
    std::unique_ptr<shm::RingDirectory> directory_;
    int fd_{-1};
    Image image_{};
};

}  // namespace spanring::fuzz
