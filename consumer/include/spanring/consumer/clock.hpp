// From a producer's clock ticks to nanoseconds.
//
// A TickClock keeps anchors (ticks, monotonic, realtime), taken by the consumer, and between them a
// piecewise linear function ticks -> monotonic ns. A new anchor changes the future only: what was
// converted stays as it was, so begin and end of a span never disagree. It never falls but at a
// break, where counter and clock no longer fit together and a new epoch begins. Realtime is
// monotonic + an offset that changes only when the wall clock is stepped. Threads: one.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "spanring/shm/directory.hpp"

namespace spanring::consumer {

struct ClockReading {
    std::uint64_t ticks{0};
    std::int64_t mono_ns{0};
    std::int64_t real_ns{0};
};

/// Reads all three clocks as nearly at once as possible. Injected by tests.
using ClockSource = std::function<ClockReading()>;

/// Returns the source of the host's counter (SPANRING_CLOCK_TSC) or of CLOCK_MONOTONIC
/// (SPANRING_CLOCK_MONOTONIC).
[[nodiscard]] ClockSource system_clock_source(std::uint32_t clock_kind);

class TickClock {
public:
    /// One straight piece: valid from `ticks` up to (not including) `ticks_end`.
    struct Piece {
        std::uint64_t ticks{0};
        std::uint64_t ticks_end{~std::uint64_t{0}};
        std::int64_t mono_ns{0};
        std::uint64_t ns_per_tick{std::uint64_t{1} << 32};  ///< 32.32 fixed point
        /// Monotonic ns of `at`; before the piece's begin it is extrapolated.
        [[nodiscard]] std::int64_t mono_at(std::uint64_t at) const noexcept {
            if (at >= ticks) [[likely]] {
                return mono_ns + ns_of(at - ticks);
            }
            return mono_ns - ns_of(ticks - at);
        }
        [[nodiscard]] bool holds(std::uint64_t at) const noexcept {
            return at >= ticks && at < ticks_end;
        }
        /// Ticks come from a producer and may be anything: 2^61 ns, 73 years either way, still adds
        /// up.
        [[nodiscard]] std::int64_t ns_of(std::uint64_t distance) const noexcept {
            __extension__ using Wide = unsigned __int128;
            const Wide ns = (static_cast<Wide>(distance) * ns_per_tick) >> 32;
            return static_cast<std::int64_t>(ns < (static_cast<Wide>(1) << 61)
                                                 ? static_cast<std::uint64_t>(ns)
                                                 : std::uint64_t{1} << 61);
        }
    };

    /// The clock near one tick, as a page's records need it: times as short distances from `ticks`.
    struct Near {
        std::int64_t mono_ns{0};       ///< of `ticks`
        std::uint64_t fraction{0};     ///< of a nanosecond, in 2^-32
        std::uint64_t ns_per_tick{0};  ///< 32.32 fixed point, at most 1
        std::uint64_t end{0};          ///< distances below this are right
        /// As Piece::mono_at(ticks + distance), to the same nanosecond.
        [[nodiscard]] std::int64_t mono_at(std::uint32_t distance) const noexcept {
            // Neither product nor sum overflows: (2^32 - 1) * 2^32 + (2^32 - 1) is 2^64 - 1.
            return mono_ns + static_cast<std::int64_t>((fraction + distance * ns_per_tick) >> 32);
        }
    };
    /// `end` is 0 where only pieces tell.
    [[nodiscard]] Near near(std::uint64_t ticks) const noexcept;

    /// Takes two readings, at least `calibration_ns` apart for a counter, to learn its rate.
    TickClock(std::uint32_t clock_kind, ClockSource source,
              std::int64_t calibration_ns = kCalibrationNs);
    /// Of the CPU's counter, going on with an earlier consumer's line: what both convert, they
    /// convert to the same nanosecond from its last anchor on, so that nothing changes its order
    /// over a restart. If the line does not fit the clocks, as if there were none.
    TickClock(ClockSource source, const shm::ClockLine& line,
              std::int64_t calibration_ns = kCalibrationNs);
    /// What the next consumer is to go on with.
    [[nodiscard]] shm::ClockLine line() const noexcept;

    /// Takes an anchor: corrects the rate from here on and notices a stepped wall clock.
    void anchor();
    /// True if the last anchor is older than the interval at which one should be taken.
    [[nodiscard]] bool anchor_due(std::int64_t now_mono_ns) const noexcept {
        return now_mono_ns - last_.mono_ns >= kAnchorIntervalNs;
    }

    [[nodiscard]] const Piece& piece_at(std::uint64_t ticks) const noexcept;
    [[nodiscard]] std::int64_t mono_at(std::uint64_t ticks) const noexcept {
        return piece_at(ticks).mono_at(ticks);
    }
    /// realtime = monotonic + this, as of the last anchor.
    [[nodiscard]] std::int64_t real_offset_ns() const noexcept { return real_offset_ns_; }
    /// How often counter and clock did not fit together (virtual machine moved, counter reset).
    [[nodiscard]] std::uint64_t breaks() const noexcept { return breaks_; }

    /// Two reads of the clocks are some 50 ns uncertain: over 10 ms that is 10 ppm, which the
    /// first anchors then reduce.
    static constexpr std::int64_t kCalibrationNs = 10'000'000;
    static constexpr std::int64_t kAnchorIntervalNs = 1'000'000'000;
    /// Above the uncertainty of a read that was interrupted between two clocks, below any step
    /// that somebody would notice.
    static constexpr std::int64_t kStepNs = 100'000;
    /// An invariant counter drifts by some ppm; 10 ms and 100 ppm since the last anchor are another
    /// clock.
    static constexpr std::int64_t kBreakNs = 10'000'000;
    /// Two for each anchor.
    static constexpr std::size_t kPiecesMax = 128;

private:
    [[nodiscard]] ClockReading best_reading() const;
    void calibrate(std::int64_t calibration_ns);
    [[nodiscard]] bool go_on(const shm::ClockLine& line);
    void begin_before(const Piece& piece);
    void break_at(const ClockReading& now);
    void append(const Piece& piece);

    std::uint32_t kind_;
    ClockSource source_;
    ClockReading first_;
    ClockReading last_;
    std::vector<Piece> pieces_;
    std::int64_t owed_ns_{0};  ///< of the last anchor's error, what the next one will still find
    std::int64_t real_offset_ns_{0};
    std::uint64_t breaks_{0};
};

}  // namespace spanring::consumer
