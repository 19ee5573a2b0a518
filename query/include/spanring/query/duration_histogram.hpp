// Counts of durations in logarithmic buckets: percentiles of any number of spans in little memory.
// Threads: one at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "spanring/base/log_bins.hpp"

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
    using Bins = LogBins<7>;
    // By bin, as far as there were any: at most 58 KiB.
    std::vector<std::uint64_t> counts_;
    std::uint64_t count_{0};
    std::int64_t max_{0};
};

inline void DurationHistogram::add(std::int64_t ns, std::uint64_t times) {
    const auto value = static_cast<std::uint64_t>(ns < 0 ? 0 : ns);
    const std::size_t at = Bins::bin_of(value);
    if (at >= counts_.size()) [[unlikely]]
        counts_.resize((at / Bins::kSub + 1) * Bins::kSub);
    counts_[at] += times;
    count_ += times;
    max_ = std::max(max_, static_cast<std::int64_t>(value));
}

}  // namespace spanring::query
