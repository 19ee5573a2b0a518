// A frame's bytes taken apart without copying: header, sections. What scanners, recovery and
// queries use; decode_frame is built on it. Trusts nothing. Threads: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "frame_layout.h"
#include "spanring/base/result.hpp"
#include "spanring/store/frame.hpp"

namespace spanring::store {

inline constexpr std::size_t kFrameHeaderBytes = sizeof(spanring_frame_header);

/// Returns the header at bytes[0] if its own checksum and bounds hold. Errors: kCorrupt (also when
/// there are fewer bytes than a header), kVersion.
[[nodiscard]] Result<spanring_frame_header> read_header(std::span<const std::byte> bytes);

/// Length of the whole frame that this (checked) header announces.
[[nodiscard]] inline std::uint64_t frame_bytes_of(const spanring_frame_header& header) noexcept {
    return header.header_bytes + std::uint64_t{header.meta_bytes} + header.data_bytes;
}

[[nodiscard]] inline bool is_merged(const spanring_frame_header& header) noexcept {
    return (header.flags & SPANRING_FRAME_MERGED) != 0;
}

/// The sections of the meta part; spans borrow from the bytes given.
struct MetaView {
    std::span<const std::byte> instances;
    std::vector<std::span<const std::byte>> open_spans;
    std::span<const std::byte> deferred;
    std::optional<MergedRange> merged;  ///< there if the header says so
    /// The numbers that this frame answers for.
    [[nodiscard]] MergedRange range(const spanring_frame_header& header) const noexcept {
        return merged.value_or(MergedRange{header.number, header.number});
    }
};

/// `meta`: the header.meta_bytes bytes behind the header. Errors: kCorrupt, kVersion.
[[nodiscard]] Result<MetaView> read_meta(const spanring_frame_header& header,
                                         std::span<const std::byte> meta);
/// `data`: the header.data_bytes bytes behind the meta part. Returns the encoded batches.
[[nodiscard]] Result<std::vector<std::span<const std::byte>>> read_data(
    const spanring_frame_header& header, std::span<const std::byte> data);

struct FrameView {
    spanring_frame_header header{};
    MetaView meta;
    std::vector<std::span<const std::byte>> batches;
    std::uint64_t bytes{0};
};
/// Returns the frame that starts at bytes[0], every checksum verified.
[[nodiscard]] Result<FrameView> read_frame(std::span<const std::byte> bytes);

/// The positions section. Errors: kCorrupt.
[[nodiscard]] Result<std::vector<InstanceDelta>> decode_instances(std::span<const std::byte> bytes);

}  // namespace spanring::store
