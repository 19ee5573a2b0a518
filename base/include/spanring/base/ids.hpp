// Trace ids, span ids and the keys they are derived from.
//
// A locally minted span costs no id bytes: its *span key* is (stream, ordinal) within an *instance*
// (one process's life as a producer). trace id = E(host key; instance number, key of the trace's
// first span), span id = E(span key of the instance; key), both keyed bijections
// (docs/decisions/0001-ids-by-speck.md), so that ids are unique, look random, and lead back to the
// instance that minted them.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace spanring {

/// 16 bytes in the order of the hex form. A 64-bit id has zeros in front; that it *came* as 64 bits
/// is a flag beside it.
struct TraceId {
    std::array<std::uint8_t, 16> bytes{};
    auto operator<=>(const TraceId&) const = default;
    [[nodiscard]] bool valid() const noexcept { return *this != TraceId{}; }
};

/// 8 bytes in the order of the hex form; all zero: none.
struct SpanId {
    std::array<std::uint8_t, 8> bytes{};
    auto operator<=>(const SpanId&) const = default;
    [[nodiscard]] bool valid() const noexcept { return *this != SpanId{}; }
};

using Key128 = std::array<std::uint8_t, 16>;

/// One life of a producing process. `number()` is its first 8 bytes, little-endian: the part that
/// stands in its trace ids.
struct InstanceId {
    Key128 bytes{};
    auto operator<=>(const InstanceId&) const = default;
    [[nodiscard]] std::uint64_t number() const noexcept {
        std::uint64_t n;
        std::memcpy(&n, bytes.data(), 8);
        return n;
    }
};

/// (stream, ordinal) of a span within its instance: stream in the upper 16 bits, ordinal in the
/// lower 48; 0 is never a span (ordinals start at 1).
struct SpanKey {
    std::uint64_t value{0};
    auto operator<=>(const SpanKey&) const = default;
    static constexpr int kOrdinalBits = 48;
    static constexpr std::uint64_t kOrdinalMask = (std::uint64_t{1} << kOrdinalBits) - 1;
    [[nodiscard]] static constexpr SpanKey of(std::uint32_t stream,
                                              std::uint64_t ordinal) noexcept {
        return {(static_cast<std::uint64_t>(stream) << kOrdinalBits) | (ordinal & kOrdinalMask)};
    }
    [[nodiscard]] constexpr std::uint32_t stream() const noexcept {
        return static_cast<std::uint32_t>(value >> kOrdinalBits);
    }
    [[nodiscard]] constexpr std::uint64_t ordinal() const noexcept { return value & kOrdinalMask; }
};

/// Where a native trace id came from.
struct TraceOrigin {
    std::uint64_t instance_number{0};
    SpanKey root;
};

/// Returns the trace id of the trace whose first span is `root` of that instance. Pure; any thread;
/// async-signal-safe.
[[nodiscard]] TraceId derive_trace_id(const Key128& host_key, std::uint64_t instance_number,
                                      SpanKey root) noexcept;
/// The inverse of derive_trace_id: meaningful only if the id was minted under this host key (look
/// the instance up).
[[nodiscard]] TraceOrigin locate_trace(const Key128& host_key, const TraceId& id) noexcept;
/// Returns the span id of `key`, never zero. Pure; any thread; async-signal-safe.
[[nodiscard]] SpanId derive_span_id(const Key128& span_key, SpanKey key) noexcept;
/// The inverse of derive_span_id.
[[nodiscard]] SpanKey locate_span(const Key128& span_key, const SpanId& id) noexcept;

/// Lower-case hex, 32 characters, or 16 if `as_64_bit`.
[[nodiscard]] std::string to_hex(const TraceId& id, bool as_64_bit = false);
[[nodiscard]] std::string to_hex(const SpanId& id);
/// Reads 32 or 16 hex characters of either case; false (and *id unchanged) for anything else.
[[nodiscard]] bool from_hex(std::string_view hex, TraceId* id) noexcept;
[[nodiscard]] bool from_hex(std::string_view hex, SpanId* id) noexcept;

}  // namespace spanring
