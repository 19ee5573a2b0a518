// An attribute's value as people read it.
#pragma once

#include <string>

#include "spanring/codec/span.hpp"

namespace spanring::tools {

/// One line without control characters: text as it is, bytes as "(12 bytes) 00ff…", arrays in
/// brackets.
[[nodiscard]] std::string value_text(const codec::Value& value);

}  // namespace spanring::tools
