// JSON text written by hand: the oracle must not share code with what it judges.
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace spanring::tools::emit {

/// Each returns one JSON value as text. Strings are taken as UTF-8.
[[nodiscard]] std::string json_of(std::string_view text);
/// Without this one a literal would become a bool.
[[nodiscard]] inline std::string json_of(const char* text) {
    return json_of(std::string_view(text));
}
[[nodiscard]] std::string json_of(std::int64_t number);
/// Always with a point or an exponent, so that it reads as a double; 17 digits give the same double
/// back. Not a number and the infinities are the strings of the export: "NaN", "Infinity".
[[nodiscard]] std::string json_of(double number);
[[nodiscard]] std::string json_of(bool flag);

template <typename T>
[[nodiscard]] std::string json_of_list(const std::vector<T>& values) {
    std::string text = "[";
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (i != 0) text += ',';
        text += json_of(static_cast<T>(values[i]));
    }
    return text + "]";
}

}  // namespace spanring::tools::emit
