// Base64 of RFC 4648, section 4: with padding, without line ends. Threads: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace spanring::codec {

[[nodiscard]] std::string to_base64(std::string_view bytes);
/// Returns the bytes, or nothing if `text` is not padded base64.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace spanring::codec
