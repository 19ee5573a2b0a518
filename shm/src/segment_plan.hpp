// Where the regions of a segment lie, computed once from its options. Pure.
#pragma once

#include <cstdint>

#include "spanring/abi/segment_layout.h"
#include "spanring/shm/segment_writer.hpp"

namespace spanring::shm {

/// Regions start on page boundaries of the machine, so that each can be reserved by itself, and so
/// that words of producer and consumer never share a line.
inline constexpr std::uint64_t kRegionBytes = 4096;

constexpr std::uint64_t region_round(std::uint64_t bytes) noexcept {
    return (bytes + kRegionBytes - 1) & ~(kRegionBytes - 1);
}

struct SegmentPlan {
    std::uint64_t resource_offset{0};
    std::uint64_t string_index_offset{0};
    std::uint64_t string_data_offset{0};
    std::uint64_t slot_offset{0};
    std::uint64_t state_offset{0};
    std::uint64_t stored_offset{0};
    std::uint64_t page_offset{0};
    std::uint64_t segment_bytes{0};
    std::uint32_t pages_initial{0};
    std::uint32_t pages_max{0};
};

/// Options must have been checked.
inline SegmentPlan plan_segment(const SegmentOptions& options) noexcept {
    SegmentPlan plan;
    const std::uint64_t pages = options.ring_bytes_max / options.page_bytes;
    plan.pages_max = static_cast<std::uint32_t>(pages == 0 ? 1 : pages);
    const std::uint64_t initial = options.ring_bytes_initial / options.page_bytes;
    plan.pages_initial = static_cast<std::uint32_t>(
        initial == 0 ? 1 : (initial > plan.pages_max ? plan.pages_max : initial));
    plan.resource_offset = sizeof(spanring_segment_header);
    plan.string_index_offset = plan.resource_offset + region_round(kResourceBytesMax);
    plan.string_data_offset =
        plan.string_index_offset + region_round(std::uint64_t{options.strings_max} * 4);
    plan.slot_offset = plan.string_data_offset + region_round(kStringDataBytesMax);
    plan.state_offset = plan.slot_offset + region_round(std::uint64_t{options.slots_max} *
                                                        sizeof(spanring_thread_slot));
    plan.stored_offset = plan.state_offset + region_round(std::uint64_t{plan.pages_max} * 8);
    plan.page_offset = plan.stored_offset + region_round(std::uint64_t{plan.pages_max} * 8);
    plan.segment_bytes =
        plan.page_offset + region_round(std::uint64_t{plan.pages_max} * options.page_bytes);
    return plan;
}

}  // namespace spanring::shm
