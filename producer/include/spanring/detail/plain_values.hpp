// The hot path of details: attributes and events with plain values, whose names have numbers.
//
// Threads and promises: as in hot_path.hpp. Where the type of a value is known at the call site,
// as it nearly always is, what remains of these functions are the stores of its record.
#pragma once

#include "spanring/attribute.hpp"
#include "spanring/detail/hot_path.hpp"

namespace spanring::detail {

/// Longer strings take the slow path.
inline constexpr std::size_t kTextFastMax = 512;

SPANRING_INLINE std::uint32_t cached_number(const StaticName* name) noexcept {
    // relaxed: the number stands for itself; the string was published with the segment's count.
    return name != nullptr ? __atomic_load_n(&name->number, __ATOMIC_RELAXED) : 0;
}

/// Whether the compiler knows the value's type; else writing it would be too much code to inline.
SPANRING_INLINE bool is_known(const AttributeValue& value) noexcept {
    const AttributeValue::Type type = value.type();
    return __builtin_constant_p(type) != 0;
}

/// Bytes of the attribute's record if it can be written at once; 0: it cannot.
SPANRING_INLINE std::size_t plain_bytes(const AttributeValue& value) noexcept {
    switch (value.type()) {
        case AttributeValue::Type::kBool: return 8;
        case AttributeValue::Type::kInt:
        case AttributeValue::Type::kDouble: return 16;
        case AttributeValue::Type::kString:
            return value.count() <= kTextFastMax ? 8 + padded(value.count()) : 0;
        default: return 0;
    }
}
SPANRING_INLINE std::size_t plain_bytes(const Attribute& attribute) noexcept {
    return cached_number(attribute.key.name()) != 0 ? plain_bytes(attribute.value) : 0;
}

/// Writes the record of a plain value. `target`: SPANRING_TARGET_*. Returns the place behind it.
SPANRING_INLINE char* put_plain(char* place, std::uint32_t target, std::uint32_t number,
                                const AttributeValue& value) noexcept {
    switch (value.type()) {
        case AttributeValue::Type::kBool:
            put_at(place, spanring_record_head(SPANRING_REC_ATTR_BOOL | target, number,
                                               value.boolean() ? 1 : 0));
            return place + 8;
        case AttributeValue::Type::kInt:
            put_at(place, spanring_record_head(SPANRING_REC_ATTR_INT | target, number, 0));
            put_at(place + 8, static_cast<std::uint64_t>(value.integer()));
            return place + 16;
        case AttributeValue::Type::kDouble:
            put_at(place, spanring_record_head(SPANRING_REC_ATTR_DOUBLE | target, number, 0));
            put_at(place + 8, __builtin_bit_cast(std::uint64_t, value.real()));
            return place + 16;
        default:
            put_at(place, spanring_record_head(SPANRING_REC_ATTR_STRING | target, number,
                                               static_cast<std::uint32_t>(value.count())));
            return put_padded_at(place + 8, value.data(), value.count());
    }
}

/// Whether details of so many bytes may be written at once for the span on top.
SPANRING_INLINE bool takes_details(const StackEntry* top, std::uint64_t key,
                                   std::size_t bytes) noexcept {
    constexpr auto kAllowed = static_cast<std::uint8_t>(~(kEntryLost | kEntryShared));
    return is_span(top, key, kAllowed) && top->detail_bytes <= SPANRING_SPAN_BYTES_MAX - bytes;
}

/// An attribute of the span on top. Returns false if the span is not there, or the slow path has
/// to.
SPANRING_INLINE bool attribute_fast(Writer* writer, std::uint64_t key, std::uint32_t number,
                                    const AttributeValue& value) noexcept {
    const std::size_t bytes = plain_bytes(value);
    StackEntry* top = state_of(writer)->top;
    if (number == 0 || bytes == 0 || !takes_details(top, key, bytes)) [[unlikely]]
        return false;
    spanring_thread_slot* slot;
    char* cursor;
    if (!enter(writer, bytes, slot, cursor)) [[unlikely]]
        return false;
    top->detail_bytes += static_cast<std::uint32_t>(bytes);
    publish_and_leave(writer, slot, put_plain(cursor, SPANRING_TARGET_SPAN, number, value));
    return true;
}

/// What the fields of an event, `bytes` with its own record, add to the span in the database: its
/// time has 8 bytes there.
inline constexpr std::size_t kEventTimeBytes = 8;

/// Writes an event of the span on top, `bytes` with its attributes, which `put(place)` writes; it
/// returns the place behind them. Returns false if the span is not there, or the slow path has to.
template <typename Put>
SPANRING_INLINE bool put_event(Writer* writer, std::uint64_t key, std::uint32_t number,
                               std::size_t bytes, Put put) noexcept {
    StackEntry* top = state_of(writer)->top;
    if (number == 0 || !takes_details(top, key, bytes + kEventTimeBytes)) [[unlikely]]
        return false;
    spanring_thread_slot* slot;
    char* cursor;
    if (!enter(writer, bytes, slot, cursor)) [[unlikely]]
        return false;
    const std::uint64_t delta = delta_now(writer);
    if ((delta >> 32) != 0) [[unlikely]] {
        leave(slot);
        return false;
    }
    top->detail_bytes += static_cast<std::uint32_t>(bytes + kEventTimeBytes);
    put_at(cursor,
           spanring_record_head(SPANRING_REC_EVENT, number, static_cast<std::uint32_t>(delta)));
    publish_and_leave(writer, slot, put(cursor + 8));
    return true;
}

SPANRING_INLINE char* put_plain_of_item(char* place, const Attribute& attribute) noexcept {
    return put_plain(place, SPANRING_TARGET_ITEM, cached_number(attribute.key.name()),
                     attribute.value);
}

/// As put_event, with attributes that are known at the call site.
template <typename... Attributes>
SPANRING_INLINE bool event_fast(Writer* writer, std::uint64_t key, std::uint32_t number,
                                const Attributes&... attributes) noexcept {
    if (((plain_bytes(attributes) == 0) || ...)) [[unlikely]]
        return false;
    const std::size_t bytes = (8 + ... + plain_bytes(attributes));
    return put_event(
        writer, key, number, bytes, [&](char* place) __attribute__((always_inline)) {
            ((place = put_plain_of_item(place, attributes)), ...);
            return place;
        });
}

}  // namespace spanring::detail
