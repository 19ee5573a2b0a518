#include "spanring/consumer/clock.hpp"

#include <algorithm>
#include <cstdlib>

#include "spanring/abi/segment_layout.h"
#include "spanring/base/clock.hpp"

namespace spanring::consumer {
namespace {

__extension__ typedef unsigned __int128 Wide;

std::uint64_t rate_of(std::int64_t ns, std::uint64_t ticks) noexcept {
    if (ns <= 0 || ticks == 0) return std::uint64_t{1} << 32;
    const Wide rate = (static_cast<Wide>(ns) << 32) / ticks;
    // A rate beyond 2^20 ns a tick (below 1 kHz) is no clock that can time a tracepoint.
    return static_cast<std::uint64_t>(std::min<Wide>(rate, Wide{1} << 52));
}

/// 0 if the rate is.
std::uint64_t ticks_of(std::int64_t ns, std::uint64_t rate) noexcept {
    if (rate == 0) return 0;
    return static_cast<std::uint64_t>((static_cast<Wide>(ns) << 32) / rate);
}

/// From one point of the line straight to another, later one.
TickClock::Piece straight(std::uint64_t ticks, std::int64_t mono_ns, std::uint64_t to_ticks,
                          std::int64_t to_mono_ns) noexcept {
    return {.ticks = ticks,
            .mono_ns = mono_ns,
            .ns_per_tick = rate_of(to_mono_ns - mono_ns, to_ticks - ticks)};
}

}  // namespace

ClockSource system_clock_source(std::uint32_t clock_kind) {
    const bool is_counter = clock_kind == SPANRING_CLOCK_TSC;
    return [is_counter] {
        ClockReading r;
        r.mono_ns = clock_ns(CLOCK_MONOTONIC);
        r.ticks = is_counter ? cpu_counter() : static_cast<std::uint64_t>(r.mono_ns);
        r.real_ns = clock_ns(CLOCK_REALTIME);
        // The three reads are not one: the middle of the outer two belongs to the counter's.
        const std::int64_t again = clock_ns(CLOCK_MONOTONIC);
        const std::int64_t lag = again - r.mono_ns;
        r.real_ns -= lag / 2;
        return r;
    };
}

TickClock::TickClock(std::uint32_t clock_kind, ClockSource source, std::int64_t calibration_ns)
    : kind_(clock_kind), source_(std::move(source)) {
    calibrate(calibration_ns);
}

TickClock::TickClock(ClockSource source, const shm::ClockLine& line, std::int64_t calibration_ns)
    : kind_(SPANRING_CLOCK_TSC), source_(std::move(source)) {
    if (!go_on(line)) calibrate(calibration_ns);
}

void TickClock::calibrate(std::int64_t calibration_ns) {
    first_ = best_reading();
    last_ = first_;
    Piece piece{.ticks = first_.ticks, .mono_ns = first_.mono_ns};
    if (kind_ == SPANRING_CLOCK_TSC) {
        while (last_.mono_ns - first_.mono_ns < calibration_ns) {
            sleep_ns(1'000'000);
            last_ = best_reading();
        }
        piece.ns_per_tick = rate_of(last_.mono_ns - first_.mono_ns, last_.ticks - first_.ticks);
    }
    real_offset_ns_ = last_.real_ns - last_.mono_ns;
    pieces_.assign(1, piece);
}

bool TickClock::go_on(const shm::ClockLine& line) {
    const ClockReading now = best_reading();
    if (line.ns_per_tick == 0 || now.ticks <= line.ticks || line.ticks < line.first_ticks ||
        line.first_mono_ns < 0 || line.mono_ns < line.first_mono_ns) {
        return false;
    }
    const Piece piece{
        .ticks = line.ticks, .mono_ns = line.mono_ns, .ns_per_tick = line.ns_per_tick};
    const std::int64_t elapsed = now.mono_ns - line.mono_ns;
    const std::int64_t error = now.mono_ns - piece.mono_at(now.ticks);
    // A line that is bent to the next anchor goes astray by 100 ppm and more, if that never comes.
    if (elapsed <= 0 || std::llabs(error) >= kBreakNs + elapsed / 1000) return false;
    first_ = {.ticks = line.first_ticks, .mono_ns = line.first_mono_ns};
    last_ = now;
    begin_before(piece);
    const std::int64_t offset = now.real_ns - now.mono_ns;
    real_offset_ns_ =
        std::llabs(offset - line.real_offset_ns) < kStepNs ? line.real_offset_ns : offset;
    // Behind the next anchor, which the last one may have missed: straight to where the clocks are.
    const std::uint64_t rate = rate_of(now.mono_ns - first_.mono_ns, now.ticks - first_.ticks);
    const std::uint64_t at = line.ticks + ticks_of(kAnchorIntervalNs, line.ns_per_tick);
    const std::int64_t at_ns = piece.mono_at(at);
    const bool missed = at < now.ticks && at_ns < now.mono_ns;
    if (missed) append(straight(at, at_ns, now.ticks, now.mono_ns));
    append({.ticks = missed ? now.ticks : at,
            .mono_ns = missed ? now.mono_ns : at_ns,
            .ns_per_tick = rate});
    return true;
}

void TickClock::begin_before(const Piece& piece) {
    // A piece is bent towards the clock for a second. What rings hold from long before goes by the
    // rate of the whole time, which joins the line in its last ten seconds.
    const std::uint64_t join = ticks_of(10 * kAnchorIntervalNs, piece.ns_per_tick);
    const std::uint64_t at = std::max(first_.ticks, piece.ticks - std::min(piece.ticks, join));
    const Piece before = straight(first_.ticks, first_.mono_ns, last_.ticks, last_.mono_ns);
    const std::int64_t at_ns = before.mono_at(at);
    const bool joins = at < piece.ticks ? at_ns < piece.mono_ns : at_ns <= piece.mono_ns;
    pieces_.assign(1, joins ? before : piece);
    if (!joins) return;
    if (at < piece.ticks) append(straight(at, at_ns, piece.ticks, piece.mono_ns));
    append(piece);
}

shm::ClockLine TickClock::line() const noexcept {
    const Piece& piece = piece_at(last_.ticks);
    return {.ticks = piece.ticks,
            .mono_ns = piece.mono_ns,
            .ns_per_tick = piece.ns_per_tick,
            .first_ticks = first_.ticks,
            .first_mono_ns = first_.mono_ns,
            .real_offset_ns = real_offset_ns_};
}

ClockReading TickClock::best_reading() const {
    // An interrupt between the clocks shows as a realtime offset that two reads do not share.
    ClockReading a = source_();
    for (int tries = 0; tries < 3; ++tries) {
        const ClockReading b = source_();
        const std::int64_t jitter = (b.real_ns - b.mono_ns) - (a.real_ns - a.mono_ns);
        if (std::llabs(jitter) < 500) return b;
        a = b;
    }
    return a;
}

const TickClock::Piece& TickClock::piece_at(std::uint64_t ticks) const noexcept {
    for (auto p = pieces_.rbegin(); p != pieces_.rend(); ++p) {
        if (ticks >= p->ticks) return *p;
    }
    return pieces_.front();
}

TickClock::Near TickClock::near(std::uint64_t ticks) const noexcept {
    constexpr std::uint64_t kDistances = std::uint64_t{1} << 32;
    constexpr Wide kFar = Wide{1} << 60;  // Piece::ns_of has a limit beyond
    const Piece& piece = piece_at(ticks);
    if (!piece.holds(ticks) || piece.ns_per_tick > std::uint64_t{1} << 32) return {};
    const Wide wide = static_cast<Wide>(ticks - piece.ticks) * piece.ns_per_tick;
    if (wide >> 32 >= kFar) return {};
    return {.mono_ns = piece.mono_ns + static_cast<std::int64_t>(wide >> 32),
            .fraction = static_cast<std::uint32_t>(wide),
            .ns_per_tick = piece.ns_per_tick,
            .end = std::min(kDistances, piece.ticks_end - ticks)};
}

void TickClock::anchor() {
    const ClockReading now = best_reading();
    const std::int64_t offset = now.real_ns - now.mono_ns;
    if (std::llabs(offset - real_offset_ns_) >= kStepNs) real_offset_ns_ = offset;
    if (kind_ != SPANRING_CLOCK_TSC) {
        last_ = now;
        return;
    }
    if (now.ticks <= last_.ticks || now.mono_ns <= last_.mono_ns) {
        // The counter went back: another counter from here on, with the rate known so far.
        if (now.ticks < last_.ticks) {
            ++breaks_;
            const std::uint64_t rate = pieces_.back().ns_per_tick;
            pieces_.clear();
            pieces_.push_back({.ticks = now.ticks, .mono_ns = now.mono_ns, .ns_per_tick = rate});
            first_ = last_ = now;
        }
        return;
    }
    // What was to follow without this anchor.
    while (pieces_.size() > 1 && pieces_.back().ticks > now.ticks) pieces_.pop_back();
    const std::int64_t predicted = pieces_.back().mono_at(now.ticks);
    const std::int64_t error = now.mono_ns - predicted;
    const std::int64_t elapsed = now.mono_ns - last_.mono_ns;
    if (std::llabs(error - owed_ns_) >= kBreakNs + elapsed / 10'000) return break_at(now);
    // The long-term rate, bent so that the present error, or 10 ms of it, is gone at the next
    // anchor. Straight on from there, or a machine that sleeps before it comes would go astray by
    // as much each second.
    const std::uint64_t rate = rate_of(now.mono_ns - first_.mono_ns, now.ticks - first_.ticks);
    const std::int64_t paid_ns = std::clamp(error, -kBreakNs, kBreakNs);
    owed_ns_ = error - paid_ns;
    const double bend = static_cast<double>(paid_ns) / static_cast<double>(kAnchorIntervalNs);
    const Piece bent{
        .ticks = now.ticks,
        .mono_ns = predicted,
        .ns_per_tick = static_cast<std::uint64_t>(static_cast<double>(rate) * (1.0 + bend))};
    append(bent);
    const std::uint64_t at = now.ticks + ticks_of(kAnchorIntervalNs, bent.ns_per_tick);
    append({.ticks = at, .mono_ns = bent.mono_at(at), .ns_per_tick = rate});
    last_ = now;
}

// The rate that is known goes on, unless it was what broke: then the last interval tells.
void TickClock::break_at(const ClockReading& now) {
    ++breaks_;
    const bool again = last_.ticks == first_.ticks;
    const Piece known = again ? straight(last_.ticks, last_.mono_ns, now.ticks, now.mono_ns)
                              : straight(first_.ticks, first_.mono_ns, last_.ticks, last_.mono_ns);
    append({.ticks = now.ticks, .mono_ns = now.mono_ns, .ns_per_tick = known.ns_per_tick});
    first_ = last_ = now;
    owed_ns_ = 0;
}

void TickClock::append(const Piece& piece) {
    pieces_.back().ticks_end = piece.ticks;
    if (pieces_.size() == kPiecesMax) pieces_.erase(pieces_.begin());
    pieces_.push_back(piece);
}

}  // namespace spanring::consumer
