#include "spanring/base/toml_letters.hpp"

#include <algorithm>

namespace spanring {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kBlanks = " \t\r";

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string_view without_blanks_before(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
    return text;
}

/// Whether `text` is `key =`. In an array's lines that is an error at its first letter, where a
/// digit would begin a value that may go on behind quotes.
bool is_key(std::string_view text) {
    text = without_blanks_before(text);
    if (text.empty() || !is_letter(text[0])) return false;
    const auto end = std::find_if_not(text.begin(), text.end(), [](char c) {
        return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
    });
    text = without_blanks_before(text.substr(static_cast<std::size_t>(end - text.begin())));
    return !text.empty() && text[0] == '=' && without_blanks_before(text.substr(1)).empty();
}

/// Returns what follows the string at the start of `text`, or a quote if it does not end.
std::string_view behind_string(std::string_view text) {
    const char quote = text[0];
    for (std::size_t at = 1; at < text.size(); ++at) {
        if (text[at] == quote) return text.substr(at + 1);
        if (quote == '"' && text[at] == '\\') ++at;
    }
    return text.substr(0, 1);
}

bool is_sound(std::string_view line) {
    if (is_ascii(line)) return true;
    const std::size_t mark = std::min(line.find_first_of("#\"'"), line.size());
    const std::string_view before = line.substr(0, mark);
    if (mark == line.size() || !is_ascii(before)) return false;
    if (line[mark] == '#') return true;
    const std::string_view rest = without_blanks_before(behind_string(line.substr(mark)));
    return is_key(before) && (rest.empty() || rest[0] == '#');
}

}  // namespace

Result<void> check_toml_letters(std::string_view text, const std::string& file) {
    if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
        text.remove_prefix(kByteOrderMark.size());
    }
    const bool has_long_strings =
        text.find("\"\"\"") != std::string_view::npos || text.find("'''") != std::string_view::npos;
    for (int number = 1; !text.empty(); ++number) {
        const std::string_view line = text.substr(0, text.find('\n'));
        if (has_long_strings ? !is_ascii(line) : !is_sound(line)) {
            return Error{ErrorCode::kInvalidArgument,
                         file + ":" + std::to_string(number) +
                             ": letters beyond ASCII may stand in comments and in the quotes of "
                             "key = \"...\", if no string of the file has several lines"};
        }
        text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
    return {};
}

}  // namespace spanring
