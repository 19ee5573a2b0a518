// A consumer and a producer that have nothing to do for each other.
#include <time.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "consumer_beside.hpp"
#include "scenarios.hpp"
#include "spanring/spanring.hpp"

namespace spanring::bench {
namespace {

using namespace std::chrono_literals;

/// Longer than the consumer looks for data before it sleeps, and than its catalogue lags.
constexpr auto kQuietBefore = 2s;
constexpr int kSpans = 1000;

}  // namespace

void idle(double seconds) {
    const OwnConsumer consumer = consumer_beside();
    for (int i = 0; i < kSpans; ++i) {
        SPANRING_SPAN("before");
    }
    if (!flush(30s)) give_up("nothing is recorded: " + status().reason);
    std::this_thread::sleep_for(kQuietBefore);
    const auto began = std::chrono::steady_clock::now();
    const auto before = must(consumer.usage());
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    const auto after = must(consumer.usage());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    const double share = static_cast<double>(after.cpu_ns - before.cpu_ns) / 1e9 / took.count();
    std::printf("{\"seconds\": %.3f, \"consumer_cpu\": %.6f, \"disk_bytes\": %llu}\n", took.count(),
                share, static_cast<unsigned long long>(after.disk_bytes - before.disk_bytes));
}

void bursts_after_silence(unsigned periods, unsigned silence_ms, unsigned spans) {
    SPANRING_SPAN("first");
    if (!flush(30s)) give_up("nothing is recorded: " + status().reason);
    const auto began = std::chrono::steady_clock::now();
    const auto emit = [=] {
        for (unsigned period = 1; period <= periods; ++period) {
            // Both at the same moment.
            std::this_thread::sleep_until(began + period * silence_ms * 1ms);
            for (unsigned i = 0; i < spans; ++i) {
                SPANRING_SPAN("work");
            }
        }
    };
    std::thread other(emit);
    emit();
    other.join();
    std::printf("{\"periods\": %u, \"emitted\": %llu, \"lost\": %llu}\n", periods,
                2ull * periods * spans, static_cast<unsigned long long>(losses().total()));
}

}  // namespace spanring::bench
