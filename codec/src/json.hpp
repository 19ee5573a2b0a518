// What the JSON converters share: RapidJSON with our settings, and the values that JSON has no word
// for. Private to codec: no other folder includes RapidJSON by way of us. Threads: pure functions.
#pragma once

// A malformed document is an error of ours, never an assertion; depth is bounded before parsing.
#define RAPIDJSON_HAS_STDSTRING 1
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <string>
#include <string_view>

#include "spanring/base/result.hpp"
#include "spanring/codec/span.hpp"

namespace spanring::codec {

using JsonWriter = rapidjson::Writer<rapidjson::StringBuffer>;

/// Nesting that we read and write. RapidJSON walks a document recursively.
inline constexpr int kJsonDepthMax = 64;

/// Parses `text` into *document. Errors: kInvalidArgument: the cause and the byte.
[[nodiscard]] Result<void> parse_json(std::string_view text, rapidjson::Document* document);

/// Returns the member `key` of an object, or nullptr if it is missing or null.
[[nodiscard]] const rapidjson::Value* member(const rapidjson::Value& object, const char* key);

[[nodiscard]] inline std::string_view text_of(const rapidjson::Value& string) {
    return {string.GetString(), string.GetStringLength()};
}

/// Writes a string; bytes that are not UTF-8 become U+FFFD.
void write_text(JsonWriter& writer, std::string_view text);
void write_value(JsonWriter& writer, const Value& value);
/// Writes an object; of a key that stands twice, the last.
void write_attributes(JsonWriter& writer, const Attributes& attributes);

/// The inverse of write_value, as far as JSON tells types apart. Errors: kInvalidArgument.
[[nodiscard]] Result<Value> read_value(const rapidjson::Value& json);
[[nodiscard]] Result<Attributes> read_attributes(const rapidjson::Value* object);

}  // namespace spanring::codec
