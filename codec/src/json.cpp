#include "json.hpp"

#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <unordered_map>
#include <vector>

#include "base64.hpp"

namespace spanring::codec {
namespace {

constexpr unsigned kParseFlags =
    rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseIterativeFlag;
// Up to here comparing keys with each other beats a hash table.
constexpr std::size_t kComparedMax = 24;

// Returns the length of the UTF-8 sequence at text[i], 0 if there is none (RFC 3629: no
// surrogates, nothing above U+10FFFF, shortest form only).
std::size_t utf8_length(std::string_view text, std::size_t i) {
    const auto byte = [&](std::size_t k) {
        return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u;
    };
    const auto continues = [&](std::size_t k) { return (byte(k) & 0xc0u) == 0x80u; };
    const unsigned lead = byte(0);
    if (lead < 0x80) return 1;
    if (lead >= 0xc2 && lead < 0xe0) return continues(1) ? 2 : 0;
    if (lead >= 0xe0 && lead < 0xf0) {
        const bool overlong = lead == 0xe0 && byte(1) < 0xa0;
        const bool surrogate = lead == 0xed && byte(1) >= 0xa0;
        return !overlong && !surrogate && continues(1) && continues(2) ? 3 : 0;
    }
    if (lead >= 0xf0 && lead < 0xf5) {
        const bool overlong = lead == 0xf0 && byte(1) < 0x90;
        const bool too_large = lead == 0xf4 && byte(1) >= 0x90;
        return !overlong && !too_large && continues(1) && continues(2) && continues(3) ? 4 : 0;
    }
    return 0;
}

std::string repaired_utf8(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t length = utf8_length(text, i);
        out += length > 0 ? text.substr(i, length) : std::string_view("\xef\xbf\xbd");
        i += std::max<std::size_t>(length, 1);
    }
    return out;
}

bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t length = utf8_length(text, i);
        if (length == 0) return false;
        i += length;
    }
    return true;
}

// Nesting of arrays and objects; counts brackets outside of strings, so it may be more than a
// parser would reach before it stops at an error, never less.
int depth_of(std::string_view text) {
    int depth = 0;
    int deepest = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\') {
                ++i;
            } else if (c == '"') {
                in_string = false;
            }
            continue;
        }
        in_string = c == '"';
        if (c == '[' || c == '{') deepest = std::max(deepest, ++depth);
        if (c == ']' || c == '}') --depth;
    }
    return deepest;
}

// Whether a number that no double can hold is too large for one, and not too close to zero.
bool is_too_large(std::string_view number) {
    const std::size_t e = number.find_first_of("eE");
    const std::string_view digits = number.substr(0, e);
    const std::size_t point = std::min(digits.find('.'), digits.size());
    std::int64_t exponent = 0;
    if (e != std::string_view::npos) {
        const char* begin = number.data() + e + (number[e + 1] == '+' ? 2 : 1);
        // RapidJSON refuses a large positive exponent itself.
        if (std::from_chars(begin, number.data() + number.size(), exponent).ec != std::errc()) {
            return false;
        }
    }
    const std::size_t first = std::min(digits.find_first_of("123456789"), digits.size());
    return static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first) + exponent > 0;
}

// Fills a document with what a reader sees. RapidJSON hands numbers over as they are written, and
// <charconv> reads them: its own conversion to double meets undefined behaviour at some of many
// digits and large exponents.
class DocumentBuilder {
public:
    explicit DocumentBuilder(rapidjson::Document& out) : out_(out) {}

    bool RawNumber(const char* text, rapidjson::SizeType size, bool /*copy*/) {
        const std::string_view number(text, size);
        if (number.find_first_of(".eE") == std::string_view::npos) {
            if (std::int64_t value = 0; read(number, &value)) return out_.Int64(value);
            if (std::uint64_t value = 0; read(number, &value)) return out_.Uint64(value);
        }
        double value = 0;
        if (read(number, &value) && !std::isinf(value)) return out_.Double(value);
        return !is_too_large(number) && out_.Double(0);
    }
    bool Null() { return out_.Null(); }
    bool Bool(bool value) { return out_.Bool(value); }
    bool String(const char* text, rapidjson::SizeType size, bool copy) {
        return out_.String(text, size, copy);
    }
    bool Key(const char* text, rapidjson::SizeType size, bool copy) {
        return out_.Key(text, size, copy);
    }
    bool StartObject() { return out_.StartObject(); }
    bool EndObject(rapidjson::SizeType count) { return out_.EndObject(count); }
    bool StartArray() { return out_.StartArray(); }
    bool EndArray(rapidjson::SizeType count) { return out_.EndArray(count); }
    // Numbers come as text; a reader must be able to name these all the same.
    bool Int(int value) { return out_.Int(value); }
    bool Uint(unsigned value) { return out_.Uint(value); }
    bool Int64(std::int64_t value) { return out_.Int64(value); }
    bool Uint64(std::uint64_t value) { return out_.Uint64(value); }
    bool Double(double value) { return out_.Double(value); }

private:
    template <typename T>
    static bool read(std::string_view number, T* value) {
        const char* end = number.data() + number.size();
        return std::from_chars(number.data(), end, *value).ec == std::errc();
    }

    rapidjson::Document& out_;
};

// RapidJSON's writer puts numbers that it is given as text into quotes.
struct NumberKeepingWriter : JsonWriter {
    using JsonWriter::JsonWriter;
    bool RawNumber(const char* digits, rapidjson::SizeType count, bool /*copy*/) {
        return RawValue(digits, count, rapidjson::kNumberType);
    }
};

// Passes a nested value on as compact JSON, its numbers as they are written.
std::string compact(std::string_view text) {
    constexpr unsigned kFlags = kParseFlags | rapidjson::kParseValidateEncodingFlag;
    if (depth_of(text) > kJsonDepthMax) return {};
    rapidjson::MemoryStream in(text.data(), text.size());
    rapidjson::StringBuffer buffer;
    NumberKeepingWriter writer(buffer);
    rapidjson::Reader reader;
    if (reader.Parse<kFlags>(in, writer).IsError()) return {};
    return {buffer.GetString(), buffer.GetSize()};
}

// The shortest digits that read back equal, and a point, so that a double stays one.
void write_double(JsonWriter& writer, double value) {
    if (std::isnan(value)) return void(writer.String("NaN"));
    if (std::isinf(value)) return void(writer.String(value > 0 ? "Infinity" : "-Infinity"));
    char digits[40];
    char* end = std::to_chars(digits, digits + 32, value).ptr;
    if (std::none_of(digits, end, [](char c) { return c == '.' || c == 'e'; })) {
        *end++ = '.';
        *end++ = '0';
    }
    writer.RawValue(digits, static_cast<std::size_t>(end - digits), rapidjson::kNumberType);
}

struct ValueWriter {
    JsonWriter& out;

    void operator()(bool v) const { out.Bool(v); }
    void operator()(std::int64_t v) const { out.Int64(v); }
    void operator()(double v) const { write_double(out, v); }
    void operator()(const std::string& v) const { write_text(out, v); }
    void operator()(const Bytes& v) const {
        out.StartObject();
        out.Key("base64");
        out.String(to_base64(v.data));
        out.EndObject();
    }
    void operator()(const Json& v) const {
        const std::string text = compact(v.text);
        if (!text.empty()) {
            out.RawValue(text.data(), text.size(), rapidjson::kObjectType);
            return;
        }
        out.StartObject();
        out.Key("json");
        write_text(out, v.text);
        out.EndObject();
    }
    template <typename T>
    void operator()(const std::vector<T>& values) const {
        out.StartArray();
        for (const auto& v : values) (*this)(static_cast<const T&>(v));
        out.EndArray();
    }
};

std::string serialized(const rapidjson::Value& json) {
    rapidjson::StringBuffer buffer;
    JsonWriter writer(buffer);
    json.Accept(writer);
    // As it will be written, or a second reading would take it for something else.
    const std::string_view text(buffer.GetString(), buffer.GetSize());
    return is_utf8(text) ? std::string(text) : repaired_utf8(text);
}

Value read_array(const rapidjson::Value& json) {
    const auto all = [&](auto&& is) { return std::all_of(json.Begin(), json.End(), is); };
    const auto collect = [&](auto sample, auto&& get) {
        std::vector<decltype(sample)> out;
        out.reserve(json.Size());
        for (const auto& v : json.GetArray()) out.push_back(get(v));
        return Value(std::move(out));
    };
    using J = rapidjson::Value;
    if (all([](const J& v) { return v.IsString(); })) {
        return collect(std::string(), [](const J& v) { return std::string(text_of(v)); });
    }
    if (all([](const J& v) { return v.IsBool(); })) {
        return collect(bool{}, [](const J& v) { return v.GetBool(); });
    }
    if (all([](const J& v) { return v.IsInt64(); })) {
        return collect(std::int64_t{}, [](const J& v) { return v.GetInt64(); });
    }
    if (all([](const J& v) { return v.IsDouble(); })) {
        return collect(double{}, [](const J& v) { return v.GetDouble(); });
    }
    return Json{serialized(json)};
}

Result<Value> read_object(const rapidjson::Value& json) {
    if (json.MemberCount() == 1) {
        const rapidjson::Value* base64 = member(json, "base64");
        if (base64 != nullptr && base64->IsString()) {
            auto bytes = from_base64(text_of(*base64));
            if (bytes) return Value(Bytes{*std::move(bytes)});
            return Error{ErrorCode::kInvalidArgument, "not base64"};
        }
        const rapidjson::Value* text = member(json, "json");
        if (text != nullptr && text->IsString()) return Value(Json{std::string(text_of(*text))});
    }
    return Value(Json{serialized(json)});
}

}  // namespace

Result<void> parse_json(std::string_view text, rapidjson::Document* document) {
    if (depth_of(text) > kJsonDepthMax) {
        return Error{ErrorCode::kInvalidArgument,
                     "JSON nested deeper than " + std::to_string(kJsonDepthMax)};
    }
    rapidjson::MemoryStream in(text.data(), text.size());
    rapidjson::Reader reader;
    const auto read = [&](rapidjson::Document& out) {
        DocumentBuilder builder(out);
        return !reader.Parse<kParseFlags>(in, builder).IsError();
    };
    document->Populate(read);
    if (!reader.HasParseError()) return {};
    const rapidjson::ParseErrorCode cause =
        reader.GetParseErrorCode() == rapidjson::kParseErrorTermination
            ? rapidjson::kParseErrorNumberTooBig
            : reader.GetParseErrorCode();
    return Error{ErrorCode::kInvalidArgument, std::string("not JSON: ") +
                                                  rapidjson::GetParseError_En(cause) + " (byte " +
                                                  std::to_string(reader.GetErrorOffset()) + ")"};
}

const rapidjson::Value* member(const rapidjson::Value& object, const char* key) {
    if (!object.IsObject()) return nullptr;
    const auto found = object.FindMember(key);
    return found == object.MemberEnd() || found->value.IsNull() ? nullptr : &found->value;
}

void write_text(JsonWriter& writer, std::string_view text) {
    if (is_utf8(text)) {
        writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
    } else {
        writer.String(repaired_utf8(text));
    }
}

void write_value(JsonWriter& writer, const Value& value) {
    std::visit(ValueWriter{writer}, value);
}

void write_attributes(JsonWriter& writer, const Attributes& attributes) {
    if (!std::all_of(attributes.begin(), attributes.end(),
                     [](const auto& attribute) { return is_utf8(attribute.first); })) {
        // Keys that are written alike are one key.
        Attributes repaired = attributes;
        for (auto& attribute : repaired) attribute.first = repaired_utf8(attribute.first);
        return write_attributes(writer, repaired);
    }
    std::unordered_map<std::string_view, std::size_t> last;
    const bool many = attributes.size() > kComparedMax;
    for (std::size_t i = 0; many && i < attributes.size(); ++i) last[attributes[i].first] = i;
    const auto is_last = [&](std::size_t i) {
        if (many) return last[attributes[i].first] == i;
        return std::none_of(attributes.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                            attributes.end(),
                            [&](const auto& later) { return later.first == attributes[i].first; });
    };
    writer.StartObject();
    for (std::size_t i = 0; i < attributes.size(); ++i) {
        if (!is_last(i)) continue;
        writer.String(attributes[i].first);
        write_value(writer, attributes[i].second);
    }
    writer.EndObject();
}

Result<Value> read_value(const rapidjson::Value& json) {
    if (json.IsBool()) return Value(json.GetBool());
    if (json.IsInt64()) return Value(json.GetInt64());
    if (json.IsNumber()) return Value(json.GetDouble());
    if (json.IsString()) return Value(std::string(text_of(json)));
    if (json.IsArray()) return read_array(json);
    if (json.IsObject()) return read_object(json);
    return Value(Json{"null"});
}

Result<Attributes> read_attributes(const rapidjson::Value* object) {
    Attributes attributes;
    if (object == nullptr) return attributes;
    if (!object->IsObject()) return Error{ErrorCode::kInvalidArgument, "not an object"};
    for (const auto& m : object->GetObject()) {
        auto value = read_value(m.value);
        if (!value) return std::move(value).error().in(std::string(text_of(m.name)));
        attributes.emplace_back(text_of(m.name), *std::move(value));
    }
    return attributes;
}

}  // namespace spanring::codec
