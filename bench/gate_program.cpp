// What the gate measures: work of a fixed size from a fixed seed, the same on every run. Under
// callgrind only what gate_measured calls is counted; bench/gate.py runs it and compares.
//
// Prints the pieces of work, and for the consumer the bytes of the database. Threads: one, besides
// the catalogue's, which callgrind counts apart.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "consumer_beside.hpp"
#include "offline_consumer.hpp"
#include "rings.hpp"
#include "spanring/codec/batch.hpp"
#include "spanring/shm/clock.hpp"
#include "spanring/spanring.hpp"
#include "spanring/store/database.hpp"
#include "workload.hpp"

/// By name the argument of callgrind's --toggle-collect.
extern "C" __attribute__((noinline)) void gate_measured(void (*work)(void*), void* argument) {
    work(argument);
    asm volatile("");  // no tail call: what it calls is to be seen as called by it
}

namespace spanring::bench {
namespace {

using namespace spanring::literals;

template <typename Work>
void measured(Work work) {
    gate_measured([](void* argument) { (*static_cast<Work*>(argument))(); }, &work);
}

struct Outcome {
    std::uint64_t units{0};
    std::uint64_t bytes{0};
};

// ----------------------------------------------------------------------------------- producer

// With attributes 560 KB: the ring of 1 MiB, empty at the start, neither fills nor grows.
constexpr int kCalls = 10'000;

/// In a real ring, with a real consumer in another process, which callgrind does not see.
template <typename Work>
Outcome producer(Work work) {
    const OwnConsumer consumer = consumer_beside();
    work(kCalls);
    if (!flush(std::chrono::seconds(60))) give_up("the consumer did not keep up");
    // Another turn, so that what was stored is released too. Then the consumer stands still: which
    // pages are free, and so what a page's turn costs, must not depend on how fast it runs.
    work(1);
    if (!flush(std::chrono::seconds(60))) give_up("the consumer did not keep up");
    must(consumer.hold());
    measured([&work] { work(kCalls); });
    consumer.resume();
    if (losses().total() != 0) give_up("tracepoints were lost");
    return {kCalls, 0};
}

Outcome span() {
    return producer([](int count) {
        for (int i = 0; i < count; ++i) {
            SPANRING_SPAN("work");
        }
    });
}

Outcome event() {
    return producer([](int count) {
        Span outer("outer"_key);
        for (int i = 0; i < count; ++i) SPANRING_EVENT("tick");
    });
}

Outcome span_with_attributes() {
    return producer([](int count) {
        for (int i = 0; i < count; ++i) {
            Span span("work"_key);
            span.set("amount"_key, i).set("route"_key, "GET /checkout");
        }
    });
}

// ----------------------------------------------------------------------------------- consumer

/// On the disk that TMPDIR is on, else /var/tmp, which is rarely memory.
tools::bench::OwnFolder make_folder() {
    const char* parent = std::getenv("TMPDIR");
    return must(tools::bench::OwnFolder::make(parent != nullptr ? parent : "/var/tmp"));
}

std::unique_ptr<store::Writer> open_store(const tools::bench::OwnFolder& folder) {
    store::WriterOptions options;
    options.now_ns = [] { return std::int64_t{1'700'000'000'000'000'000}; };
    return must(store::Writer::open(folder.path() + "/db", options));
}

/// A turn's batches as one frame, as the consumer commits them.
void commit(store::Writer& writer, OfflineConsumer& consumer, codec::Encoder& encoder) {
    store::Frame frame;
    store::FrameSummary summary;
    frame.snapshot = writer.wants_snapshot();
    auto batches = consumer.take();
    for (auto& batch : batches) {
        auto bytes = encoder.encode(*batch);
        if (!bytes) give_up(bytes.error().message);
        summary.spans += batch->rows.size();
        for (const auto& row : batch->rows) {
            if (summary.start_ns_min == 0 || row.start_ns < summary.start_ns_min) {
                summary.start_ns_min = row.start_ns;
            }
            summary.start_ns_max = std::max(summary.start_ns_max, row.start_ns);
        }
        frame.batches.push_back(std::move(*bytes));
        consumer.recycle(std::move(batch));
    }
    const auto committed = writer.commit(std::move(frame), summary);
    if (!committed) give_up(committed.error().message);
}

Outcome offline(const WorkloadOptions& options, std::uint64_t spans, bool compacted) {
    const auto folder = make_folder();
    const RecordedPages pages(options, spans);
    {
        const auto writer = open_store(folder);
        OfflineConsumer consumer(pages.strings());
        codec::Encoder encoder;
        measured([&] { pages.feed(consumer, [&] { commit(*writer, consumer, encoder); }); });
        must(writer->index_now());
    }
    if (compacted) {
        const auto report = must(store::compact(folder.path() + "/db", {}));
        if (report.windows == 0 || !report.problems.empty()) give_up("it was not compacted");
    }
    return {pages.spans(), tools::folder_bytes(folder.path() + "/db")};
}

/// With a consumer of its own until it is ended: for the test that nothing is left behind.
[[noreturn]] void idle() {
    const OwnConsumer consumer = consumer_beside();
    std::printf("%s\n", std::getenv("SPANRING_DIR"));
    std::fflush(stdout);
    for (;;) pause();
}

int run(int argc, char** argv) {
    CLI::App app{"Work of a fixed size for the gate on instructions and bytes (bench/gate.py)"};
    std::string scenario;
    std::uint64_t spans = 100'000;
    const std::map<std::string, Outcome (*)()> producers{
        {"span", span}, {"event", event}, {"span_with_attributes", span_with_attributes}};
    const std::map<std::string, WorkloadOptions> consumers{
        {"consumer_tight", {.mix = false}},
        {"consumer_mix", {.mix = true}},
        {"consumer_mix_with_attributes", {.mix = true, .integers = 1, .texts = 1}},
        {"consumer_mix_with_4_attributes", {.mix = true, .integers = 2, .texts = 2}}};
    std::vector<std::string> names{"clock", "idle"};
    for (const auto& each : producers) names.push_back(each.first);
    for (const auto& each : consumers) names.push_back(each.first);
    app.add_option("scenario", scenario, "What to do")->required()->check(CLI::IsMember(names));
    app.add_option("--spans", spans, "Of the consumer's workload")
        ->check(CLI::Range(1, 10'000'000))
        ->capture_default_str();
    bool compacted = false;
    app.add_flag("--compacted", compacted, "The database's bytes after compaction");
    CLI11_PARSE(app, argc, argv);
    if (scenario == "clock") {
        std::printf("%s\n", shm::clock_kind() == SPANRING_CLOCK_TSC ? "tsc" : "monotonic");
        return 0;
    }
    if (scenario == "idle") idle();
    const Outcome outcome = producers.count(scenario) != 0
                                ? producers.at(scenario)()
                                : offline(consumers.at(scenario), spans, compacted);
    std::printf("{\"units\": %llu, \"bytes\": %llu}\n",
                static_cast<unsigned long long>(outcome.units),
                static_cast<unsigned long long>(outcome.bytes));
    return 0;
}

}  // namespace
}  // namespace spanring::bench

int main(int argc, char** argv) {
    return spanring::bench::run(argc, argv);
}
