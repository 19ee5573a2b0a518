// Numbers counted in logarithmic bins: below 2^SubBits each number has its own, above each power of
// two has 2^SubBits of equal width. Threads: pure.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace spanring {

template <unsigned SubBits>
struct LogBins {
    static constexpr std::uint64_t kSub = std::uint64_t{1} << SubBits;  ///< bins of an octave

    [[nodiscard]] static constexpr std::size_t bin_of(std::uint64_t value) noexcept {
        const auto bits = static_cast<unsigned>(std::bit_width(value));
        if (bits <= SubBits) return value;
        // The top bit is implied.
        const unsigned octave = bits - SubBits;
        return octave * kSub + ((value >> (octave - 1)) & (kSub - 1));
    }
    /// How many numbers are in a bin.
    [[nodiscard]] static constexpr std::uint64_t width_of(std::size_t bin) noexcept {
        return bin < 2 * kSub ? 1 : std::uint64_t{1} << (bin / kSub - 1);
    }
    /// The least of them.
    [[nodiscard]] static constexpr std::uint64_t first_of(std::size_t bin) noexcept {
        return bin < kSub ? bin : (kSub | (bin & (kSub - 1))) << (bin / kSub - 1);
    }
};

}  // namespace spanring
