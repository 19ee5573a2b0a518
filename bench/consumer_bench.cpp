// The consumer's parts, one thread, on generated pages: assemble, encode, decode. The figures are
// nanoseconds per span; bytes per span stand beside them.
#include <benchmark/benchmark.h>

#include <vector>

#include "offline_consumer.hpp"
#include "workload.hpp"

namespace spanring::bench {
namespace {

constexpr std::size_t kSpans = 200'000;

WorkloadOptions options_of(const benchmark::State& state) {
    const auto attributes = static_cast<std::uint32_t>(state.range(1));
    return {.mix = state.range(0) != 0, .integers = attributes / 2, .texts = attributes / 2};
}

void count(benchmark::State& state, std::uint64_t spans) {
    state.SetItemsProcessed(static_cast<std::int64_t>(spans));
    state.counters["ns_each"] =
        benchmark::Counter(static_cast<double>(spans) / 1e9,
                           benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void assemble(benchmark::State& state) {
    const RecordedPages pages(options_of(state), kSpans);
    std::uint64_t spans = 0;
    for ([[maybe_unused]] auto _ : state) {
        OfflineConsumer consumer(pages.strings());
        pages.feed_and_forget(consumer);
        spans += pages.spans();
    }
    count(state, spans);
}

void encode(benchmark::State& state) {
    const RecordedPages pages(options_of(state), kSpans);
    OfflineConsumer consumer(pages.strings());
    pages.feed(consumer);
    const auto batches = consumer.take();
    codec::Encoder encoder;
    std::uint64_t spans = 0;
    std::uint64_t bytes = 0;
    for ([[maybe_unused]] auto _ : state) {
        for (const auto& batch : batches) {
            auto encoded = encoder.encode(*batch);
            spans += batch->rows.size();
            bytes += encoded.value().size();
        }
    }
    count(state, spans);
    state.counters["bytes_each"] = static_cast<double>(bytes) / static_cast<double>(spans);
}

void decode(benchmark::State& state) {
    const RecordedPages pages(options_of(state), kSpans);
    OfflineConsumer consumer(pages.strings());
    pages.feed(consumer);
    std::vector<std::vector<std::byte>> encoded;
    for (const auto& batch : consumer.take()) encoded.push_back(codec::encode(*batch).value());
    std::uint64_t spans = 0;
    for ([[maybe_unused]] auto _ : state) {
        for (const auto& bytes : encoded) spans += codec::decode(bytes).value().rows.size();
    }
    count(state, spans);
}

#define CONSUMER_BENCHMARK(function) \
    BENCHMARK(function)->ArgNames({"mix", "attributes"})->Args({0, 0})->Args({1, 0})->Args({1, 2})
CONSUMER_BENCHMARK(assemble);
CONSUMER_BENCHMARK(encode);
CONSUMER_BENCHMARK(decode);

}  // namespace
}  // namespace spanring::bench

BENCHMARK_MAIN();
