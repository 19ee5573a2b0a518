// Which rate to try next, when the highest one that holds is looked for. Each try says how busy the
// processors were: from that follows where the limit may be, so that few tries are needed.
// Threads: any; a value.
#pragma once

namespace spanring::tools::bench {

/// What came of a try.
struct Try {
    double spans_per_s{0};  ///< that were made, if that was less than asked for
    bool lossless{false};
    double lost{0};  ///< share of what was emitted
    double busy{0};  ///< share of the time that the processors at work had something to do
};

class RateSearch {
public:
    /// `step`: it is over when what holds is as near as that to what does not.
    explicit RateSearch(double step) noexcept : step_(step) {}

    /// In spans/s.
    [[nodiscard]] double next() const noexcept { return next_; }
    void tell(const Try& came) noexcept;
    [[nodiscard]] bool over() const noexcept;
    /// Returns the highest rate that was made without loss; 0: none was.
    [[nodiscard]] double found() const noexcept { return low_; }

private:
    void next_from(double busy) noexcept;

    double step_;
    double next_{2e6};  ///< every machine that is worth measuring carries the first one
    double low_{0};
    double high_{0};  ///< 0: nothing has failed yet
};

/// Of the asked rate: else the producers did not make it.
inline constexpr double kHeld = 0.97;

}  // namespace spanring::tools::bench
