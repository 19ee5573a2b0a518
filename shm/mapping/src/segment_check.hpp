// Checking a segment's header: from bytes that anybody may have written to numbers that may be used
// as offsets and limits. Pure; works on a copy.
#pragma once

#include <cstdint>
#include <string>

#include "spanring/abi/segment_layout.h"
#include "spanring/base/result.hpp"
#include "spanring/shm/mapping/segment_reader.hpp"

namespace spanring::shm {

/// Offsets and limits that lie within the mapped bytes.
struct SegmentBounds {
    std::uint64_t segment_bytes{0};
    std::uint64_t resource_offset{0};
    std::uint64_t resource_bytes_max{0};
    std::uint64_t string_index_offset{0};
    std::uint64_t string_data_offset{0};
    std::uint64_t string_data_bytes_max{0};
    std::uint64_t slot_offset{0};
    std::uint64_t state_offset{0};
    std::uint64_t stored_offset{0};
    std::uint64_t page_offset{0};
    std::uint32_t strings_max{0};
    std::uint32_t slots_max{0};
    std::uint32_t pages_max{0};
    std::uint32_t page_bytes{0};
};

/// A larger file is not a segment of this version: the longest ring, tables and all, fits in it.
inline constexpr std::uint64_t kSegmentBytesLimit = std::uint64_t{2} << 30;

/// Checks everything that stands in front of `ready`, in the documented order, and then `ready`.
Result<SegmentBounds> check_header(const spanring_segment_header& copy, std::uint64_t file_bytes);
SegmentIdentity identity_of(const spanring_segment_header& copy, const SegmentBounds& bounds,
                            std::uint32_t file_uid);

}  // namespace spanring::shm
