// JSON values in one spelling, so that two of them are equal if their texts are.
//
// Members of objects are sorted, integers and doubles stay different types, doubles are written by
// their bits. Threads: pure functions.
#pragma once

#include <rapidjson/document.h>

#include <string>
#include <string_view>

namespace spanring::tools::emit {

[[nodiscard]] std::string canonical(const rapidjson::Value& value);

/// Returns member `key` as text, or "" if it is absent or no string.
[[nodiscard]] std::string_view text_of(const rapidjson::Value& object, const char* key);
/// Returns member `key` if it is a boolean, else false.
[[nodiscard]] bool flag_of(const rapidjson::Value& object, const char* key);
/// Returns member `key`, or null (the JSON value) if it is absent.
[[nodiscard]] const rapidjson::Value& member_of(const rapidjson::Value& object, const char* key);

}  // namespace spanring::tools::emit
