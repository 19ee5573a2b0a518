// The testpoints of a program: what SPANRING_TESTPOINT (spanring/base/testpoint.hpp) left in it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace spanring::kill {

/// Addresses of each testpoint as the file counts them: those of a process lie the program's load
/// address above.
using Testpoints = std::map<std::string, std::vector<std::uint64_t>>;

/// Reads them from the ELF file (64 bits) at `path`. Fails the test if that is not possible.
[[nodiscard]] Testpoints testpoints_of(const std::string& path);

}  // namespace spanring::kill
