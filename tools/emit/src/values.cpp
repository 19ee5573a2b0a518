#include "values.hpp"

#include <cmath>
#include <limits>
#include <string_view>

#include "json_text.hpp"

namespace spanring::tools::emit {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kPieces[] = {
    "order "sv,      "42"sv,           "Größe "sv,       "猫"sv,       "🚀"sv,
    "\"quoted\" "sv, "back\\slash "sv, "line\nbreak "sv, "tab\t"sv,    "nul\0byte "sv,
    "e\xcc\x81 "sv,  "\x01\x1f\x7f"sv, "</script>"sv,    "%41 a=b,"sv, "ﬀ "sv};

constexpr std::string_view kNested[] = {R"({"a":1,"b":[true,null,"x"]})"sv,
                                        R"([1,"two",3.5,{"four":[]}])"sv, R"({})"sv,
                                        R"({"deep":{"deeper":{"deepest":[[[]]]}}})"sv};

constexpr std::int64_t kIntegers[] = {0,
                                      1,
                                      -1,
                                      200,
                                      std::numeric_limits<std::int64_t>::min(),
                                      std::numeric_limits<std::int64_t>::max(),
                                      (std::int64_t{1} << 53) + 1,
                                      std::int64_t{1} << 32};

constexpr double kDoubles[] = {0.0,
                               -0.0,
                               0.1,
                               1e300,
                               -2.5,
                               3.0,
                               5e-324,
                               std::numeric_limits<double>::infinity(),
                               -std::numeric_limits<double>::infinity(),
                               std::numeric_limits<double>::quiet_NaN()};

/// Elements of an array: mostly few, now and then none.
constexpr std::size_t kElementsMax = 12;

std::int64_t roll_integer(Dice& dice) {
    return dice.chance(50) ? dice.pick(kIntegers) : static_cast<std::int64_t>(dice.next());
}

double roll_double(Dice& dice) {
    if (dice.chance(40)) return dice.pick(kDoubles);
    return static_cast<double>(static_cast<std::int64_t>(dice.next())) / 1e9;
}

template <typename Element, typename Roll>
std::vector<Element> roll_list(Dice& dice, Roll&& roll) {
    std::vector<Element> out(dice.below(kElementsMax));
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = roll();
    return out;
}

/// RFC 4648, with padding: how bytes stand in the export.
std::string base64(std::string_view data) {
    constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"sv;
    std::string out;
    for (std::size_t i = 0; i < data.size(); i += 3) {
        std::uint32_t bits = 0;
        for (std::size_t k = 0; k < 3; ++k) {
            bits = bits << 8 | (i + k < data.size() ? static_cast<unsigned char>(data[i + k]) : 0u);
        }
        const std::size_t left = data.size() - i;
        out += kDigits[bits >> 18 & 63];
        out += kDigits[bits >> 12 & 63];
        out += left > 1 ? kDigits[bits >> 6 & 63] : '=';
        out += left > 2 ? kDigits[bits & 63] : '=';
    }
    return out;
}

std::string roll_bytes(Dice& dice) {
    std::string out(dice.below(40), '\0');
    for (char& byte : out) byte = static_cast<char>(dice.next());
    return out;
}

}  // namespace

std::string roll_text(Dice& dice, std::size_t bytes_max) {
    std::string out;
    const std::size_t wanted = dice.chance(3) ? dice.below(bytes_max) : dice.below(40);
    while (out.size() < wanted) out += dice.pick(kPieces);
    return out;
}

MadeValue MadeValue::roll(Dice& dice, std::size_t text_bytes_max) {
    switch (dice.below(13)) {
        case 0: return MadeValue(dice.chance(50));
        case 1:
        case 2: return MadeValue(roll_integer(dice));
        case 3: return MadeValue(roll_double(dice));
        case 4: return MadeValue(Bytes{roll_bytes(dice)});
        case 5: return MadeValue(Nested{std::string(dice.pick(kNested))});
        case 6: return MadeValue(roll_list<bool>(dice, [&] { return dice.chance(50); }));
        case 7: return MadeValue(roll_list<std::int64_t>(dice, [&] { return roll_integer(dice); }));
        case 8: return MadeValue(roll_list<double>(dice, [&] { return roll_double(dice); }));
        case 9:
            return MadeValue(roll_list<std::string>(dice, [&] { return roll_text(dice, 100); }));
        default: return MadeValue(roll_text(dice, text_bytes_max));
    }
}

AttributeValue MadeValue::view() const {
    return std::visit(
        [](const auto& content) -> AttributeValue {
            using T = std::decay_t<decltype(content)>;
            if constexpr (std::is_same_v<T, Bytes>) {
                return BytesView{content.data};
            } else if constexpr (std::is_same_v<T, Nested>) {
                return JsonView{content.json};
            } else {
                return AttributeValue(content);
            }
        },
        content_);
}

std::string MadeValue::json() const {
    return std::visit(
        [](const auto& content) -> std::string {
            using T = std::decay_t<decltype(content)>;
            if constexpr (std::is_same_v<T, Bytes>) {
                return "{\"base64\":\"" + base64(content.data) + "\"}";
            } else if constexpr (std::is_same_v<T, Nested>) {
                return content.json;
            } else if constexpr (requires { typename T::allocator_type; } &&
                                 !std::is_same_v<T, std::string>) {
                return json_of_list(content);
            } else {
                return json_of(content);
            }
        },
        content_);
}

}  // namespace spanring::tools::emit
