// As bursts.hpp, for a peer: nobody says when its consumer is through, so there is a pause after
// each burst.
#pragma once

#include <time.h>

#include "bursts.hpp"
#include "floor.hpp"

namespace spanring::bench {

inline constexpr timespec kPeerPause{0, 20'000'000};
/// Of ours in its default: what the peer's program measures beside it.
inline constexpr std::size_t kFloorBytes = std::size_t{4} << 20;

template <typename Work, typename Pause>
void peer_bursts(benchmark::State& state, Work work, Pause pause) {
    std::vector<double> ns_each;
    for (int i = 0; i < kBurst; ++i) work(i);
    for ([[maybe_unused]] auto _ : state) {
        pause();
        const double start = thread_cpu_ns();
        for (int i = 0; i < kBurst; ++i) work(i);
        const double ns = thread_cpu_ns() - start;
        state.SetIterationTime(ns / 1e9);
        ns_each.push_back(ns / kBurst);
    }
    report(state, ns_each);
}

inline void floor_of_span_of_peer(benchmark::State& state) {
    const std::uint32_t clock = shm::clock_kind();
    FloorBuffer buffer(kFloorBytes);
    peer_bursts(
        state, [&](int) { floor_span(buffer, clock); }, [] {});
}

}  // namespace spanring::bench
