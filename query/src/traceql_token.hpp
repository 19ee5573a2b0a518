// The words of a TraceQL query. Threads: one owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "spanring/query/traceql.hpp"

namespace spanring::query {

enum class TokenKind : std::uint8_t {
    kEnd,
    kWord,  ///< a name, an attribute with its scope, true, nil, ...
    kText,  ///< unquoted and unescaped in `text`
    kInteger,
    kDecimal,
    kDuration,  ///< ns in `integer`
    kMark,      ///< an operator or bracket, as it stands in `text`
    kFault,     ///< `text` says what is wrong
};

struct Token {
    TokenKind kind{TokenKind::kEnd};
    std::size_t at{0};  ///< byte in the query, from 0
    std::size_t end{0};
    std::string text{};
    std::int64_t integer{0};
    double decimal{0};
    // Of a word that is an attribute: the scope before the first dot (maybe empty), the key behind.
    bool attribute{false};
    std::string scope{};
};

/// Takes a query apart.
class Lexer {
public:
    explicit Lexer(std::string_view text) : text_(text) {}
    [[nodiscard]] Token next();

private:
    void skip_spaces();
    [[nodiscard]] Token mark(std::size_t begin);
    [[nodiscard]] Token quoted(std::size_t begin);
    [[nodiscard]] Token number(std::size_t begin);
    [[nodiscard]] Token plain_number(Token token, std::string_view digits);
    [[nodiscard]] Token word(std::size_t begin);
    [[nodiscard]] Token fault(std::size_t at, std::string what);
    [[nodiscard]] bool unescape(char quote, std::string* out, std::string* what);
    [[nodiscard]] char peek(std::size_t ahead = 0) const noexcept {
        return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
    }

    std::string_view text_;
    std::size_t at_{0};
};

}  // namespace spanring::query
