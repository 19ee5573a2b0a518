// Processor time of the calling thread, and what a repetition reports. Pure functions.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <vector>

#include "spanring/base/clock.hpp"

namespace spanring::bench {

/// Bursts of one repetition; the repetition's figure is their median.
inline constexpr int kBursts = 7;

inline double thread_cpu_ns() {
    return static_cast<double>(spanring::thread_cpu_ns());
}

inline double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

/// What a repetition says: `ns_each`. Every iteration's time was set before.
inline void report(benchmark::State& state, const std::vector<double>& ns_each) {
    state.counters["ns_each"] = median(ns_each);
}

}  // namespace spanring::bench
