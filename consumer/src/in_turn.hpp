// in_turn: serves the entries of an ordered map one after the other, and begins where the last call
// ran out, so that nobody waits for ever behind those who take all there is. Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace spanring::consumer {

/// Calls serve(value) once for each entry, from key *first on and around; false: there was nothing
/// left for it. *first becomes the key of the first such entry or, if all were served, of the one
/// behind the first of this call.
template <typename Map, typename Serve>
void in_turn(Map& map, std::uint64_t* first, Serve serve) {
    if (map.empty()) return;
    auto at = map.lower_bound(*first);
    std::optional<std::uint64_t> left_out;
    for (std::size_t left = map.size(); left > 0; --left) {
        if (at == map.end()) at = map.begin();
        if (left == map.size()) *first = at->first + 1;
        if (!serve(at->second) && !left_out) left_out = at->first;
        ++at;
    }
    if (left_out) *first = *left_out;
}

}  // namespace spanring::consumer
