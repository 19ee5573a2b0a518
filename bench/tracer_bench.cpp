// What a tracepoint costs the application, beside its floor: two timestamps and two stores.
//
// Each iteration is a burst that fits into the ring, timed on its own; between bursts the consumer
// empties the ring, untimed. So no figure contains a dropped tracepoint: `lost` must be 0.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "own_consumer.hpp"
#include "spanring/shm/clock.hpp"
#include "spanring/spanring.hpp"

namespace {

using namespace spanring::literals;
using Clock = std::chrono::steady_clock;

// 100,000 spans with two attributes take 4.8 MB: they fit into the 16 MiB that a ring may grow to.
constexpr int kBurst = 100'000;
constexpr auto kDrainLimit = std::chrono::seconds(30);

template <typename Work>
void bursts(benchmark::State& state, Work work) {
    for (int i = 0; i < kBurst; ++i) work(i);  // the ring grows, the pages are touched
    for ([[maybe_unused]] auto _ : state) {
        if (!spanring::flush(kDrainLimit)) {
            state.SkipWithError("the consumer did not keep up");
            return;
        }
        const auto start = Clock::now();
        for (int i = 0; i < kBurst; ++i) work(i);
        state.SetIterationTime(std::chrono::duration<double>(Clock::now() - start).count());
    }
    state.SetItemsProcessed(state.iterations() * kBurst);
    state.counters["ns_each"] =
        benchmark::Counter(static_cast<double>(state.iterations()) * kBurst / 1e9,
                           benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
    state.counters["lost"] = static_cast<double>(spanring::losses().total());
}

void floor_two_timestamps_two_stores(benchmark::State& state) {
    const std::uint32_t kind = spanring::shm::clock_kind();
    std::vector<std::uint64_t> memory(2 * kBurst);
    bursts(state, [&](int i) {
        const auto at = static_cast<std::size_t>(2 * i);
        memory[at] = spanring::shm::ticks(kind);
        benchmark::ClobberMemory();
        memory[at + 1] = spanring::shm::ticks(kind);
        benchmark::ClobberMemory();
    });
}

void span_begin_and_end(benchmark::State& state) {
    bursts(state, [](int) { SPANRING_SPAN("work"); });
}

void span_nested_in_a_span(benchmark::State& state) {
    spanring::Span outer("outer");
    bursts(state, [](int) { SPANRING_SPAN("work"); });
}

void span_with_two_integer_attributes(benchmark::State& state) {
    bursts(state, [](int i) {
        spanring::Span span("work"_key);
        span.set("a"_key, i).set("b"_key, i);
    });
}

void span_with_a_string_attribute(benchmark::State& state) {
    bursts(state, [](int) {
        spanring::Span span("work"_key);
        span.set("http.request.method"_key, "GET");
    });
}

void event_in_a_span(benchmark::State& state) {
    spanring::Span outer("outer");
    bursts(state, [](int) { SPANRING_EVENT("tick"); });
}

void span_switched_off_at_run_time(benchmark::State& state) {
    (void)spanring::switch_call_sites("switched off", false);
    bursts(state, [](int) { SPANRING_SPAN("switched off"); });
}

#define TRACER_BENCHMARK(function) BENCHMARK(function)->UseManualTime()->Iterations(30)
TRACER_BENCHMARK(floor_two_timestamps_two_stores);
TRACER_BENCHMARK(span_begin_and_end);
TRACER_BENCHMARK(span_nested_in_a_span);
TRACER_BENCHMARK(span_with_two_integer_attributes);
TRACER_BENCHMARK(span_with_a_string_attribute);
TRACER_BENCHMARK(event_in_a_span);
TRACER_BENCHMARK(span_switched_off_at_run_time);

}  // namespace

int main(int argc, char** argv) {
    spanring::bench::OwnConsumer consumer;
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    const spanring::Status status = spanring::status();
    if (!status.recording) {
        std::fprintf(stderr, "benchmark: nothing was recorded: %s\n", status.reason.c_str());
        return 1;
    }
    return 0;
}
