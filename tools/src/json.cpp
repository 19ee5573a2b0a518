#include "json.hpp"

#include <cmath>

namespace spanring::tools {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

// Length of the valid UTF-8 sequence at text[at], 0 if there is none (RFC 3629: no surrogates, no
// overlong forms, at most U+10FFFF).
std::size_t sequence_bytes(std::string_view text, std::size_t at) noexcept {
    const auto byte = [&](std::size_t i) -> unsigned {
        return at + i < text.size() ? static_cast<std::uint8_t>(text[at + i]) : 0u;
    };
    const auto tail = [&](std::size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return tail(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        if (!tail(1) || !tail(2) || (first == 0xe0 && byte(1) < 0xa0)) return 0;
        return first == 0xed && byte(1) > 0x9f ? 0 : 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if (!tail(1) || !tail(2) || !tail(3) || (first == 0xf0 && byte(1) < 0x90)) return 0;
        return first == 0xf4 && byte(1) > 0x8f ? 0 : 4;
    }
    return 0;
}

rapidjson::SizeType size_of(std::string_view text) {
    return static_cast<rapidjson::SizeType>(text.size());
}

}  // namespace

std::string valid_utf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t bytes = sequence_bytes(text, at);
        out += bytes == 0 ? kReplacement : text.substr(at, bytes);
        at += bytes == 0 ? 1 : bytes;
    }
    return out;
}

Json& Json::open_object() {
    writer_.StartObject();
    return *this;
}
Json& Json::close_object() {
    writer_.EndObject();
    return *this;
}
Json& Json::open_array() {
    writer_.StartArray();
    return *this;
}
Json& Json::close_array() {
    writer_.EndArray();
    return *this;
}
Json& Json::key(std::string_view name) {
    const std::string text_utf8 = valid_utf8(name);
    writer_.Key(text_utf8.data(), size_of(text_utf8));
    return *this;
}
Json& Json::value(std::string_view text) {
    const std::string text_utf8 = valid_utf8(text);
    writer_.String(text_utf8.data(), size_of(text_utf8));
    return *this;
}
Json& Json::value(bool flag) {
    writer_.Bool(flag);
    return *this;
}
Json& Json::value(std::int64_t number) {
    writer_.Int64(number);
    return *this;
}
Json& Json::value(std::uint64_t number) {
    writer_.Uint64(number);
    return *this;
}
Json& Json::value(double number) {
    if (std::isfinite(number)) {
        writer_.Double(number);
    } else {
        writer_.Null();
    }
    return *this;
}
Json& Json::null() {
    writer_.Null();
    return *this;
}
Json& Json::raw(std::string_view json) {
    // The type only tells the writer whether a key may stand here.
    writer_.RawValue(json.data(), json.size(), rapidjson::kObjectType);
    return *this;
}
void Json::clear() {
    buffer_.Clear();
    writer_.Reset(buffer_);
}

}  // namespace spanring::tools
