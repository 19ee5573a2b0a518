// A small database, written through the store, whose content the tests know.
#pragma once

#include <string>
#include <vector>

#include "spanring/codec/span.hpp"

namespace spanring::tools {

inline constexpr const char* kCheckoutTrace = "000000000000000000000000000000a1";
inline constexpr const char* kShortTrace = "00000000000000b2";  // came as 64 bits
inline constexpr std::int64_t kStart = 1'763'700'000'000'000'000;

/// Seven spans of two traces: a checkout over frontend, cart and payment with an error, an
/// attribute of each kind, an event, a link and an orphan; and one of a single span.
[[nodiscard]] std::vector<codec::Span> known_spans();

/// Writes `known_spans` into a new database at `path`, in two frames. `lost_spans`: as lost by one
/// process, recorded in the database.
void make_database(const std::string& path, std::uint64_t lost_spans = 0);

}  // namespace spanring::tools
