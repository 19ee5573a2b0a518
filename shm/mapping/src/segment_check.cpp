#include "segment_check.hpp"

#include <bit>
#include <cstdio>
#include <cstring>

#include "spanring/shm/segment_writer.hpp"

namespace spanring::shm {
namespace {

std::string hex(std::uint64_t value) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
    return text;
}

Error differs(ErrorCode code, const char* what, const std::string& theirs,
              const std::string& ours) {
    return {code, std::string(what) + " is " + theirs + ", not " + ours};
}

Result<void> check_version(const spanring_segment_header& h) {
    if (h.magic != SPANRING_SEGMENT_MAGIC) {
        return differs(ErrorCode::kCorrupt, "magic", hex(h.magic), hex(SPANRING_SEGMENT_MAGIC));
    }
    if (h.abi_major != SPANRING_ABI_MAJOR) {
        return differs(ErrorCode::kVersion, "ABI version", std::to_string(h.abi_major),
                       std::to_string(SPANRING_ABI_MAJOR));
    }
    if (h.header_bytes != sizeof h) {
        return differs(ErrorCode::kVersion, "header length", std::to_string(h.header_bytes),
                       std::to_string(sizeof h));
    }
    if (h.fingerprint != SPANRING_LAYOUT_FINGERPRINT) {
        return differs(ErrorCode::kVersion, "layout fingerprint", hex(h.fingerprint),
                       hex(SPANRING_LAYOUT_FINGERPRINT));
    }
    return {};
}

Result<void> check_limit(const char* what, std::uint64_t value, std::uint64_t max) {
    if (value >= 1 && value <= max) return {};
    return Error{ErrorCode::kCorrupt, std::string(what) + " is " + std::to_string(value) +
                                          ", not from 1 to " + std::to_string(max)};
}

struct Region {
    const char* name;
    std::uint64_t offset;
    std::uint64_t bytes;
};

Result<void> check_region(const Region& region, std::uint64_t segment_bytes) {
    // In this order no sum overflows.
    const bool inside = region.offset >= sizeof(spanring_segment_header) &&
                        region.offset <= segment_bytes &&
                        region.bytes <= segment_bytes - region.offset && region.offset % 8 == 0;
    if (inside) return {};
    return Error{ErrorCode::kCorrupt,
                 std::string(region.name) + " region (offset " + std::to_string(region.offset) +
                     ", " + std::to_string(region.bytes) + " bytes) is out of the segment's " +
                     std::to_string(segment_bytes) + " bytes"};
}

Result<void> check_limits(const spanring_segment_header& h) {
    if (!std::has_single_bit(h.page_bytes) || h.page_bytes < SPANRING_PAGE_BYTES_MIN ||
        h.page_bytes > SPANRING_PAGE_BYTES_MAX) {
        return Error{ErrorCode::kCorrupt, "page length is " + std::to_string(h.page_bytes) +
                                              ", not a power of two from 1024 to 65536"};
    }
    Result<void> checked =
        check_limit("number of pages", h.pages_max, kRingBytesLimit / h.page_bytes);
    if (checked) checked = check_limit("number of thread slots", h.slots_max, kSlotsLimit);
    if (checked) checked = check_limit("number of strings", h.strings_max, SPANRING_STRINGS_MAX);
    if (checked) checked = check_limit("clock kind", h.clock_kind, SPANRING_CLOCK_MONOTONIC);
    return checked;
}

Result<void> check_regions(const spanring_segment_header& h) {
    const Region regions[] = {
        {"resource", h.resource_offset, h.resource_bytes_max},
        {"string index", h.string_index_offset, std::uint64_t{h.strings_max} * 4},
        {"string data", h.string_data_offset, h.string_data_bytes_max},
        {"thread slot", h.slot_offset, std::uint64_t{h.slots_max} * sizeof(spanring_thread_slot)},
        {"page state", h.state_offset, std::uint64_t{h.pages_max} * 8},
        {"stored", h.stored_offset, std::uint64_t{h.pages_max} * 8},
        {"page", h.page_offset, std::uint64_t{h.pages_max} * h.page_bytes},
    };
    for (const Region& region : regions) {
        if (Result<void> checked = check_region(region, h.segment_bytes); !checked) return checked;
    }
    return {};
}

template <std::size_t kBytes>
Key128 key_of(const std::uint8_t (&bytes)[kBytes]) {
    static_assert(kBytes == 16);
    Key128 key;
    std::memcpy(key.data(), bytes, kBytes);
    return key;
}

}  // namespace

Result<SegmentBounds> check_header(const spanring_segment_header& h, std::uint64_t file_bytes) {
    if (Result<void> checked = check_version(h); !checked) return std::move(checked).error();
    if (h.segment_bytes > file_bytes) {
        return Error{ErrorCode::kCorrupt, "segment length is " + std::to_string(h.segment_bytes) +
                                              ", the file has " + std::to_string(file_bytes) +
                                              " bytes"};
    }
    if (Result<void> checked = check_limits(h); !checked) return std::move(checked).error();
    if (Result<void> checked = check_regions(h); !checked) return std::move(checked).error();
    if (h.ready != 1) {
        return Error{ErrorCode::kUnavailable,
                     "the segment is not ready (" + std::to_string(h.ready) + ", not 1)"};
    }
    SegmentBounds bounds;
    bounds.segment_bytes = h.segment_bytes;
    bounds.resource_offset = h.resource_offset;
    bounds.resource_bytes_max = h.resource_bytes_max;
    bounds.string_index_offset = h.string_index_offset;
    bounds.string_data_offset = h.string_data_offset;
    bounds.string_data_bytes_max = h.string_data_bytes_max;
    bounds.slot_offset = h.slot_offset;
    bounds.state_offset = h.state_offset;
    bounds.stored_offset = h.stored_offset;
    bounds.page_offset = h.page_offset;
    bounds.strings_max = h.strings_max;
    bounds.slots_max = h.slots_max;
    bounds.pages_max = h.pages_max;
    bounds.page_bytes = h.page_bytes;
    return bounds;
}

SegmentIdentity identity_of(const spanring_segment_header& h, const SegmentBounds& bounds,
                            std::uint32_t file_uid) {
    SegmentIdentity identity;
    identity.instance.bytes = key_of(h.instance_id);
    identity.parent.bytes = key_of(h.parent_instance_id);
    identity.span_key = key_of(h.span_key);
    identity.host_key = key_of(h.host_key);
    identity.boot_id = key_of(h.boot_id);
    identity.pid_start_ticks = h.pid_start_ticks;
    identity.pid = h.pid;
    identity.uid = file_uid;
    identity.created_realtime_ns = h.created_realtime_ns;
    identity.clock_kind = h.clock_kind;
    identity.policy = h.policy;
    identity.page_bytes = bounds.page_bytes;
    identity.pages_max = bounds.pages_max;
    identity.slots_max = bounds.slots_max;
    identity.strings_max = bounds.strings_max;
    const auto* name = reinterpret_cast<const char*>(h.process_name);
    identity.process_name.assign(name, ::strnlen(name, sizeof h.process_name));
    return identity;
}

}  // namespace spanring::shm
