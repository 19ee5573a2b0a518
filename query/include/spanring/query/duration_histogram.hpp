// Counts of durations in logarithmic buckets: percentiles of any number of spans in little memory.
// Threads: one at a time.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace spanring::query {

/// Exact up to 128 ns; above, each power of two has 128 buckets, so a percentile is at most 0.8 %
/// off.
class DurationHistogram {
public:
    void add(std::int64_t ns, std::uint64_t times = 1);
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    /// Returns the smallest duration that at least `fraction` (0..1) of the values do not exceed;
    /// 0 if there are none.
    [[nodiscard]] std::int64_t percentile(double fraction) const noexcept;

private:
    static constexpr unsigned kSubBits = 7;
    static constexpr std::size_t kSub = std::size_t{1} << kSubBits;
    static constexpr std::size_t kOctaves = 64 - kSubBits + 1;
    std::array<std::vector<std::uint64_t>, kOctaves> octaves_;  // allocated when first used
    std::uint64_t count_{0};
    std::int64_t max_{0};
};

}  // namespace spanring::query
