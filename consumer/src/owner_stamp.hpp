// Whose spans they are, where one consumer serves several users: the owner of the segment's file,
// which cannot be forged, becomes the resource attribute process.user.id. Threads: pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace spanring::consumer {

/// Returns the process's resource without what it says itself under that key (in the form in which
/// the library writes resources), and with the owner's uid at its end.
[[nodiscard]] std::vector<std::byte> stamp_owner(std::span<const std::byte> resource,
                                                 std::uint32_t uid);

}  // namespace spanring::consumer
