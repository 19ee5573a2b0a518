#include "json_text.hpp"

#include <cmath>
#include <cstdio>

namespace spanring::tools::emit {

std::string json_of(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", byte);
            out += escape;
        } else {
            out += c;
        }
    }
    return out + "\"";
}

std::string json_of(std::int64_t number) {
    return std::to_string(number);
}

std::string json_of(double number) {
    if (std::isnan(number)) return "\"NaN\"";
    if (std::isinf(number)) return number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    char digits[40];
    std::snprintf(digits, sizeof digits, "%.17g", number);
    std::string out = digits;
    if (out.find_first_of(".e") == std::string::npos) out += ".0";
    return out;
}

std::string json_of(bool flag) {
    return flag ? "true" : "false";
}

}  // namespace spanring::tools::emit
