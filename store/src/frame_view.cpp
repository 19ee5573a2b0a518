#include "frame_view.hpp"

#include <cstring>
#include <string>

#include "spanring/base/crc32c.hpp"
#include "wire.hpp"

namespace spanring::store {
namespace {

Error corrupt(const char* what) {
    return {ErrorCode::kCorrupt, what};
}

/// Calls take(kind, payload) for each section; take returns false for a kind that does not belong
/// there.
template <typename Take>
Result<void> walk_sections(std::span<const std::byte> rest, Take take) {
    while (!rest.empty()) {
        spanring_section_header head;
        if (rest.size() < sizeof head) return corrupt("a section is cut off");
        std::memcpy(&head, rest.data(), sizeof head);
        rest = rest.subspan(sizeof head);
        const std::uint64_t padded = (std::uint64_t{head.bytes} + 7) & ~std::uint64_t{7};
        if (padded > rest.size()) return corrupt("a section is longer than its frame");
        if ((head.kind & SPANRING_SECTION_OPTIONAL) == 0 &&
            !take(head.kind, rest.first(head.bytes)))
            return Error{ErrorCode::kVersion,
                         "section kind " + std::to_string(head.kind) + " is not known here"};
        rest = rest.subspan(padded);
    }
    return {};
}

std::optional<MergedRange> read_merged(std::span<const std::byte> payload,
                                       const spanring_frame_header& header) {
    WireReader wire(payload);
    const MergedRange range{wire.varint(), wire.varint()};
    if (!wire.ok() || !wire.at_end()) return std::nullopt;
    if (range.first > header.number || range.last < header.number) return std::nullopt;
    return range;
}

}  // namespace

Result<spanring_frame_header> read_header(std::span<const std::byte> bytes) {
    spanring_frame_header header;
    if (bytes.size() < sizeof header) return corrupt("shorter than a frame header");
    std::memcpy(&header, bytes.data(), sizeof header);
    if (std::memcmp(header.magic, SPANRING_FRAME_MAGIC, sizeof header.magic) != 0)
        return corrupt("no frame magic");
    const auto checked = bytes.first(offsetof(spanring_frame_header, header_crc));
    // Before the version: a later one keeps the first 80 bytes, so a flipped bit is not taken for
    // a version.
    if (crc32c(checked) != header.header_crc) return corrupt("header checksum is wrong");
    if (header.version != SPANRING_FRAME_VERSION)
        return Error{ErrorCode::kVersion, "frame version " + std::to_string(header.version) +
                                              ", this program reads " +
                                              std::to_string(SPANRING_FRAME_VERSION)};
    const std::uint32_t lengths = header.header_bytes | header.meta_bytes | header.data_bytes;
    if (header.header_bytes != sizeof header || lengths % SPANRING_FRAME_ALIGNMENT != 0 ||
        frame_bytes_of(header) > SPANRING_FRAME_BYTES_MAX)
        return corrupt("header lengths are impossible");
    return header;
}

Result<MetaView> read_meta(const spanring_frame_header& header, std::span<const std::byte> meta) {
    if (meta.size() < header.meta_bytes) return corrupt("frame is cut off");
    meta = meta.first(header.meta_bytes);
    if (crc32c(meta) != header.meta_crc) return corrupt("checksum of the positions is wrong");
    MetaView view;
    auto walked = walk_sections(meta, [&](std::uint32_t kind, std::span<const std::byte> payload) {
        switch (kind) {
            case SPANRING_SECTION_INSTANCES: view.instances = payload; return true;
            case SPANRING_SECTION_OPEN_SPANS: view.open_spans.push_back(payload); return true;
            case SPANRING_SECTION_DEFERRED: view.deferred = payload; return true;
            case SPANRING_SECTION_MERGED: view.merged = read_merged(payload, header); return true;
            default: return false;
        }
    });
    if (!walked) return std::move(walked).error();
    if (is_merged(header) != view.merged.has_value())
        return corrupt("the range of a merged frame is wrong");
    return view;
}

Result<std::vector<std::span<const std::byte>>> read_data(const spanring_frame_header& header,
                                                          std::span<const std::byte> data) {
    if (data.size() < header.data_bytes) return corrupt("frame is cut off");
    data = data.first(header.data_bytes);
    if (crc32c(data) != header.data_crc) return corrupt("checksum of the batches is wrong");
    std::vector<std::span<const std::byte>> batches;
    auto walked = walk_sections(data, [&](std::uint32_t kind, std::span<const std::byte> payload) {
        if (kind == SPANRING_SECTION_BATCH) batches.push_back(payload);
        return kind == SPANRING_SECTION_BATCH;
    });
    if (!walked) return std::move(walked).error();
    return batches;
}

Result<FrameView> read_frame(std::span<const std::byte> bytes) {
    auto header = read_header(bytes);
    if (!header) return std::move(header).error();
    FrameView view;
    view.header = *header;
    view.bytes = frame_bytes_of(*header);
    if (view.bytes > bytes.size()) return corrupt("frame is cut off");
    auto meta = read_meta(*header, bytes.subspan(header->header_bytes));
    if (!meta) return std::move(meta).error();
    auto batches = read_data(*header, bytes.subspan(header->header_bytes + header->meta_bytes));
    if (!batches) return std::move(batches).error();
    view.meta = *meta;
    view.batches = std::move(*batches);
    return view;
}

}  // namespace spanring::store
