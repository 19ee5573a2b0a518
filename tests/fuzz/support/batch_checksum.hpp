// Batches of fuzz bytes whose checksum is right: without, hardly an input would reach the parsers.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "batch_layout.hpp"
#include "spanring/base/crc32c.hpp"

namespace spanring::fuzz {

/// Makes the checksum right of a batch that has room for its header.
inline void mend_batch_checksum(std::span<std::byte> bytes) {
    const std::uint32_t crc = crc32c(bytes.subspan(codec::kChecksummedFrom));
    std::memcpy(bytes.data() + offsetof(codec::BatchHeader, crc32c), &crc, sizeof crc);
}

/// Returns the bytes with magic, length and checksum made right and one of the versions that there
/// are, if they have room for a header.
inline std::vector<std::byte> with_right_header(const std::vector<std::uint8_t>& data) {
    std::vector<std::byte> bytes(data.size());
    if (!data.empty()) std::memcpy(bytes.data(), data.data(), data.size());
    codec::BatchHeader header;
    if (bytes.size() < sizeof(header)) return bytes;
    std::memcpy(&header, bytes.data(), sizeof(header));
    header.magic = codec::kBatchMagic;
    if (header.version < codec::kBatchVersion || header.version > codec::kBatchVersionLast) {
        header.version = static_cast<std::uint16_t>(codec::kBatchVersion +
                                                    header.version % codec::kBatchVersionLast);
    }
    header.reserved_0 = 0;
    header.batch_bytes = static_cast<std::uint32_t>(bytes.size());
    std::memcpy(bytes.data(), &header, sizeof(header));
    mend_batch_checksum(bytes);
    return bytes;
}

}  // namespace spanring::fuzz
