// The fixed part of a stored batch. docs/format/batch.md describes the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace spanring::codec {

inline constexpr std::uint32_t kBatchMagic = 0x42525053u;  // "SPRB"
/// A batch has the lowest version that says it, so that a reader that does not know what stands in
/// it refuses it by its version. 2: the table says of each section how it is compressed, for one is
/// with zstd. 3: as 2, and a column is a dictionary.
inline constexpr std::uint16_t kBatchVersion = 1;
inline constexpr std::uint16_t kBatchVersionZstd = 2;
inline constexpr std::uint16_t kBatchVersionDictionary = 3;
inline constexpr std::uint16_t kBatchVersionLast = kBatchVersionDictionary;

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
