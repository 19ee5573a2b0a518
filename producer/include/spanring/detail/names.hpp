// Strings that are known when the program is compiled: literals as template arguments and the
// static descriptors that cache their number in the segment.
//
// A number, once cached, is valid for the life of the process: forked children and replacement
// segments copy the string table. Descriptors are hidden symbols: one per shared object, gone with
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace spanring::detail {

/// A string literal that can be a template argument.
template <std::size_t kSize>
struct FixedString {
    char text[kSize]{};
    consteval FixedString(const char (&literal)[kSize]) {  // NOLINT(google-explicit-constructor)
        for (std::size_t i = 0; i < kSize; ++i) text[i] = literal[i];
    }
    static constexpr std::size_t kBytes = kSize - 1;
};

/// A literal and its number in the segment; 0: not looked up yet. Plain word, accessed with
/// __atomic built-ins: the descriptor must stay constant-initialised and shared with C.
struct StaticName {
    const char* text;
    std::uint32_t bytes;
    std::uint32_t number;
};

template <FixedString kText>
struct StaticNameText {
    static constexpr auto kValue = kText;
};

template <FixedString kText>
__attribute__((visibility("hidden"))) inline constinit StaticName kStaticName{
    StaticNameText<kText>::kValue.text, static_cast<std::uint32_t>(kText.kBytes), 0};

}  // namespace spanring::detail
