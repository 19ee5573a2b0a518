// Counts of durations in logarithmic buckets: percentiles of any number of spans in little memory.
// Threads: one at a time.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace spanring::query {

/// Exact up to 128 ns; above, each power of two has 128 buckets, so a percentile is at most 0.8 %
/// off.
class DurationHistogram {
public:
    void add(std::int64_t ns, std::uint64_t times = 1);
    void add(const DurationHistogram& other);
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    /// Returns the smallest duration that at least `fraction` (0..1) of the values do not exceed;
    /// 0 if there are none.
    [[nodiscard]] std::int64_t percentile(double fraction) const noexcept;

private:
    static constexpr unsigned kSubBits = 7;
    static constexpr std::uint64_t kSub = std::uint64_t{1} << kSubBits;
    // By octave, then by what follows the top bit; as far as there were any: at most 58 KiB.
    std::vector<std::uint64_t> counts_;
    std::uint64_t count_{0};
    std::int64_t max_{0};
};

inline void DurationHistogram::add(std::int64_t ns, std::uint64_t times) {
    const auto value = static_cast<std::uint64_t>(ns < 0 ? 0 : ns);
    const auto bits = static_cast<unsigned>(std::bit_width(value));
    // Octave 0 holds 0..127 one by one; octave k the values of 7 + k bits, their top bit implied.
    const unsigned octave = bits <= kSubBits ? 0 : bits - kSubBits;
    const std::uint64_t sub = octave == 0 ? value : (value >> (octave - 1)) & (kSub - 1);
    const std::size_t at = octave * kSub + sub;
    if (at >= counts_.size()) [[unlikely]]
        counts_.resize((octave + 1) * kSub);
    counts_[at] += times;
    count_ += times;
    max_ = std::max(max_, static_cast<std::int64_t>(value));
}

}  // namespace spanring::query
