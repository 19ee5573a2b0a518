// Walks the frames of one window, whatever state its bytes are in. Used by recovery, the indexer,
// readers and check. Never writes; may run while the writer appends: what is not whole yet is
// "not yet" (tail), never an error. Threads: one user at a time.
//
//   good │ good │ bad bytes │ good │ half a frame
//                 └ skipped ┘        └ tail: position() stays here
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "frame_view.hpp"
#include "spanring/base/result.hpp"

namespace spanring::store {

/// A file read at any place, through a small read-ahead.
class LogFile {
public:
    LogFile(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
    /// Returns up to `bytes` bytes at `offset`: fewer only at the end of the file. Valid until the
    /// next call.
    [[nodiscard]] Result<std::span<const std::byte>> at(std::uint64_t offset, std::size_t bytes);
    [[nodiscard]] Result<std::uint64_t> bytes() const;
    [[nodiscard]] const std::string& name() const noexcept { return name_; }

private:
    int fd_;
    std::string name_;
    std::vector<std::byte> buffer_;
    std::uint64_t buffer_offset_{0};
    std::size_t buffer_bytes_{0};
};

struct FramePlace {
    std::uint64_t offset{0};
    spanring_frame_header header{};
    [[nodiscard]] std::uint64_t bytes() const noexcept { return frame_bytes_of(header); }
};

/// Bytes that are no frame, with frames behind them.
struct Skipped {
    std::uint64_t offset{0};
    std::uint64_t bytes{0};
    Error cause;
};
/// "file: skipped N bytes at OFFSET: cause".
[[nodiscard]] std::string to_text(const Skipped& skipped, const std::string& file);

enum class Verify : std::uint8_t {
    kPositions,  ///< header and meta part of each frame; the batches only of the last in the file
    kEverything
};

class LogScanner {
public:
    /// Starts at `from`, the end of a frame (or 0). Borrows `fd`.
    LogScanner(int fd, std::string name, std::uint64_t from, Verify verify)
        : file_(fd, std::move(name)), position_(from), verify_(verify) {}

    /// Bytes from here on are not looked at: the writer has not committed them yet.
    void limit(std::uint64_t end) noexcept { end_limit_ = end; }
    /// Goes to the next good frame. False: there is none (see tail_bytes). Errors: kIo;
    /// kVersion: a frame of another version.
    [[nodiscard]] Result<bool> next(FramePlace* place);
    /// The meta part of the frame that next() gave; valid until the next call of anything.
    [[nodiscard]] Result<MetaView> meta(const FramePlace& place);
    /// The whole of it.
    [[nodiscard]] Result<FrameView> frame(const FramePlace& place);

    /// The end of the last good frame, or of what was skipped before it.
    [[nodiscard]] std::uint64_t position() const noexcept { return position_; }
    /// Bytes behind position() when next() returned false: a frame that is not whole, or garbage.
    [[nodiscard]] std::uint64_t tail_bytes() const noexcept { return tail_bytes_; }
    [[nodiscard]] const std::vector<Skipped>& skipped() const noexcept { return skipped_; }
    [[nodiscard]] const std::string& name() const noexcept { return file_.name(); }

private:
    [[nodiscard]] Result<FramePlace> good_frame_at(std::uint64_t offset, std::uint64_t end,
                                                   std::uint64_t* next_offset);
    [[nodiscard]] Result<std::uint64_t> find_magic(std::uint64_t offset, std::uint64_t end);

    LogFile file_;
    std::uint64_t position_;
    std::uint64_t length_{0};  // of the file, when it was last asked
    Verify verify_;
    std::uint64_t end_limit_{UINT64_MAX};
    std::uint64_t tail_bytes_{0};
    std::vector<Skipped> skipped_;
};

}  // namespace spanring::store
