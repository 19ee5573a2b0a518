// The fixed part of a stored batch. docs/format/batch.md describes the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace spanring::codec {

inline constexpr std::uint32_t kBatchMagic = 0x42525053u;  // "SPRB"
/// Version 2: as 1, but the table says of each section how it is compressed. Written only when one
/// is with zstd or a column is a dictionary, so that whoever reads neither refuses the batch by its
/// version.
inline constexpr std::uint16_t kBatchVersion = 1;
inline constexpr std::uint16_t kBatchVersion2 = 2;

struct BatchHeader {
    std::uint32_t magic;
    std::uint16_t version;
    std::uint16_t reserved_0;
    std::uint32_t crc32c;       // of all bytes after this field
    std::uint32_t batch_bytes;  // all of it, header included
    std::uint32_t row_count;
    std::uint32_t section_count;
    std::uint32_t table_bytes;  // of the table of sections, which follows the header
};

static_assert(sizeof(BatchHeader) == 28 && alignof(BatchHeader) == 4);
static_assert(std::is_trivially_copyable_v<BatchHeader> && std::is_standard_layout_v<BatchHeader>);
static_assert(offsetof(BatchHeader, magic) == 0);
static_assert(offsetof(BatchHeader, version) == 4);
static_assert(offsetof(BatchHeader, reserved_0) == 6);
static_assert(offsetof(BatchHeader, crc32c) == 8);
static_assert(offsetof(BatchHeader, batch_bytes) == 12);
static_assert(offsetof(BatchHeader, row_count) == 16);
static_assert(offsetof(BatchHeader, section_count) == 20);
static_assert(offsetof(BatchHeader, table_bytes) == 24);

inline constexpr std::size_t kChecksummedFrom = 12;

}  // namespace spanring::codec
