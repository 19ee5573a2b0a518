#include "canonical.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

namespace spanring::tools::emit {
namespace {

void write(const rapidjson::Value& value, std::string& out);

void write_text(const rapidjson::Value& value, std::string& out) {
    // The length in front makes quoting needless.
    out += std::to_string(value.GetStringLength()) + ":";
    out.append(value.GetString(), value.GetStringLength());
}

void write_object(const rapidjson::Value& value, std::string& out) {
    std::vector<std::pair<std::string, const rapidjson::Value*>> members;
    for (const auto& member : value.GetObject()) {
        members.emplace_back(std::string(member.name.GetString(), member.name.GetStringLength()),
                             &member.value);
    }
    std::sort(members.begin(), members.end());
    out += '{';
    for (const auto& [name, content] : members) {
        out += std::to_string(name.size()) + ":" + name + "=";
        write(*content, out);
        out += ' ';
    }
    out += '}';
}

void write_number(const rapidjson::Value& value, std::string& out) {
    if (value.IsInt64()) {
        out += "i" + std::to_string(value.GetInt64());
    } else if (value.IsUint64()) {
        out += "u" + std::to_string(value.GetUint64());
    } else {
        out += "d" + std::to_string(std::bit_cast<std::uint64_t>(value.GetDouble()));
    }
}

void write(const rapidjson::Value& value, std::string& out) {
    switch (value.GetType()) {
        case rapidjson::kNullType: out += "null"; return;
        case rapidjson::kFalseType: out += "false"; return;
        case rapidjson::kTrueType: out += "true"; return;
        case rapidjson::kStringType: write_text(value, out); return;
        case rapidjson::kNumberType: write_number(value, out); return;
        case rapidjson::kObjectType: write_object(value, out); return;
        case rapidjson::kArrayType:
            out += '[';
            for (const auto& element : value.GetArray()) {
                write(element, out);
                out += ' ';
            }
            out += ']';
            return;
    }
}

}  // namespace

std::string canonical(const rapidjson::Value& value) {
    std::string out;
    write(value, out);
    return out;
}

const rapidjson::Value& member_of(const rapidjson::Value& object, const char* key) {
    static const rapidjson::Value kNull;
    const auto found = object.FindMember(key);
    return found == object.MemberEnd() ? kNull : found->value;
}

std::string_view text_of(const rapidjson::Value& object, const char* key) {
    const rapidjson::Value& value = member_of(object, key);
    if (!value.IsString()) return {};
    return {value.GetString(), value.GetStringLength()};
}

bool flag_of(const rapidjson::Value& object, const char* key) {
    const rapidjson::Value& value = member_of(object, key);
    return value.IsBool() && value.GetBool();
}

}  // namespace spanring::tools::emit
