#include "spanring/query/duration_histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace spanring::query {

void DurationHistogram::add(std::int64_t ns, std::uint64_t times) {
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0));
    const auto bits = static_cast<unsigned>(std::bit_width(value));
    // Octave 0 holds 0..127 one by one; octave k the values of 7 + k bits, their top bit implied.
    const unsigned octave = bits <= kSubBits ? 0 : bits - kSubBits;
    const std::size_t sub = octave == 0 ? value : (value >> (octave - 1)) & (kSub - 1);
    auto& counts = octaves_[octave];
    if (counts.empty()) counts.resize(kSub);
    counts[sub] += times;
    count_ += times;
    max_ = std::max(max_, static_cast<std::int64_t>(value));
}

std::int64_t DurationHistogram::percentile(double fraction) const noexcept {
    if (count_ == 0) return 0;
    const auto rank = std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(count_))));
    if (rank >= count_) return max_;
    std::uint64_t seen = 0;
    for (std::size_t octave = 0; octave < kOctaves; ++octave) {
        for (std::size_t sub = 0; sub < octaves_[octave].size(); ++sub) {
            seen += octaves_[octave][sub];
            if (seen < rank) continue;
            if (octave == 0) return static_cast<std::int64_t>(sub);
            // The middle of the bucket, never above what was seen.
            const std::uint64_t low = (kSub | sub) << (octave - 1);
            const std::uint64_t half = (std::uint64_t{1} << (octave - 1)) / 2;
            return std::min(max_, static_cast<std::int64_t>(low + half));
        }
    }
    return max_;
}

}  // namespace spanring::query
