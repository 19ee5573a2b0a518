// A number in decimal, with the fewest digits that read back equal. Threads: pure.
#pragma once

#include <array>
#include <charconv>
#include <string>

namespace spanring {

template <typename Number>
[[nodiscard]] std::string shortest_text(Number number) {
    std::array<char, 32> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number);
    return {buffer.data(), end.ptr};
}

}  // namespace spanring
