// Tracepoint records as text: what `spanring inspect -v` shows of a page. Pure; any thread.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace spanring::tools {

/// "BEGIN", "ATTR_INT", ...; "?" for what is none.
[[nodiscard]] std::string_view record_name(unsigned kind) noexcept;

/// One line per record of `bytes`, which start at offset `offset` of their page; stops, and says
/// so, at the first that is malformed. `strings` resolves names and keys.
[[nodiscard]] std::string dump_records(std::span<const std::byte> bytes, std::size_t offset,
                                       const std::vector<std::string>& strings);

}  // namespace spanring::tools
