#include "traceql_token.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

namespace spanring::query {
namespace {

bool is_space(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}
/// Of a key: what OpenTelemetry's conventions and most others use. Others are quoted.
bool in_key(char c) noexcept {
    return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == '/' || c == '@' ||
           c == '$' || c == ':';
}

struct Unit {
    std::string_view name;
    std::int64_t ns;
};
constexpr std::array kUnits{Unit{"ns", 1},
                            Unit{"us", 1'000},
                            Unit{"\xc2\xb5s", 1'000},
                            Unit{"ms", 1'000'000},
                            Unit{"s", 1'000'000'000},
                            Unit{"m", 60'000'000'000},
                            Unit{"h", 3'600'000'000'000}};
constexpr const char* kUnknownUnit = "a number with an unknown unit; there are ns us ms s m h";

bool is_whole(std::string_view digits) noexcept {
    return digits.find_first_of(".eE") == std::string_view::npos;
}

/// The number of units in ns; nothing if that does not fit.
std::optional<std::int64_t> in_ns(std::string_view digits, double value, const Unit& unit) {
    std::int64_t ns = 0;
    if (is_whole(digits)) {
        std::int64_t whole = 0;
        const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), whole);
        if (parsed.ec != std::errc() || __builtin_mul_overflow(whole, unit.ns, &ns))
            return std::nullopt;
        return ns;
    }
    const double product = value * static_cast<double>(unit.ns);
    if (!(std::abs(product) < 9.2e18)) return std::nullopt;
    return std::llround(product);
}

/// The longest that stands there.
const Unit* unit_at(std::string_view text) {
    const Unit* found = nullptr;
    for (const Unit& unit : kUnits)
        if (text.starts_with(unit.name) &&
            (found == nullptr || unit.name.size() > found->name.size()))
            found = &unit;
    return found;
}

std::string shown(char c) {
    if (c >= ' ' && c <= '~') return std::string("'") + c + "'";
    constexpr const char* kDigits = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    return std::string("byte 0x") + kDigits[byte >> 4] + kDigits[byte & 15];
}

}  // namespace

void Lexer::skip_spaces() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
}

Token Lexer::fault(std::size_t at, std::string what) {
    at_ = text_.size();
    Token token{TokenKind::kFault, at, at_, std::move(what)};
    return token;
}

Token Lexer::next() {
    skip_spaces();
    const std::size_t begin = at_;
    if (begin == text_.size()) return {TokenKind::kEnd, begin, begin};
    const char c = peek();
    if (c == '"' || c == '`') return quoted(begin);
    if (is_digit(c) || (c == '-' && (is_digit(peek(1)) || peek(1) == '.')) ||
        (c == '.' && is_digit(peek(1))))
        return number(begin);
    if (is_letter(c) || c == '.') return word(begin);
    return mark(begin);
}

Token Lexer::mark(std::size_t begin) {
    constexpr std::array<std::string_view, 18> kMarks{
        "&&", "||", "!=", "!~", "=~", "<=", ">=", "==", "=",
        "<",  ">",  "!",  "{",  "}",  "(",  ")",  "|",  ","};
    for (const std::string_view known : kMarks) {
        if (text_.substr(begin, known.size()) != known) continue;
        if (known == "==") return fault(begin, "there is no '=='; equal is '='");
        at_ = begin + known.size();
        return {TokenKind::kMark, begin, at_, std::string(known)};
    }
    return fault(begin, shown(text_[begin]) + " has no meaning here");
}

bool Lexer::unescape(char quote, std::string* out, std::string* what) {
    for (++at_; at_ < text_.size(); ++at_) {
        const char c = text_[at_];
        if (c == quote) {
            ++at_;
            return true;
        }
        if (c != '\\' || quote == '`') {
            *out += c;
            continue;
        }
        switch (const char escaped = peek(1); escaped) {
            case 'n': *out += '\n'; break;
            case 't': *out += '\t'; break;
            case 'r': *out += '\r'; break;
            case '"':
            case '\\': *out += escaped; break;
            // As in a regular expression, where one backslash was meant.
            default:
                *what =
                    "only \\n \\t \\r \\\" \\\\ may follow a backslash; text between ` ` needs "
                    "none";
                return false;
        }
        ++at_;
    }
    *what = std::string("the text has no closing ") + quote;
    return false;
}

Token Lexer::quoted(std::size_t begin) {
    Token token{TokenKind::kText, begin};
    std::string what;
    if (!unescape(text_[begin], &token.text, &what)) {
        // An escape is pointed at, a text without an end at its beginning.
        return fault(at_ < text_.size() ? at_ : begin, std::move(what));
    }
    token.end = at_;
    return token;
}

// A number, or numbers with units, one behind the other, as in 1h30m.
Token Lexer::number(std::size_t begin) {
    Token token{TokenKind::kInteger, begin};
    const char* const end = text_.data() + text_.size();
    const bool negative = peek() == '-';
    do {
        const std::size_t part = at_;
        const auto parsed = std::from_chars(text_.data() + part, end, token.decimal);
        if (parsed.ec != std::errc()) return fault(part, "the number is out of range");
        at_ = static_cast<std::size_t>(parsed.ptr - text_.data());
        const std::string_view digits = text_.substr(part, at_ - part);
        const Unit* unit = unit_at(text_.substr(at_));
        if (unit == nullptr) {
            if (is_letter(peek())) return fault(at_, kUnknownUnit);
            if (token.kind == TokenKind::kDuration)
                return fault(at_, "a unit is missing: ns us ms s m h");
            return plain_number(std::move(token), digits);
        }
        at_ += unit->name.size();
        const auto ns = in_ns(digits, token.decimal, *unit);
        const bool first = token.kind != TokenKind::kDuration;
        token.kind = TokenKind::kDuration;
        if (!ns ||
            (negative && !first ? __builtin_sub_overflow(token.integer, *ns, &token.integer)
                                : __builtin_add_overflow(token.integer, *ns, &token.integer)))
            return fault(begin, "the duration is longer than 292 years");
    } while (is_digit(peek()));
    if (is_letter(peek())) return fault(at_, kUnknownUnit);
    token.end = at_;
    return token;
}

Token Lexer::plain_number(Token token, std::string_view digits) {
    token.end = at_;
    if (!is_whole(digits)) {
        token.kind = TokenKind::kDecimal;
        return token;
    }
    const auto parsed =
        std::from_chars(digits.data(), digits.data() + digits.size(), token.integer);
    if (parsed.ec != std::errc()) return fault(token.at, "the number does not fit into 64 bits");
    return token;
}

Token Lexer::word(std::size_t begin) {
    Token token{TokenKind::kWord, begin};
    while (is_letter(peek()) || is_digit(peek())) ++at_;
    token.text = text_.substr(begin, at_ - begin);
    // "span:duration" is one word, as "span.key" is an attribute.
    if (peek() == ':') {
        ++at_;
        while (is_letter(peek()) || is_digit(peek())) ++at_;
        token.text = text_.substr(begin, at_ - begin);
    } else if (peek() == '.') {
        ++at_;
        token.attribute = true;
        token.scope = std::move(token.text);
        token.text.clear();
        std::string what;
        if (peek() == '"') {
            const std::size_t quote = at_;
            if (!unescape('"', &token.text, &what))
                return fault(at_ < text_.size() ? at_ : quote, std::move(what));
        } else {
            const std::size_t key = at_;
            while (at_ < text_.size() && in_key(peek())) ++at_;
            token.text = text_.substr(key, at_ - key);
        }
        if (token.text.empty()) return fault(at_, "the name of an attribute is missing behind '.'");
    }
    token.end = at_;
    return token;
}

}  // namespace spanring::query
