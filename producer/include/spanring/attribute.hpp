// Keys, values and attributes as the caller hands them in: borrowed views, valid for one call,
// never an allocation.
//
// `"user.id"_key` names a key by a literal: its string number is looked up once per shared object.
// A plain string works too and costs a hash look-up.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "spanring/detail/names.hpp"

namespace spanring {

enum class SpanKind : std::uint8_t {
    kUnset = 0,
    kInternal,
    kServer,
    kClient,
    kProducer,
    kConsumer
};
enum class StatusCode : std::uint8_t { kUnset = 0, kOk, kError };

/// A name or an attribute's key: a literal with a cached number, or any string.
class Key {
public:
    constexpr Key(std::string_view text) noexcept  // NOLINT(google-explicit-constructor)
        : text_(text) {}
    constexpr Key(const char* text) noexcept  // NOLINT(google-explicit-constructor)
        : text_(text != nullptr ? text : "") {}
    Key(const std::string& text) noexcept  // NOLINT(google-explicit-constructor)
        : text_(text) {}
    constexpr explicit Key(detail::StaticName& name) noexcept : name_(&name) {}

    [[nodiscard]] constexpr std::string_view text() const noexcept {
        return name_ != nullptr ? std::string_view(name_->text, name_->bytes) : text_;
    }
    /// Returns the literal's descriptor, or null.
    [[nodiscard]] constexpr detail::StaticName* name() const noexcept { return name_; }

private:
    std::string_view text_;  ///< unless it has a name: the hot path does not need it
    detail::StaticName* name_{nullptr};
};

inline namespace literals {
/// `"http.method"_key`
template <detail::FixedString kText>
[[nodiscard]] inline Key operator""_key() noexcept {
    return Key(detail::kStaticName<kText>);
}
}  // namespace literals

/// Text that is to be stored as bytes, or as the JSON of a nested value, not as a string.
struct BytesView {
    std::string_view data;
};
struct JsonView {
    std::string_view text;
};

/// One value of an attribute: a view of the caller's data.
class AttributeValue {
public:
    enum class Type : std::uint8_t {
        kBool,
        kInt,
        kDouble,
        kString,
        kBytes,
        kJson,
        kBoolArray,        ///< bool each
        kBoolVector,       ///< a std::vector<bool>
        kIntArray,         ///< integers of element_bytes(), signed or not
        kDoubleArray,      ///< float or double
        kStringViewArray,  ///< std::string_view each
        kStringArray,      ///< std::string each
        kCStringArray      ///< const char* each
    };

    // NOLINTBEGIN(google-explicit-constructor): set("key", 5) is what this class is for
    template <std::same_as<bool> T>
    constexpr AttributeValue(T value) noexcept : type_(Type::kBool), integer_(value ? 1 : 0) {}
    template <std::integral T>
    requires(!std::same_as<T, bool>) constexpr AttributeValue(T value) noexcept
        : type_(Type::kInt), integer_(static_cast<std::int64_t>(value)) {}
    template <std::floating_point T>
    constexpr AttributeValue(T value) noexcept
        : type_(Type::kDouble), real_(static_cast<double>(value)) {}
    constexpr AttributeValue(std::string_view text) noexcept
        : type_(Type::kString), count_(text.size()), data_(text.data()) {}
    constexpr AttributeValue(const char* text) noexcept
        : AttributeValue(std::string_view(text != nullptr ? text : "")) {}
    AttributeValue(const std::string& text) noexcept : AttributeValue(std::string_view(text)) {}
    constexpr AttributeValue(BytesView bytes) noexcept
        : type_(Type::kBytes), count_(bytes.data.size()), data_(bytes.data.data()) {}
    constexpr AttributeValue(JsonView json) noexcept
        : type_(Type::kJson), count_(json.text.size()), data_(json.text.data()) {}
    template <typename T>
    AttributeValue(const std::vector<T>& values) noexcept
        : AttributeValue(std::span<const T>(values)) {}
    AttributeValue(const std::vector<bool>& values) noexcept
        : type_(Type::kBoolVector), count_(values.size()), data_(&values) {}
    /// The list's elements live until the end of the full expression: long enough for the call.
    template <typename T>
    AttributeValue(std::initializer_list<T> values) noexcept
        : AttributeValue(std::span<const T>(values.begin(), values.size())) {}
    template <typename T, std::size_t kExtent>
    AttributeValue(std::span<T, kExtent> values) noexcept
        : type_(array_type<std::remove_const_t<T>>()),
          element_bytes_(sizeof(T)),
          signed_(std::is_signed_v<T>),
          count_(values.size()),
          data_(values.data()) {}
    // NOLINTEND(google-explicit-constructor)

    [[nodiscard]] constexpr Type type() const noexcept { return type_; }
    [[nodiscard]] constexpr bool boolean() const noexcept { return integer_ != 0; }
    [[nodiscard]] constexpr std::int64_t integer() const noexcept { return integer_; }
    [[nodiscard]] constexpr double real() const noexcept { return real_; }
    /// Bytes of a string, elements of an array.
    [[nodiscard]] constexpr std::size_t count() const noexcept { return count_; }
    [[nodiscard]] constexpr const void* data() const noexcept { return data_; }
    [[nodiscard]] constexpr unsigned element_bytes() const noexcept { return element_bytes_; }
    [[nodiscard]] constexpr bool element_signed() const noexcept { return signed_; }

private:
    template <typename T>
    static constexpr Type array_type() noexcept {
        if constexpr (std::is_same_v<T, bool>)
            return Type::kBoolArray;
        else if constexpr (std::is_integral_v<T>)
            return Type::kIntArray;
        else if constexpr (std::is_floating_point_v<T>)
            return Type::kDoubleArray;
        else if constexpr (std::is_same_v<T, std::string_view>)
            return Type::kStringViewArray;
        else if constexpr (std::is_same_v<T, std::string>)
            return Type::kStringArray;
        else {
            static_assert(std::is_same_v<T, const char*>, "no attribute can hold this type");
            return Type::kCStringArray;
        }
    }

    Type type_;
    std::uint8_t element_bytes_{0};
    bool signed_{true};
    union {
        std::int64_t integer_;
        double real_;
        std::size_t count_{0};
    };
    const void* data_{nullptr};
};

/// A key with its value: `{{"http.method", "GET"}, {"retries"_key, 3}}`.
struct Attribute {
    Key key;
    AttributeValue value;
};

}  // namespace spanring
