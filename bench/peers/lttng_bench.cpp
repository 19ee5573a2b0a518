// LTTng-UST: a span is two tracepoints with the fields of ours. bench/peers.py starts the session
// around this program, and counts what arrived: this program cannot know.
#include <benchmark/benchmark.h>

#include "lttng_provider.h"
#include "peer_bursts.hpp"

namespace spanring::bench {
namespace {

void rest() {
    nanosleep(&kPeerPause, nullptr);
}

void lttng_floor_of_span(benchmark::State& state) {
    floor_of_span_of_peer(state);
}

void lttng_span(benchmark::State& state) {
    std::uint32_t ordinal = 0;
    peer_bursts(
        state,
        [&ordinal](int) {
            ++ordinal;
            lttng_ust_tracepoint(spanring_bench, span_begin, 7);
            benchmark::ClobberMemory();
            lttng_ust_tracepoint(spanring_bench, span_end, ordinal);
        },
        rest);
}

void lttng_event_44(benchmark::State& state) {
    peer_bursts(
        state,
        [](int i) {
            const auto value = static_cast<std::uint64_t>(i);
            lttng_ust_tracepoint(spanring_bench, event_44, value, 1, 2, 3, 4);
        },
        rest);
}

BENCHMARK(lttng_floor_of_span)->UseManualTime()->Iterations(kBursts);
BENCHMARK(lttng_span)->UseManualTime()->Iterations(kBursts);
BENCHMARK(lttng_event_44)->UseManualTime()->Iterations(kBursts);

}  // namespace
}  // namespace spanring::bench

BENCHMARK_MAIN();
