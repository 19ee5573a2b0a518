// A hash index from keys that stand elsewhere to their numbers (0, 1, 2, ...), for the duration of
// one encode or decode: open addressing over one allocation of 4-byte slots, no removal, nothing
// allocated per entry. Threads: one.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "scratch.hpp"

namespace spanring::codec {

/// Mixes two words into one whose bits all depend on both (the finalizer of splitmix64, by
/// Sebastiano Vigna, public domain).
constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b = 0) noexcept {
    a ^= b * 0x9e3779b97f4a7c15ull;
    a = (a ^ (a >> 30)) * 0xbf58476d1ce4e5b9ull;
    a = (a ^ (a >> 27)) * 0x94d049bb133111ebull;
    return a ^ (a >> 31);
}

class NumberTable {
public:
    static constexpr std::uint32_t kFree = 0xffffffffu;

    explicit NumberTable(std::size_t entries = 0) { clear(entries); }
    /// Empties it for at most `entries` keys; half of the slots stay free.
    void clear(std::size_t entries) {
        slots_ = memory_.filled(std::bit_ceil(entries * 2 + 2), kFree);
    }

    /// Returns the slot of the key with this hash for which `equal(number)` holds: its number, or
    /// kFree, and then the caller may store one.
    template <typename Equal>
    [[nodiscard]] std::uint32_t& slot(std::uint64_t hash, Equal&& equal) noexcept {
        const std::size_t mask = slots_.size() - 1;
        std::size_t i = hash & mask;
        while (slots_[i] != kFree && !equal(slots_[i])) i = (i + 1) & mask;
        return slots_[i];
    }

private:
    Scratch<std::uint32_t> memory_;
    std::span<std::uint32_t> slots_;
};

}  // namespace spanring::codec
