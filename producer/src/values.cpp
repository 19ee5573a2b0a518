// Attribute values as records: lengths, and the bytes of arrays.
#include <cstring>

#include "tracepoint.hpp"

namespace spanring::detail {
namespace {

using Type = AttributeValue::Type;

/// Calls `each` with every string of a string array.
template <typename Function>
void for_each_string(const AttributeValue& value, Function&& each) {
    for (std::size_t i = 0; i < value.count(); ++i) {
        if (value.type() == Type::kStringViewArray) {
            each(static_cast<const std::string_view*>(value.data())[i]);
        } else if (value.type() == Type::kStringArray) {
            each(std::string_view(static_cast<const std::string*>(value.data())[i]));
        } else {
            const char* text = static_cast<const char* const*>(value.data())[i];
            each(std::string_view(text != nullptr ? text : ""));
        }
    }
}

template <typename Narrow, typename Wide>
Wide element(const void* data, std::size_t i) noexcept {
    return static_cast<Wide>(static_cast<const Narrow*>(data)[i]);
}

std::int64_t integer_at(const AttributeValue& value, std::size_t i) noexcept {
    const void* data = value.data();
    switch (value.element_bytes()) {
        case 1:
            return value.element_signed() ? element<std::int8_t, std::int64_t>(data, i)
                                          : element<std::uint8_t, std::int64_t>(data, i);
        case 2:
            return value.element_signed() ? element<std::int16_t, std::int64_t>(data, i)
                                          : element<std::uint16_t, std::int64_t>(data, i);
        case 4:
            return value.element_signed() ? element<std::int32_t, std::int64_t>(data, i)
                                          : element<std::uint32_t, std::int64_t>(data, i);
        default: return element<std::int64_t, std::int64_t>(data, i);
    }
}

double real_at(const AttributeValue& value, std::size_t i) noexcept {
    switch (value.element_bytes()) {
        case 4: return element<float, double>(value.data(), i);
        case 8: return element<double, double>(value.data(), i);
        default: return element<long double, double>(value.data(), i);
    }
}

/// Bytes of the payload; 0 and no payload for the simple types.
std::size_t payload_bytes(const AttributeValue& value) noexcept {
    switch (value.type()) {
        case Type::kIntArray:
        case Type::kDoubleArray: return 8 * value.count();
        case Type::kStringViewArray:
        case Type::kStringArray:
        case Type::kCStringArray: {
            std::size_t sum = 0;
            for_each_string(value, [&](std::string_view text) { sum += 4 + text.size(); });
            return sum;
        }
        default: return value.count();
    }
}

std::uint32_t kind_of(Type type) noexcept {
    switch (type) {
        case Type::kBool: return SPANRING_REC_ATTR_BOOL;
        case Type::kInt: return SPANRING_REC_ATTR_INT;
        case Type::kDouble: return SPANRING_REC_ATTR_DOUBLE;
        case Type::kString: return SPANRING_REC_ATTR_STRING;
        case Type::kBytes: return SPANRING_REC_ATTR_BYTES;
        case Type::kJson: return SPANRING_REC_ATTR_JSON;
        case Type::kBoolArray:
        case Type::kBoolVector: return SPANRING_REC_ATTR_BOOL_ARRAY;
        case Type::kIntArray: return SPANRING_REC_ATTR_INT_ARRAY;
        case Type::kDoubleArray: return SPANRING_REC_ATTR_DOUBLE_ARRAY;
        default: return SPANRING_REC_ATTR_STRING_ARRAY;
    }
}

bool is_simple(Type type) noexcept {
    return type == Type::kBool || type == Type::kInt || type == Type::kDouble;
}

void write_payload(Tracepoint::Payload& out, const AttributeValue& value) noexcept {
    switch (value.type()) {
        case Type::kBoolVector:
            for (const bool bit : *static_cast<const std::vector<bool>*>(value.data())) {
                const std::uint8_t byte = bit ? 1 : 0;
                if (!out.write(&byte, 1)) return;
            }
            return;
        case Type::kIntArray:
            for (std::size_t i = 0; i < value.count(); ++i) {
                const std::int64_t integer = integer_at(value, i);
                if (!out.write(&integer, 8)) return;
            }
            return;
        case Type::kDoubleArray:
            for (std::size_t i = 0; i < value.count(); ++i) {
                const double real = real_at(value, i);
                if (!out.write(&real, 8)) return;
            }
            return;
        case Type::kStringViewArray:
        case Type::kStringArray:
        case Type::kCStringArray:
            for_each_string(value, [&](std::string_view text) {
                const auto bytes = static_cast<std::uint32_t>(text.size());
                if (out.write(&bytes, 4)) out.write(text.data(), text.size());
            });
            return;
        default: out.write(value.data(), value.count()); return;
    }
}

}  // namespace

bool is_foreign(const Writer& writer, std::uint64_t key) noexcept {
    return SpanKey{key}.stream() != writer.stream;
}

void put_for(Tracepoint& tracepoint, const Addressee& addressee) noexcept {
    if (addressee.key == 0) return;
    if (addressee.ordered) {
        tracepoint.timed_at(SPANRING_REC_FOR, SPANRING_FOR_ORDERED,
                            shm::ticks_ordered(tracepoint.writer().clock_kind));
    } else {
        tracepoint.record(SPANRING_REC_FOR, 0, 0);
    }
    tracepoint.word(addressee.key);
}

std::size_t value_bytes(const AttributeValue& value) noexcept {
    if (value.type() == Type::kBool) return 8;
    if (is_simple(value.type())) return 16;
    return 8 + padded(payload_bytes(value));
}

std::size_t attribute_bytes(const Tracepoint& tracepoint, NameRef key, std::uint32_t number,
                            const AttributeValue& value) noexcept {
    return tracepoint.name_bytes(key, number) + value_bytes(value);
}

bool put_attribute(Tracepoint& tracepoint, NameRef key, std::uint32_t number,
                   const AttributeValue& value, std::uint32_t target,
                   const Addressee& addressee) noexcept {
    const bool simple = is_simple(value.type());
    // Name, FOR and head stand together; of a payload at least the first word. A name is at most a
    // quarter of a page, so that a fresh page takes them all.
    const std::size_t front = tracepoint.name_bytes(key, number) +
                              (addressee.key != 0 ? kForBytesMax : 0) + (simple ? 16 : 24);
    const std::size_t whole = front - (simple ? 16 : 24) + value_bytes(value);
    if (!tracepoint.next_page(whole < front ? whole : front)) return false;
    tracepoint.inline_name(key, number);
    put_for(tracepoint, addressee);
    const std::uint32_t kind = kind_of(value.type()) | target;
    if (value.type() == Type::kBool) {
        tracepoint.record(kind, number, value.boolean() ? 1 : 0);
        return true;
    }
    if (simple) {
        std::uint64_t body = 0;
        const double real = value.real();
        const std::int64_t integer = value.integer();
        if (value.type() == Type::kInt)
            std::memcpy(&body, &integer, 8);
        else
            std::memcpy(&body, &real, 8);
        tracepoint.record(kind, number, 0);
        tracepoint.word(body);
        return true;
    }
    Tracepoint::Payload payload(tracepoint, kind, number, payload_bytes(value));
    write_payload(payload, value);
    return payload.finish();
}

bool put_text(Tracepoint& tracepoint, std::uint32_t kind, std::uint32_t id, std::string_view text,
              const Addressee& addressee) noexcept {
    const std::size_t front = (addressee.key != 0 ? kForBytesMax : 0) + (text.empty() ? 8 : 16);
    if (!tracepoint.next_page(front)) return false;
    put_for(tracepoint, addressee);
    Tracepoint::Payload payload(tracepoint, kind, id, text.size());
    payload.write(text.data(), text.size());
    return payload.finish();
}

}  // namespace spanring::detail
