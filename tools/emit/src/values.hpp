// Random names, keys and attribute values, each with the JSON text that must come out.
// Threads: pure, but for the dice.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "dice.hpp"
#include "spanring/attribute.hpp"

namespace spanring::tools::emit {

/// A value that owns its content: the library gets a view, the oracle the JSON text.
class MadeValue {
public:
    struct Bytes {
        std::string data;
    };
    struct Nested {
        std::string json;
    };
    using Content =
        std::variant<bool, std::int64_t, double, std::string, Bytes, Nested, std::vector<bool>,
                     std::vector<std::int64_t>, std::vector<double>, std::vector<std::string>>;

    /// Any type, now and then at the edge of its range, strings up to `text_bytes_max`.
    static MadeValue roll(Dice& dice, std::size_t text_bytes_max);
    explicit MadeValue(Content content) : content_(std::move(content)) {}

    /// Valid while this value lives.
    [[nodiscard]] AttributeValue view() const;
    [[nodiscard]] std::string json() const;

private:
    Content content_;
};

/// Text of all sorts: empty, plain, with quotes and control characters, beyond ASCII, long.
[[nodiscard]] std::string roll_text(Dice& dice, std::size_t bytes_max);

}  // namespace spanring::tools::emit
