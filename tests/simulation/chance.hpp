// Chance: all that is left to chance in a simulation, from one seed. Threads: one.
#pragma once

#include <cstdint>

namespace spanring::simulation {

/// SplitMix64: a few lines whose numbers no library's version changes.
class Chance {
public:
    explicit Chance(std::uint64_t seed) noexcept : state_(seed) {}

    std::uint64_t next() noexcept {
        std::uint64_t word = state_ += 0x9e3779b97f4a7c15U;
        word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9U;
        word = (word ^ (word >> 27)) * 0x94d049bb133111ebU;
        return word ^ (word >> 31);
    }
    /// 0 to `end` - 1.
    std::uint64_t below(std::uint64_t end) noexcept { return next() % end; }
    /// `low` to `high`.
    std::int64_t between(std::int64_t low, std::int64_t high) noexcept {
        return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
    }
    bool one_in(std::uint64_t n) noexcept { return below(n) == 0; }
    /// Between these, as often within each order of magnitude.
    std::int64_t magnitude(std::int64_t low, std::int64_t high) noexcept {
        std::int64_t top = low;
        while (top < high && !one_in(3)) top *= 4;
        return between(low, top < high ? top : high);
    }

private:
    std::uint64_t state_;
};

}  // namespace spanring::simulation
