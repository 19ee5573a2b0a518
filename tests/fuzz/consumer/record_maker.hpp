// Records made from fuzz bytes: kinds that exist more often than not, with words that are likely to
// name something that is there.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "spanring/abi/record_layout.h"
#include "spanring/base/ids.hpp"

namespace spanring::fuzz {

inline constexpr std::uint32_t kStreams = 4;

inline void put_word(std::vector<std::byte>& bytes, std::uint64_t word) {
    const auto* from = reinterpret_cast<const std::byte*>(&word);
    bytes.insert(bytes.end(), from, from + 8);
}

/// Appends one record of any kind; what follows its head are span keys and small numbers.
inline void put_record(FuzzedDataProvider& in, std::vector<std::byte>& bytes) {
    const auto kind = in.ConsumeIntegral<std::uint8_t>();
    const std::uint32_t id = in.ConsumeBool() ? in.ConsumeIntegralInRange<std::uint32_t>(0, 6)
                                              : in.ConsumeIntegral<std::uint32_t>() | 0xff0000u;
    std::uint32_t low = in.ConsumeIntegralInRange<std::uint32_t>(0, 70'000);
    if (spanring_record_has_payload(kind & SPANRING_REC_DETAIL_MASK) != 0) low %= 1500;
    const std::uint64_t head = spanring_record_head(kind, id, low);
    put_word(bytes, head);
    const std::uint32_t whole = spanring_record_bytes(head);
    for (std::uint32_t at = 8; at < whole; at += 8) {
        const auto stream = in.ConsumeIntegralInRange<std::uint32_t>(0, kStreams - 1);
        const auto ordinal = in.ConsumeIntegralInRange<std::uint64_t>(0, 20);
        put_word(bytes, in.ConsumeBool() ? SpanKey::of(stream, ordinal).value : ordinal);
    }
}

/// Appends bytes that nobody has made anything of.
inline void put_raw(FuzzedDataProvider& in, std::vector<std::byte>& bytes) {
    for (const std::uint8_t byte : in.ConsumeBytes<std::uint8_t>(24)) {
        bytes.push_back(std::byte{byte});
    }
}

}  // namespace spanring::fuzz
