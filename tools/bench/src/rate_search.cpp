#include "rate_search.hpp"

#include <algorithm>

namespace spanring::tools::bench {
namespace {

/// Below this, it is the machine that has no time.
constexpr double kRateMin = 1000;
/// What is nearer to the whole of a processor holds by chance.
constexpr double kBusyMax = 0.95;
/// At a low rate, what each turn costs makes a span look dear; at a tiny one nothing can be said.
constexpr double kRiseMax = 8;

}  // namespace

void RateSearch::tell(const Try& came) noexcept {
    const bool made = came.spans_per_s >= kHeld * next_;
    if (!came.lossless || !made) high_ = next_;
    if (came.lossless) {
        low_ = std::max(low_, made ? next_ : came.spans_per_s);
        next_from(came.busy);
        // The producers are the limit, or were held up: whether it is near, the next try tells.
        if (!made) next_ = std::min(next_, low_ * (1 + 2 * step_));
    } else if (low_ == 0) {
        next_ = high_ * std::clamp(1 - came.lost, 0.3, 0.85);
    } else {
        next_ = (low_ + high_) / 2;
    }
}

void RateSearch::next_from(double busy) noexcept {
    next_ = low_ * std::clamp(kBusyMax / std::max(busy, 0.01), 1 + step_, kRiseMax);
    // Between what holds and what does not, neither too near to the one nor to the other.
    if (high_ > 0) next_ = std::clamp(next_, 0.75 * low_ + 0.25 * high_, 0.5 * (low_ + high_));
}

bool RateSearch::over() const noexcept {
    return next_ < kRateMin || (high_ > 0 && high_ - low_ <= step_ * high_);
}

}  // namespace spanring::tools::bench
