// Dice: the random numbers of `spanring emit`.
//
// Not <random>: its distributions differ between standard libraries, and a seed must mean the same
// program everywhere. Threads: one owner each; `fork` gives another thread or process its own.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace spanring::tools::emit {

class Dice {
public:
    explicit Dice(std::uint64_t seed) noexcept : state_(seed) {}

    /// Next 64 random bits: SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom
    /// number generators"; the constants are theirs).
    std::uint64_t next() noexcept {
        state_ += 0x9e3779b97f4a7c15u;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    /// Returns a number in [0, bound). The bias of the modulo is below 2^-32 for the bounds in use.
    std::uint64_t below(std::uint64_t bound) noexcept { return bound == 0 ? 0 : next() % bound; }
    std::int64_t between(std::int64_t low, std::int64_t high) noexcept {
        return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
    }
    /// True in `percent` of 100 cases.
    bool chance(unsigned percent) noexcept { return below(100) < percent; }
    template <typename T, std::size_t N>
    const T& pick(const T (&choices)[N]) noexcept {
        return choices[below(N)];
    }
    /// Independent dice for part `number` of whatever these dice are for; does not advance these.
    [[nodiscard]] Dice split(std::uint64_t number) const noexcept {
        Dice child(state_ ^ (0xd1342543de82ef95u * (number + 1)));
        child.next();
        return child;
    }

private:
    std::uint64_t state_;
};

}  // namespace spanring::tools::emit
