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
        const std::uint64_t octave = at / kSub;
        const std::uint64_t sub = at % kSub;
        if (octave == 0) return static_cast<std::int64_t>(sub);
        // The middle of the bucket, never above what was seen.
        const std::uint64_t low = (kSub | sub) << (octave - 1);
        const std::uint64_t half = (std::uint64_t{1} << (octave - 1)) / 2;
        return std::min(max_, static_cast<std::int64_t>(low + half));
    }
    return max_;
}

}  // namespace spanring::query
