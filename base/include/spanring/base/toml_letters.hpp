// What has to hold of a configuration file before toml++ sees it. Pure function, any thread.
#pragma once

#include <string>
#include <string_view>

#include "spanring/base/result.hpp"

namespace spanring {

/// Checks that letters beyond ASCII stand where toml++ 3.3 takes them as they are: in comments, and
/// in the quotes of a line `key = "..."`; in a file with strings of several lines nowhere. Of each
/// other one, in a number's place even of quoted ones, it asks whether it is white space, and comes
/// to a point that it takes for unreachable with many of them (U+00C4, U+FEDF:
/// is_non_ascii_horizontal_whitespace). A byte order mark at the start is none of them.
/// Errors: kInvalidArgument, "`file`:line: ...".
[[nodiscard]] Result<void> check_toml_letters(std::string_view text, const std::string& file);

}  // namespace spanring
