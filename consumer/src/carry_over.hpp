// Pieces of the carry-over format that its writer (assembler_state.cpp) and its reader
// (assembler_restore.cpp) share. Threads: pure.
#pragma once

#include "assembler_types.hpp"
#include "bytes_io.hpp"

namespace spanring::consumer {

/// First number of every piece of state; a change of the format takes the next.
/// 3: the ordinal up to which spans were closed early.
inline constexpr std::uint64_t kStateVersion = 3;
inline constexpr bool is_known_version(std::uint64_t version) noexcept {
    return version == 2 || version == kStateVersion;
}

inline void write_place(BytesWriter& out, const Place& place) {
    out.number(static_cast<std::uint64_t>(place.in));
    if (place.in == Place::In::kNowhere) return;
    out.number(place.key.value);
    out.number(place.serial);
    out.number(place.offset);
}

inline Place read_place(BytesReader& in) {
    Place place;
    const std::uint64_t where = in.number();
    if (where == 0 || where > static_cast<std::uint64_t>(Place::In::kName)) return place;
    place.in = static_cast<Place::In>(where);
    place.key.value = in.number();
    place.serial = in.number();
    place.offset = static_cast<std::uint32_t>(in.number());
    return place;
}

/// `id` of a NAME record that holds the version of the SCOPE after it: in restored spans only.
inline constexpr std::uint32_t kVersionName = 1;

}  // namespace spanring::consumer
