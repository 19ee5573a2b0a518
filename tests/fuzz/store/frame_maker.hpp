// Frames made from fuzz bytes: right ones, then damaged, then their checksums made right again, or
// hardly an input would get beyond them.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "batch_checksum.hpp"
#include "frame_layout.h"
#include "spanring/base/crc32c.hpp"
#include "spanring/codec/batch.hpp"
#include "spanring/store/frame.hpp"

namespace spanring::fuzz {

inline InstanceId some_instance(FuzzedDataProvider& in) {
    InstanceId id;
    id.bytes.fill(in.ConsumeIntegralInRange<std::uint8_t>(1, 3));
    return id;
}

/// A batch of a few native rows; now and then with some words of it replaced.
inline std::vector<std::byte> made_batch(FuzzedDataProvider& in, bool open) {
    codec::Batch batch;
    for (int i = in.ConsumeIntegralInRange<int>(0, 4); i > 0; --i) {
        codec::Row row;
        row.instance = batch.intern_instance({.id = some_instance(in)});
        row.flags = codec::RowFlag::kHasStart | codec::RowFlag::kNativeSpan |
                    codec::RowFlag::kNativeTrace | codec::RowFlag::kNativeParent;
        if (!open) row.flags |= codec::RowFlag::kHasDuration;
        if (open && in.ConsumeBool()) row.flags |= codec::RowFlag::kAppend;
        row.trace_high = 1;
        row.span = row.trace_low = in.ConsumeIntegralInRange<std::uint64_t>(1, 9);
        row.start_ns = in.ConsumeIntegralInRange<std::int64_t>(0, 1000);
        row.name = batch.intern("name");
        batch.rows.push_back(row);
    }
    const auto encoded = codec::encode(batch);
    if (!encoded || in.ConsumeIntegralInRange<int>(0, 3) != 0)
        return encoded ? *encoded : std::vector<std::byte>();
    std::vector<std::uint8_t> bytes(encoded->size());
    std::memcpy(bytes.data(), encoded->data(), bytes.size());
    for (int i = in.ConsumeIntegralInRange<int>(1, 4); i > 0; --i) {
        bytes[in.ConsumeIntegralInRange<std::size_t>(0, bytes.size() - 1)] =
            in.ConsumeIntegral<std::uint8_t>();
    }
    return with_right_header(bytes);
}

inline store::InstanceDelta made_delta(FuzzedDataProvider& in) {
    store::InstanceDelta delta;
    delta.id = some_instance(in);
    delta.pid = in.ConsumeIntegral<std::uint16_t>();
    delta.ended = in.ConsumeBool();
    const auto page = in.ConsumeIntegralInRange<std::uint32_t>(0, 5);
    delta.pages = {
        {page, in.ConsumeIntegral<std::uint32_t>(), in.ConsumeIntegral<std::uint16_t>()}};
    if (in.ConsumeBool()) delta.pages_released = {page};
    store::StreamState state;
    state.stream = in.ConsumeIntegral<std::uint16_t>();
    for (const std::uint8_t byte : in.ConsumeBytes<std::uint8_t>(8)) {
        state.state.push_back(std::byte{byte});
    }
    delta.streams = {state};
    return delta;
}

/// Makes the checksums right of the frame at bytes[0], as far as its lengths lie in the bytes.
inline void mend_checksums(std::vector<std::byte>& bytes) {
    spanring_frame_header header;
    if (bytes.size() < sizeof header) return;
    std::memcpy(&header, bytes.data(), sizeof header);
    const std::uint64_t whole =
        sizeof header + std::uint64_t{header.meta_bytes} + header.data_bytes;
    const std::span<const std::byte> all(bytes);
    if (whole <= bytes.size()) {
        header.meta_crc = crc32c(all.subspan(sizeof header, header.meta_bytes));
        header.data_crc = crc32c(all.subspan(sizeof header + header.meta_bytes, header.data_bytes));
    }
    header.header_crc = crc32c(
        std::as_bytes(std::span(&header, 1)).first(offsetof(spanring_frame_header, header_crc)));
    std::memcpy(bytes.data(), &header, sizeof header);
}

/// The bytes of one frame of this number, or of what is left of it.
inline std::vector<std::byte> made_frame(FuzzedDataProvider& in, std::uint64_t number) {
    store::Frame frame;
    frame.number = number;
    frame.snapshot = in.ConsumeBool();
    if (in.ConsumeBool()) frame.instances.push_back(made_delta(in));
    if (in.ConsumeBool()) frame.open_spans.push_back(made_batch(in, true));
    if (in.ConsumeBool()) frame.batches.push_back(made_batch(in, false));
    if (in.ConsumeBool()) frame.deferred.resize(in.ConsumeIntegralInRange<std::size_t>(0, 9));
    auto bytes = store::encode(frame, {.spans = 4, .start_ns_min = 0, .start_ns_max = 1000});
    for (int i = in.ConsumeIntegralInRange<int>(0, 4); i > 0; --i) {
        bytes[in.ConsumeIntegralInRange<std::size_t>(0, bytes.size() - 1)] =
            std::byte{in.ConsumeIntegral<std::uint8_t>()};
    }
    if (in.ConsumeIntegralInRange<int>(0, 7) != 0) mend_checksums(bytes);
    if (in.ConsumeIntegralInRange<int>(0, 15) == 0) {
        bytes.resize(in.ConsumeIntegralInRange<std::size_t>(0, bytes.size()));
    }
    return bytes;
}

}  // namespace spanring::fuzz
