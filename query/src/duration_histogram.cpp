#include "spanring/query/duration_histogram.hpp"

#include <algorithm>
#include <cmath>

namespace spanring::query {

void DurationHistogram::add(const DurationHistogram& other) {
    counts_.resize(std::max(counts_.size(), other.counts_.size()));
    for (std::size_t i = 0; i < other.counts_.size(); ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
}

std::int64_t DurationHistogram::percentile(double fraction) const noexcept {
    if (count_ == 0) return 0;
    const auto rank = std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(count_))));
    if (rank >= count_) return max_;
    std::uint64_t seen = 0;
    for (std::size_t at = 0; at < counts_.size(); ++at) {
        seen += counts_[at];
        if (seen < rank) continue;
        // The middle of the bin, never above what was seen.
        const std::uint64_t middle = Bins::first_of(at) + Bins::width_of(at) / 2;
        return std::min(max_, static_cast<std::int64_t>(middle));
    }
    return max_;
}

}  // namespace spanring::query
