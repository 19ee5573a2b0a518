// The end of a span's way: LZ4 over a batch's columns as the codec does it, what the catalogue
// wants to know of a batch, and the append of a frame to the database. `ns_each` is one span, of
// the mix if nothing else is said. Threads: one.
#include <benchmark/benchmark.h>
#include <lz4.h>

#include <string>
#include <vector>

#include "consumer_beside.hpp"
#include "offline_consumer.hpp"
#include "spanring/codec/batch.hpp"
#include "spanring/store/database.hpp"
#include "spanring/store/frame.hpp"
#include "timing.hpp"
#include "workload.hpp"

namespace spanring::bench {
namespace {

constexpr std::size_t kSpans = 100'000;

/// The batches of the mix, encoded.
struct Encoded {
    std::vector<std::vector<std::byte>> batches;
    std::uint64_t spans{0};

    Encoded() {
        const RecordedPages pages({.mix = true}, kSpans);
        OfflineConsumer consumer(pages.strings());
        pages.feed(consumer);
        for (const auto& batch : consumer.take()) {
            batches.push_back(codec::encode(*batch).value());
            spans += batch->rows.size();
        }
    }
};

/// Start, duration and number of each span as eight bytes: the kind of data that columns are.
std::vector<std::int64_t> plain_columns() {
    const RecordedPages pages({.mix = true}, kSpans);
    OfflineConsumer consumer(pages.strings());
    pages.feed(consumer);
    std::vector<std::int64_t> values;
    for (const auto& batch : consumer.take()) {
        for (const auto& row : batch->rows) values.push_back(row.duration_ns);
        for (const auto& row : batch->rows) values.push_back(static_cast<std::int64_t>(row.span));
    }
    return values;
}

void lz4(benchmark::State& state) {
    const auto values = plain_columns();
    const int bytes = static_cast<int>(values.size() * sizeof values[0]);
    std::vector<char> out(static_cast<std::size_t>(LZ4_compressBound(bytes)));
    std::vector<double> ns_each;
    for ([[maybe_unused]] auto _ : state) {
        const double start = thread_cpu_ns();
        const int packed = LZ4_compress_default(reinterpret_cast<const char*>(values.data()),
                                                out.data(), bytes, static_cast<int>(out.size()));
        const double ns = thread_cpu_ns() - start;
        if (packed <= 0) state.SkipWithError("LZ4 refused");
        state.SetIterationTime(ns / 1e9);
        ns_each.push_back(ns / bytes);
    }
    // Of a byte, not of a span.
    state.counters["ns_each_byte"] = median(ns_each);
}

/// One batch of up to 8,192 spans a frame, onto the disk that /var/tmp is on.
void append(benchmark::State& state) {
    const Encoded encoded;
    const auto folder = must(tools::bench::OwnFolder::make("/var/tmp"));
    std::vector<double> ns_each;
    {
        auto writer = store::Writer::open(folder.path() + "/db", {});
        for ([[maybe_unused]] auto _ : state) {
            if (!writer) {
                state.SkipWithError(writer.error().message.c_str());
                break;
            }
            double ns = 0;
            for (const auto& batch : encoded.batches) {
                store::Frame frame;
                frame.snapshot = (*writer)->wants_snapshot();
                frame.batches.push_back(batch);
                const double start = thread_cpu_ns();
                const auto committed = (*writer)->commit(
                    std::move(frame), {encoded.spans / encoded.batches.size(), 1, 2});
                ns += thread_cpu_ns() - start;
                if (!committed) state.SkipWithError(committed.error().message.c_str());
            }
            state.SetIterationTime(ns / 1e9);
            ns_each.push_back(ns / static_cast<double>(encoded.spans));
        }
    }
    if (!ns_each.empty()) report(state, ns_each);
}

/// The walk over a batch's rows for the catalogue.
void facts(benchmark::State& state, const WorkloadOptions& options) {
    const RecordedPages pages(options, kSpans);
    OfflineConsumer consumer(pages.strings());
    pages.feed(consumer);
    const auto batches = consumer.take();
    std::uint64_t spans = 0;
    for (const auto& batch : batches) spans += batch->rows.size();
    std::vector<double> ns_each;
    for ([[maybe_unused]] auto _ : state) {
        double ns = 0;
        for (const auto& batch : batches) {
            // The rows are near: the consumer has just encoded them.
            benchmark::DoNotOptimize(store::facts_of(*batch));
            const double start = thread_cpu_ns();
            benchmark::DoNotOptimize(store::facts_of(*batch));
            ns += thread_cpu_ns() - start;
        }
        state.SetIterationTime(ns / 1e9);
        ns_each.push_back(ns / static_cast<double>(spans));
    }
    report(state, ns_each);
}

BENCHMARK(lz4)->UseManualTime()->Iterations(kBursts);
BENCHMARK_CAPTURE(facts, tight, {.mix = false})->UseManualTime()->Iterations(kBursts);
BENCHMARK_CAPTURE(facts, mix, {.mix = true})->UseManualTime()->Iterations(kBursts);
BENCHMARK_CAPTURE(facts, mix_with_attributes, {.mix = true, .integers = 1, .texts = 1})
    ->UseManualTime()
    ->Iterations(kBursts);
BENCHMARK(append)->UseManualTime()->Iterations(kBursts);

}  // namespace
}  // namespace spanring::bench

BENCHMARK_MAIN();
