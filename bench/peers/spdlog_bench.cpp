// spdlog with its asynchronous logger into a file: a span is two lines. The queue holds a burst, so
// nothing is waited for and nothing is overwritten.
#include <benchmark/benchmark.h>
#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <stdlib.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "peer_bursts.hpp"

namespace spanring::bench {
namespace {

std::shared_ptr<spdlog::async_logger> g_log;
std::shared_ptr<spdlog::details::thread_pool> g_pool;

void drained() {
    while (g_pool->queue_size() > 0) nanosleep(&kPeerPause, nullptr);
}

void spdlog_floor_of_span(benchmark::State& state) {
    floor_of_span_of_peer(state);
}

void spdlog_span(benchmark::State& state) {
    std::uint32_t ordinal = 0;
    peer_bursts(
        state,
        [&ordinal](int) {
            ++ordinal;
            g_log->info("begin {}", 7);
            g_log->info("end {}", ordinal);
        },
        drained);
    if (g_pool->overrun_counter() != 0) state.SkipWithError("lines were lost");
}

void spdlog_event_44(benchmark::State& state) {
    peer_bursts(
        state, [](int i) { g_log->info("event {} {} {} {} {}", i, 1, 2, 3, 4); }, drained);
    if (g_pool->overrun_counter() != 0) state.SkipWithError("lines were lost");
}

BENCHMARK(spdlog_floor_of_span)->UseManualTime()->Iterations(kBursts);
BENCHMARK(spdlog_span)->UseManualTime()->Iterations(kBursts);
BENCHMARK(spdlog_event_44)->UseManualTime()->Iterations(kBursts);

int run(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    std::string file = "/var/tmp/spanring-bench-XXXXXX";
    const int descriptor = mkstemp(file.data());
    if (descriptor < 0) give_up("cannot make a file in /var/tmp");
    close(descriptor);
    const auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
    unlink(file.c_str());  // spdlog has it open; nothing is left behind, however this ends
    g_pool = std::make_shared<spdlog::details::thread_pool>(std::size_t{4} * kBurst, 1u);
    g_log = std::make_shared<spdlog::async_logger>("bench", sink, g_pool,
                                                   spdlog::async_overflow_policy::overrun_oldest);
    benchmark::RunSpecifiedBenchmarks();
    drained();
    g_log.reset();
    g_pool.reset();
    return 0;
}

}  // namespace
}  // namespace spanring::bench

int main(int argc, char** argv) {
    return spanring::bench::run(argc, argv);
}
