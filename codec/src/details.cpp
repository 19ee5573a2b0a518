#include "spanring/codec/details.hpp"

#include <cstring>
#include <string>

#include "bytes.hpp"
#include "spanring/abi/record_layout.h"

namespace spanring::codec {
namespace {

template <typename T>
T load(std::span<const std::byte> bytes) {
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
}

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

template <typename T>
std::vector<T> array_of(std::span<const std::byte> bytes) {
    std::vector<T> out(bytes.size() / sizeof(T));
    if (!out.empty()) std::memcpy(out.data(), bytes.data(), out.size() * sizeof(T));
    return out;
}

Error malformed(const char* what) {
    return Error{ErrorCode::kCorrupt, std::string("attribute: ") + what};
}

Value string_array_of(std::span<const std::byte> body) {
    std::vector<std::string> strings;
    ByteReader in(body);
    while (in.left() > 0) {
        const auto text = in.bytes(in.fixed<std::uint32_t>());
        if (!in.ok()) break;
        strings.push_back(text_of(text));
    }
    return Value(std::move(strings));
}

Value bool_array_of(std::span<const std::byte> body) {
    std::vector<bool> bools;
    bools.reserve(body.size());
    for (const std::byte b : body) bools.push_back(b != std::byte{0});
    return Value(std::move(bools));
}

// Writes one ATTR_* record: the overload says which.
struct AttributeWriter {
    DetailWriter& out;
    std::uint32_t key;
    std::uint32_t target;

    void operator()(bool v) const { out.raw(SPANRING_REC_ATTR_BOOL | target, key, v ? 1 : 0, {}); }
    void operator()(std::int64_t v) const { word(SPANRING_REC_ATTR_INT, v); }
    void operator()(double v) const { word(SPANRING_REC_ATTR_DOUBLE, v); }
    void operator()(const std::string& v) const { payload(SPANRING_REC_ATTR_STRING, bytes_of(v)); }
    void operator()(const Bytes& v) const { payload(SPANRING_REC_ATTR_BYTES, bytes_of(v.data)); }
    void operator()(const Json& v) const { payload(SPANRING_REC_ATTR_JSON, bytes_of(v.text)); }
    void operator()(const std::vector<bool>& v) const {
        std::vector<std::byte> bools;
        bools.reserve(v.size());
        for (const bool b : v) bools.push_back(static_cast<std::byte>(b ? 1 : 0));
        payload(SPANRING_REC_ATTR_BOOL_ARRAY, bools);
    }
    void operator()(const std::vector<std::int64_t>& v) const {
        payload(SPANRING_REC_ATTR_INT_ARRAY, std::as_bytes(std::span(v)));
    }
    void operator()(const std::vector<double>& v) const {
        payload(SPANRING_REC_ATTR_DOUBLE_ARRAY, std::as_bytes(std::span(v)));
    }
    void operator()(const std::vector<std::string>& v) const {
        Buffer bytes;
        for (const std::string& s : v) {
            put_fixed(bytes, static_cast<std::uint32_t>(s.size()));
            put_text(bytes, s);
        }
        payload(SPANRING_REC_ATTR_STRING_ARRAY, bytes);
    }

    template <typename T>
    void word(std::uint32_t kind, T v) const {
        out.raw(kind | target, key, 0, std::as_bytes(std::span(&v, 1)));
    }
    void payload(std::uint32_t kind, std::span<const std::byte> body) const {
        out.raw(kind | target, key, static_cast<std::uint32_t>(body.size()), body);
    }
};

}  // namespace

void DetailWriter::raw(std::uint32_t kind_and_target, std::uint32_t id, std::uint32_t low,
                       std::span<const std::byte> body) {
    put_fixed(out_, spanring_record_head(kind_and_target, id, low));
    put_bytes(out_, body);
    out_.resize((out_.size() + 7) & ~std::size_t{7});
}

void DetailWriter::attribute(std::uint32_t key, const Value& value, std::uint32_t target) {
    std::visit(AttributeWriter{*this, key, target}, value);
}

void DetailWriter::event_at(std::uint32_t name, std::int64_t time_ns) {
    raw(SPANRING_REC_EVENT_AT, name, 0, std::as_bytes(std::span(&time_ns, 1)));
}

void DetailWriter::link(const TraceId& trace, const SpanId& span, bool trace_64,
                        std::uint32_t flags) {
    std::array<std::uint8_t, 24> ids;
    std::memcpy(ids.data(), trace.bytes.data(), 16);
    std::memcpy(ids.data() + 16, span.bytes.data(), 8);
    raw(SPANRING_REC_LINK, trace_64 ? SPANRING_REMOTE_TRACE_64 : 0, flags,
        std::as_bytes(std::span(ids)));
}

void DetailWriter::trace_state(std::string_view text, std::uint32_t target) {
    raw(SPANRING_REC_TRACESTATE | target, 0, static_cast<std::uint32_t>(text.size()),
        bytes_of(text));
}

void DetailWriter::status(StatusCode code, std::string_view message) {
    raw(SPANRING_REC_STATUS, static_cast<std::uint32_t>(code),
        static_cast<std::uint32_t>(message.size()), bytes_of(message));
}

void DetailWriter::dropped(const DroppedCounts& counts) {
    const std::array<std::uint32_t, 2> rest{counts.events, counts.links};
    raw(SPANRING_REC_DROPPED, 0, counts.attributes, std::as_bytes(std::span(rest)));
}

Result<Value> attribute_value(const Detail& detail) {
    const auto body = detail.body;
    switch (detail.kind) {
        case SPANRING_REC_ATTR_BOOL: return Value(detail.low != 0);
        case SPANRING_REC_ATTR_INT: return Value(load<std::int64_t>(body));
        case SPANRING_REC_ATTR_DOUBLE: return Value(load<double>(body));
        case SPANRING_REC_ATTR_STRING: return Value(text_of(body));
        case SPANRING_REC_ATTR_BYTES: return Value(Bytes{text_of(body)});
        case SPANRING_REC_ATTR_JSON: return Value(Json{text_of(body)});
        case SPANRING_REC_ATTR_BOOL_ARRAY: return bool_array_of(body);
        case SPANRING_REC_ATTR_INT_ARRAY: return Value(array_of<std::int64_t>(body));
        case SPANRING_REC_ATTR_DOUBLE_ARRAY: return Value(array_of<double>(body));
        case SPANRING_REC_ATTR_STRING_ARRAY: return string_array_of(body);
        default: return malformed("not an attribute");
    }
}

}  // namespace spanring::codec
