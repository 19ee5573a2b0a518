#include "log_scanner.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "folder.hpp"
#include "spanring/base/os.hpp"

namespace spanring::store {
namespace {

// Some 50 of the smallest frames, or a quarter of a full batch's: a scan of positions does not read
// the batches.
constexpr std::size_t kReadAheadBytes = 16u << 10;
constexpr std::size_t kSearchBytes = 64u << 10;

}  // namespace

std::string to_text(const Skipped& skipped, const std::string& file) {
    return file + ": skipped " + std::to_string(skipped.bytes) + " bytes at " +
           std::to_string(skipped.offset) + ": " + skipped.cause.message;
}

Result<std::uint64_t> LogFile::bytes() const {
    return file_bytes(fd_, name_);
}

Result<std::span<const std::byte>> LogFile::at(std::uint64_t offset, std::size_t bytes) {
    const bool held = offset >= buffer_offset_ && offset + bytes <= buffer_offset_ + buffer_bytes_;
    if (!held) {
        const std::size_t wanted = std::max(bytes, kReadAheadBytes);
        if (buffer_.size() < wanted) buffer_.resize(wanted);
        buffer_offset_ = offset;
        buffer_bytes_ = 0;
        while (buffer_bytes_ < wanted) {
            const ssize_t got =
                os::read_at(fd_, buffer_.data() + buffer_bytes_, wanted - buffer_bytes_,
                            static_cast<off_t>(offset + buffer_bytes_));
            if (got < 0) {
                const int cause = errno;
                buffer_bytes_ = 0;
                return os_error(cause, name_ + " at " + std::to_string(offset));
            }
            if (got == 0) break;
            buffer_bytes_ += static_cast<std::size_t>(got);
        }
    }
    const std::size_t start = static_cast<std::size_t>(offset - buffer_offset_);
    return std::span<const std::byte>(buffer_).subspan(start,
                                                       std::min(bytes, buffer_bytes_ - start));
}

Result<MetaView> LogScanner::meta(const FramePlace& place) {
    auto bytes = file_.at(place.offset + place.header.header_bytes, place.header.meta_bytes);
    if (!bytes) return std::move(bytes).error();
    return read_meta(place.header, *bytes);
}

Result<FrameView> LogScanner::frame(const FramePlace& place) {
    auto bytes = file_.at(place.offset, static_cast<std::size_t>(place.bytes()));
    if (!bytes) return std::move(bytes).error();
    return read_frame(*bytes);
}

// *next_offset: where to look on if the frame is not good. A header is believed if its checksum
// holds, so what its frame contains is never searched for frames: a span's attribute might hold
// one.
Result<FramePlace> LogScanner::good_frame_at(std::uint64_t offset, std::uint64_t end,
                                             std::uint64_t* next_offset) {
    *next_offset = offset + SPANRING_FRAME_ALIGNMENT;
    auto head = file_.at(offset, kFrameHeaderBytes);
    if (!head) return std::move(head).error();
    auto header = read_header(*head);
    if (!header) return std::move(header).error();
    const FramePlace place{offset, *header};
    *next_offset = offset + place.bytes();
    if (*next_offset > end) {
        *next_offset = end;
        return Error{ErrorCode::kCorrupt, "frame is cut off"};
    }
    if (verify_ == Verify::kEverything || *next_offset == end) {
        if (auto whole = frame(place); !whole) return std::move(whole).error();
    } else if (auto positions = meta(place); !positions) {
        return std::move(positions).error();
    }
    return place;
}

Result<std::uint64_t> LogScanner::find_magic(std::uint64_t offset, std::uint64_t end) {
    while (offset < end) {
        const std::uint64_t wanted = std::min<std::uint64_t>(kSearchBytes, end - offset);
        auto bytes = file_.at(offset, static_cast<std::size_t>(wanted));
        if (!bytes) return std::move(bytes).error();
        for (std::size_t i = 0; i + SPANRING_FRAME_ALIGNMENT <= bytes->size();
             i += SPANRING_FRAME_ALIGNMENT)
            if (std::memcmp(bytes->data() + i, SPANRING_FRAME_MAGIC, 8) == 0) return offset + i;
        if (bytes->size() < wanted) break;
        offset += wanted;
    }
    return end;
}

Result<bool> LogScanner::next(FramePlace* place) {
    // What lies below a limit is committed, so it is asked for only until it is seen to be there.
    // Without one the file may have been cut meanwhile, and be growing again.
    if (length_ < end_limit_) {
        auto length = file_.bytes();
        if (!length) return std::move(length).error();
        length_ = *length;
    }
    const std::uint64_t end = std::min(length_, end_limit_);
    tail_bytes_ = 0;
    Error first_cause;
    for (std::uint64_t offset = position_; offset < end;) {
        std::uint64_t after = 0;
        auto found = good_frame_at(offset, end, &after);
        if (found) {
            if (offset != position_)
                skipped_.push_back({position_, offset - position_, std::move(first_cause)});
            *place = *found;
            position_ = after;
            return true;
        }
        if (found.error().code != ErrorCode::kCorrupt) return std::move(found).error();
        if (offset == position_) first_cause = std::move(found).error();
        auto magic = find_magic(after, end);
        if (!magic) return std::move(magic).error();
        offset = *magic;
    }
    tail_bytes_ = end > position_ ? end - position_ : 0;
    return false;
}

}  // namespace spanring::store
