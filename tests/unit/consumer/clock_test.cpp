// Clocks: conversion that never falls, whatever counter and wall clock do.
#include "spanring/consumer/clock.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "spanring/abi/segment_layout.h"

namespace spanring::consumer {
namespace {

/// A host whose clocks a test moves.
struct Host {
    ClockReading now{1'000'000, 5'000'000'000, 1'700'000'000'000'000'000};
    double ticks_per_ns{3.0};

    void advance(std::int64_t ns) {
        now.mono_ns += ns;
        now.real_ns += ns;
        now.ticks += static_cast<std::uint64_t>(static_cast<double>(ns) * ticks_per_ns);
    }
    ClockSource source() {
        return [this] {
            advance(100);
            return now;
        };
    }
};

TEST(Clock, a_counter_becomes_nanoseconds) {
    Host host;
    TickClock clock(SPANRING_CLOCK_TSC, host.source(), 300);
    for (int i = 0; i < 5; ++i) {
        host.advance(1'000'000'000);
        clock.anchor();
    }
    host.advance(10'000'000);
    EXPECT_NEAR(static_cast<double>(clock.mono_at(host.now.ticks) - host.now.mono_ns), 0, 200);
    EXPECT_EQ(clock.real_offset_ns(), host.now.real_ns - host.now.mono_ns);
}

TEST(Clock, what_was_converted_stays_and_later_ticks_are_never_earlier) {
    Host host;
    TickClock clock(SPANRING_CLOCK_TSC, host.source(), 300);
    std::vector<std::pair<std::uint64_t, std::int64_t>> seen;
    for (int i = 0; i < 50; ++i) {
        host.ticks_per_ns = 3.0 + 0.0005 * ((i * 7) % 5 - 2);
        host.advance(1'000'000'000);
        seen.emplace_back(host.now.ticks, clock.mono_at(host.now.ticks));
        clock.anchor();
        for (const auto& [ticks, ns] : seen) EXPECT_EQ(clock.mono_at(ticks), ns);
    }
    for (std::size_t i = 1; i < seen.size(); ++i) EXPECT_GE(seen[i].second, seen[i - 1].second);
}

TEST(Clock, a_step_of_the_wall_clock_moves_realtime_only) {
    Host host;
    TickClock clock(SPANRING_CLOCK_TSC, host.source(), 300);
    host.advance(1'000'000'000);
    clock.anchor();
    const auto before = clock.real_offset_ns();
    const auto ticks = host.now.ticks;
    const auto mono = clock.mono_at(ticks);
    host.now.real_ns -= 3'600'000'000'000;
    clock.anchor();
    EXPECT_EQ(clock.real_offset_ns(), before - 3'600'000'000'000);
    EXPECT_EQ(clock.mono_at(ticks), mono);
    EXPECT_EQ(clock.breaks(), 0u);
}

TEST(Clock, a_counter_that_jumps_is_noticed_and_begins_an_epoch) {
    Host host;
    TickClock clock(SPANRING_CLOCK_TSC, host.source(), 300);
    host.advance(1'000'000'000);
    clock.anchor();
    const auto error = [&] {
        return static_cast<double>(clock.mono_at(host.now.ticks) - host.now.mono_ns);
    };
    // As of a virtual machine that was moved: nothing stays in the future.
    const ClockReading before = host.now;
    host.now.ticks += 3'000'000'000'000;
    host.advance(1'000'000'000);
    clock.anchor();
    EXPECT_EQ(clock.breaks(), 1u);
    EXPECT_NEAR(error(), 0, 1000);
    EXPECT_NEAR(static_cast<double>(clock.mono_at(before.ticks) - before.mono_ns), 0, 1000);
    host.advance(900'000'000);
    EXPECT_NEAR(error(), 0, 10'000) << "the jump is not in the rate";
    clock.anchor();
    EXPECT_EQ(clock.breaks(), 1u);
    host.now.ticks = 5;
    host.advance(1'000'000'000);
    clock.anchor();
    EXPECT_EQ(clock.breaks(), 2u);
    EXPECT_NEAR(error(), 0, 1000);
}

TEST(Clock, a_counter_of_another_rate_is_followed_after_two_anchors) {
    Host host;
    TickClock clock(SPANRING_CLOCK_TSC, host.source(), 300);
    host.advance(1'000'000'000);
    clock.anchor();
    host.ticks_per_ns = 2.0;
    for (int i = 0; i < 2; ++i) {
        host.advance(1'000'000'000);
        clock.anchor();
    }
    EXPECT_EQ(clock.breaks(), 2u);
    host.advance(1'000'000'000);
    EXPECT_NEAR(static_cast<double>(clock.mono_at(host.now.ticks) - host.now.mono_ns), 0, 10'000);
}

// Found by the simulation: 0.6 ms were bent away in a second, and the next anchor came after nine
// minutes.
TEST(Clock, a_line_that_was_bent_is_straight_again_where_no_anchor_follows) {
    Host host;
    TickClock clock(SPANRING_CLOCK_TSC, host.source(), 300);
    host.advance(1'000'000'000);
    clock.anchor();
    host.ticks_per_ns = 3.0 * (1 - 600e-6);
    host.advance(1'000'000'000);
    clock.anchor();
    ASSERT_EQ(clock.breaks(), 0u);
    host.ticks_per_ns = 3.0 * (1 - 300e-6);  // on average
    host.advance(528'000'000'000);
    EXPECT_NEAR(static_cast<double>(clock.mono_at(host.now.ticks) - host.now.mono_ns), 0,
                1'000'000);
}

TEST(Clock, what_drifted_in_a_long_sleep_is_no_break_and_bent_away_gently) {
    Host host;
    TickClock clock(SPANRING_CLOCK_TSC, host.source(), 300);
    host.advance(1'000'000'000);
    clock.anchor();
    host.ticks_per_ns = 3.0 * (1 + 50e-6);
    host.advance(3'600'000'000'000);
    clock.anchor();
    EXPECT_EQ(clock.breaks(), 0u);
    std::int64_t last = clock.mono_at(host.now.ticks);
    for (int i = 0; i < 30; ++i) {
        host.advance(1'000'000'000);
        const std::int64_t ns = clock.mono_at(host.now.ticks) - last;
        EXPECT_NEAR(static_cast<double>(ns), 1e9, 0.0101e9);
        last += ns;
        clock.anchor();
    }
    EXPECT_NEAR(static_cast<double>(clock.mono_at(host.now.ticks) - host.now.mono_ns), 0, 10'000);
}

// Wherever `near` says that it is right, it gives what the pieces give, to the nanosecond.
void expect_near_is_exact(const TickClock& clock, std::uint64_t base) {
    const TickClock::Near near = clock.near(base);
    const std::vector<std::uint64_t> distances{
        0, 1, 999, 123'456'789, near.end / 2, near.end - 1, near.end - 2};
    for (const std::uint64_t distance : distances) {
        if (distance >= near.end) continue;
        EXPECT_EQ(near.mono_at(static_cast<std::uint32_t>(distance)),
                  clock.mono_at(base + distance))
            << base << " + " << distance;
    }
}

TEST(Clock, near_a_tick_is_what_the_pieces_say) {
    Host host;
    TickClock clock(SPANRING_CLOCK_TSC, host.source(), 300);
    const std::uint64_t first = host.now.ticks;
    for (int i = 0; i < 20; ++i) {
        host.ticks_per_ns = 3.0 + 0.001 * (i % 3);
        host.advance(1'000'000'000);
        clock.anchor();
    }
    std::uint64_t exact = 0;
    for (std::uint64_t base = first; base < host.now.ticks + 6'000'000'000; base += 987'654'321) {
        expect_near_is_exact(clock, base);
        exact += clock.near(base).end != 0 ? 1 : 0;
        // Never beyond the piece: what follows is bent otherwise.
        EXPECT_LE(clock.near(base).end, clock.piece_at(base).ticks_end - base);
    }
    EXPECT_GT(exact, 50u);
    expect_near_is_exact(clock, ~std::uint64_t{0});
    EXPECT_EQ(clock.near(0).end, 0u) << "before the first piece";

    const TickClock monotonic(SPANRING_CLOCK_MONOTONIC, Host().source());
    EXPECT_EQ(monotonic.near(7'000'000'000).end, std::uint64_t{1} << 32);
    expect_near_is_exact(monotonic, 7'000'000'000);

    Host slow;
    slow.ticks_per_ns = 0.5;
    TickClock coarse(SPANRING_CLOCK_TSC, slow.source(), 300);
    EXPECT_EQ(coarse.near(slow.now.ticks).end, 0u) << "more than a nanosecond a tick";
}

TEST(Clock, the_next_consumer_goes_on_with_the_line_of_the_last) {
    Host host;
    host.ticks_per_ns = 2.9;
    TickClock last(SPANRING_CLOCK_TSC, host.source(), 300);
    for (int i = 0; i < 5; ++i) {
        host.advance(1'000'000'000);
        last.anchor();
    }
    const std::vector<std::int64_t> lengths{1'000'000, 900'000'000, 20'000'000'000,
                                            4'000'000'000'000};
    for (const std::int64_t away_ns : lengths) {
        const shm::ClockLine line = last.line();
        const std::uint64_t from = line.ticks;
        host.advance(away_ns);
        host.now.real_ns += 70;  // the jitter of a reading is no step
        const TickClock next(host.source(), line);
        // What both may be asked for: up to where the last one would have taken its next anchor.
        for (std::uint64_t ticks = from; ticks < from + 2'900'000'000; ticks += 12'345'678) {
            ASSERT_EQ(next.mono_at(ticks), last.mono_at(ticks)) << away_ns;
        }
        // Up to there the whole time's rate leads, rounded to 2^-32 ns a tick.
        EXPECT_NEAR(static_cast<double>(next.mono_at(from - 9999) - last.mono_at(from - 9999)), 0,
                    10);
        EXPECT_EQ(next.real_offset_ns(), last.real_offset_ns());
        EXPECT_NEAR(static_cast<double>(next.mono_at(host.now.ticks) - host.now.mono_ns), 0, 5000);
        EXPECT_EQ(next.line().first_ticks, line.first_ticks);
        std::int64_t before = 0;
        for (std::uint64_t ticks = from; ticks < host.now.ticks; ticks += away_ns / 100) {
            ASSERT_GE(next.mono_at(ticks), before);
            before = next.mono_at(ticks);
        }
    }
}

// A machine that slept: the first anchor behind it is far from the line, which is bent by as much.
TEST(Clock, what_a_ring_holds_from_long_before_the_line_is_not_bent_with_it) {
    Host host;
    TickClock last(SPANRING_CLOCK_TSC, host.source(), 300);
    host.ticks_per_ns = 3.0 * (1 + 5e-6);
    std::vector<ClockReading> seen;
    for (int i = 0; i < 500; ++i) {
        host.advance(1'000'000'000);
        seen.push_back(host.now);
    }
    last.anchor();
    const shm::ClockLine line = last.line();
    ASSERT_GT(std::llabs(line.mono_ns - host.now.mono_ns), 2'000'000);
    host.advance(5'000'000);
    const TickClock next(host.source(), line);
    ASSERT_EQ(next.mono_at(line.ticks), line.mono_ns);
    std::int64_t before = 0;
    for (const ClockReading& reading : seen) {
        const std::int64_t mono_ns = next.mono_at(reading.ticks);
        EXPECT_GT(mono_ns, before);
        before = mono_ns;
        // Ten seconds are left to meet the line.
        if (line.mono_ns - reading.mono_ns < 11'000'000'000) continue;
        EXPECT_NEAR(static_cast<double>(mono_ns - reading.mono_ns), 0, 50'000);
    }
    EXPECT_LT(next.mono_at(seen.front().ticks - 3'000'000'000), next.mono_at(seen.front().ticks));
}

// The line lies in memory that others may write.
TEST(Clock, a_line_of_an_absurd_beginning_never_falls) {
    Host host;
    host.now.ticks = std::uint64_t{1} << 62;
    host.advance(60'000'000'000);
    const shm::ClockLine good{.ticks = host.now.ticks - 3'000'000,
                              .mono_ns = host.now.mono_ns - 1'000'000,
                              .ns_per_tick = (std::uint64_t{1} << 32) / 3,
                              .first_ticks = host.now.ticks - 30'000'000,
                              .first_mono_ns = host.now.mono_ns - 10'000'000};
    for (const auto spoil : {+[](shm::ClockLine& l) { l.first_ticks = 0; },
                             +[](shm::ClockLine& l) { l.first_mono_ns = l.mono_ns; },
                             +[](shm::ClockLine& l) { l.first_ticks = l.ticks; },
                             +[](shm::ClockLine& l) {
                                 l.first_ticks = 0;
                                 l.first_mono_ns = l.mono_ns;
                             }}) {
        shm::ClockLine line = good;
        spoil(line);
        const TickClock clock(host.source(), line, 300);
        EXPECT_EQ(clock.mono_at(line.ticks), line.mono_ns);
        std::int64_t before = clock.mono_at(line.ticks - 40'000'000);
        for (std::uint64_t ago = 40'000'000; ago != 0; ago -= 10'000) {
            ASSERT_GE(clock.mono_at(line.ticks - ago), before) << ago;
            before = clock.mono_at(line.ticks - ago);
        }
        EXPECT_GE(line.mono_ns, before);
    }
}

TEST(Clock, a_line_of_another_counter_is_not_taken) {
    Host host;
    host.advance(60'000'000'000);
    const shm::ClockLine good{.ticks = host.now.ticks - 3'000'000,
                              .mono_ns = host.now.mono_ns - 1'000'000,
                              .ns_per_tick = (std::uint64_t{1} << 32) / 3,
                              .first_ticks = host.now.ticks - 30'000'000,
                              .first_mono_ns = host.now.mono_ns - 10'000'000};
    EXPECT_EQ(TickClock(host.source(), good).line().ticks, good.ticks);
    for (const auto spoil : {+[](shm::ClockLine& l) { l.ticks += 1'000'000'000; },
                             +[](shm::ClockLine& l) { l.ns_per_tick = 0; },
                             +[](shm::ClockLine& l) { l.ns_per_tick *= 50; },
                             +[](shm::ClockLine& l) { l.mono_ns -= 50'000'000; },
                             +[](shm::ClockLine& l) { l.first_mono_ns = INT64_MIN; },
                             +[](shm::ClockLine& l) { l.first_ticks = l.ticks + 1; }}) {
        shm::ClockLine line = good;
        spoil(line);
        const TickClock clock(host.source(), line, 300);
        EXPECT_NE(clock.line().ticks, line.ticks);
        EXPECT_NEAR(static_cast<double>(clock.mono_at(host.now.ticks) - host.now.mono_ns), 0, 500);
    }
}

TEST(Clock, monotonic_ticks_are_nanoseconds_exactly) {
    Host host;
    host.now.ticks = static_cast<std::uint64_t>(host.now.mono_ns);
    host.ticks_per_ns = 1;
    TickClock clock(SPANRING_CLOCK_MONOTONIC, host.source());
    EXPECT_EQ(clock.mono_at(123'456'789), 123'456'789);
    EXPECT_EQ(clock.mono_at(99'000'000'000'000), 99'000'000'000'000);
}

TEST(Clock, absurd_ticks_give_a_number) {
    Host host;
    TickClock clock(SPANRING_CLOCK_TSC, host.source(), 300);
    EXPECT_GT(clock.mono_at(~std::uint64_t{0}), clock.mono_at(0));
}

TEST(Clock, the_hosts_clocks_can_be_read) {
    for (const std::uint32_t kind : {SPANRING_CLOCK_TSC, SPANRING_CLOCK_MONOTONIC}) {
        const auto source = system_clock_source(kind);
        const auto a = source();
        const auto b = source();
        EXPECT_GE(b.mono_ns, a.mono_ns);
        EXPECT_GE(b.ticks, a.ticks);
    }
}

}  // namespace
}  // namespace spanring::consumer
