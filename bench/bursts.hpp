// Timing of tracepoints in bursts that fit into the ring. Between bursts the consumer empties it,
// untimed; while one runs it drains and commits as always. Times are of the thread's own CPU, so
// that other programs on the machine, the consumer included, are in none.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <vector>

#include "spanring/process.hpp"
#include "timing.hpp"

namespace spanring::bench {

/// 100,000 tracepoints of 48 bytes take 4.8 MB of the 13 MiB that a ring may grow to.
inline constexpr int kBurst = 100'000;
inline constexpr auto kDrainLimit = std::chrono::seconds(30);

/// Runs `burst(count)`, which returns its nanoseconds, once per iteration. `each` pieces of work
/// are counted for one. Nothing may be lost: a figure that contains losses is none.
template <typename Burst>
void measure(benchmark::State& state, int count, int each, Burst burst) {
    const std::uint64_t lost_before = losses().total();
    burst(count);  // the ring grows, the pages are touched, names are interned
    std::vector<double> ns_each;
    for ([[maybe_unused]] auto _ : state) {
        if (!flush(kDrainLimit)) {
            state.SkipWithError("the consumer did not keep up");
            return;
        }
        const double ns = burst(count);
        state.SetIterationTime(ns / 1e9);
        ns_each.push_back(ns / count / each);
    }
    if (losses().total() != lost_before) {
        state.SkipWithError("tracepoints were lost: the consumer did not keep up");
        return;
    }
    report(state, ns_each);
}

/// The same on this thread for `work(i)`, which is inlined: a call would be a part of short work's
/// time, and of the floors' there is none.
template <typename Work>
void bursts(benchmark::State& state, Work work, int count = kBurst, int each = 1) {
    measure(
        state, count, each, [&](int times) __attribute__((flatten)) {
            const double start = thread_cpu_ns();
            for (int i = 0; i < times; ++i) work(i);
            return thread_cpu_ns() - start;
        });
}

}  // namespace spanring::bench
