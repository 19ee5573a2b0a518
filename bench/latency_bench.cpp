// How long single calls take when they come now and then: a call at a pace of 2 µs, 100 µs, 10 ms
// and 1 s, each beside an empty measurement at the same pace, in turns. A call is one tracepoint:
// the begin of a span, or its end; the span's two together stand beside it.
//
// Up to 100 µs the program spins between the calls; above, it sleeps and then spins for 50 µs, as
// an application that was woken up and does some work before. Threads: one.
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "consumer_beside.hpp"
#include "spanring/shm/clock.hpp"
#include "spanring/spanring.hpp"

namespace spanring::bench {
namespace {

using namespace spanring::literals;

struct Pace {
    const char* name;
    std::uint64_t ns;
    double seconds;  ///< how long it is measured; times --scale
};
// 1 s has few samples: 15 each of the empty measurement and of the call.
constexpr std::array kPaces{Pace{"2us", 2'000, 2}, Pace{"100us", 100'000, 4},
                            Pace{"10ms", 10'000'000, 6}, Pace{"1s", 1'000'000'000, 30}};
constexpr std::array kQuantiles{0.5, 0.9, 0.99, 0.999, 0.9999};
constexpr std::uint64_t kSleepFromNs = 1'000'000;
constexpr std::uint64_t kSpinAfterSleepNs = 50'000;
// More turns late than that, and the pace is not the one that the row says.
constexpr double kLateShareMax = 0.2;

struct Clock {
    std::uint32_t kind{shm::clock_kind()};
    double ns_per_tick{1};

    Clock() {
        if (kind != SPANRING_CLOCK_TSC) return;
        // 20 ms against a clock of 1 ns: an error of a millionth.
        const std::uint64_t ns = shm::monotonic_ns();
        const std::uint64_t from = shm::ticks_ordered(kind);
        while (shm::monotonic_ns() < ns + 20'000'000) {
        }
        const std::uint64_t took = shm::monotonic_ns() - ns;
        ns_per_tick =
            static_cast<double>(took) / static_cast<double>(shm::ticks_ordered(kind) - from);
    }
    [[nodiscard]] std::uint64_t now() const noexcept { return shm::ticks_ordered(kind); }
    [[nodiscard]] std::uint64_t ticks_of(std::uint64_t ns) const {
        return static_cast<std::uint64_t>(static_cast<double>(ns) / ns_per_tick);
    }
};

struct Samples {
    std::vector<std::uint32_t> empty;
    std::vector<std::uint32_t> call;
    std::vector<std::uint32_t> span;
    std::uint64_t late{0};
    std::uint64_t turns{0};
};

std::uint32_t clipped(std::uint64_t ticks) {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(ticks, UINT32_MAX));
}

/// Waits until `due`; false: it was past already.
bool wait_until(const Clock& clock, std::uint64_t due, const Pace& pace) {
    const std::uint64_t now = clock.now();
    if (now >= due) return false;
    if (pace.ns >= kSleepFromNs) {
        const double left_ns = static_cast<double>(due - now) * clock.ns_per_tick;
        const auto sleep_ns = static_cast<std::uint64_t>(
            std::max(0.0, left_ns - static_cast<double>(kSpinAfterSleepNs)));
        const timespec rest{static_cast<time_t>(sleep_ns / 1'000'000'000),
                            static_cast<long>(sleep_ns % 1'000'000'000)};
        nanosleep(&rest, nullptr);
    }
    while (clock.now() < due) {
    }
    return true;
}

Samples sample(const Clock& clock, const Pace& pace, double scale) {
    const std::uint64_t period = clock.ticks_of(pace.ns);
    const auto turns = std::max<std::uint64_t>(
        4, static_cast<std::uint64_t>(pace.seconds * scale * 1e9) / pace.ns);
    Samples samples;
    samples.turns = turns;
    samples.empty.reserve(turns);
    samples.call.reserve(turns);
    samples.span.reserve(turns);
    std::uint64_t due = clock.now() + period;
    for (std::uint64_t turn = 0; turn < turns; ++turn) {
        if (!wait_until(clock, due, pace)) {
            ++samples.late;
            due = clock.now();
        }
        due += period;
        const std::uint64_t start = clock.now();
        if (turn % 2 == 0) {
            samples.empty.push_back(clipped(clock.now() - start));
            continue;
        }
        std::optional<Span> span;
        span.emplace("call"_key);
        const std::uint64_t begun = clock.now();
        span.reset();
        const std::uint64_t ended = clock.now();
        samples.call.push_back(clipped(begun - start));
        samples.call.push_back(clipped(ended - begun));
        samples.span.push_back(clipped(ended - start));
    }
    return samples;
}

std::vector<double> quantiles_ns(std::vector<std::uint32_t>& ticks, const Clock& clock) {
    std::sort(ticks.begin(), ticks.end());
    std::vector<double> values;
    for (const double quantile : kQuantiles) {
        const auto rank =
            static_cast<std::size_t>(std::ceil(quantile * static_cast<double>(ticks.size())));
        values.push_back(ticks[std::max<std::size_t>(rank, 1) - 1] * clock.ns_per_tick);
    }
    return values;
}

void print(const char* name, std::vector<std::uint32_t>& ticks, const Clock& clock, bool json,
           const char* end) {
    const std::size_t count = ticks.size();
    const auto values = quantiles_ns(ticks, clock);
    if (json) {
        std::printf(
            "\"%s\": {\"count\": %zu, \"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, "
            "\"p99_9\": %.1f, \"p99_99\": %.1f}%s",
            name, count, values[0], values[1], values[2], values[3], values[4], end);
    } else {
        std::printf("  %-6s %8zu %9.1f %9.1f %9.1f %9.1f %9.1f\n", name, count, values[0],
                    values[1], values[2], values[3], values[4]);
    }
}

void measure_all(const Clock& clock, double scale, bool json) {
    if (json) std::printf("{\"unit\": \"ns\", \"paces\": [");
    for (std::size_t i = 0; i < kPaces.size(); ++i) {
        const Pace& pace = kPaces[i];
        Samples samples = sample(clock, pace, scale);
        const double late = static_cast<double>(samples.late) / static_cast<double>(samples.turns);
        if (late > kLateShareMax) {
            std::fprintf(stderr,
                         "at a pace of %s: %.0f %% of the turns came late: other programs "
                         "use this machine, the figures are not of that pace\n",
                         pace.name, late * 100);
        }
        if (json) {
            std::printf("%s\n  {\"pace\": \"%s\", \"late_share\": %.4f, ", i == 0 ? "" : ",",
                        pace.name, late);
        } else {
            std::printf("pace %s, ns%17s %9s %9s %9s %9s\n", pace.name, "p50", "p90", "p99",
                        "p99.9", "p99.99");
        }
        print("empty", samples.empty, clock, json, ", ");
        print("call", samples.call, clock, json, ", ");
        print("span", samples.span, clock, json, "}");
        std::fflush(stdout);
    }
    if (json) std::printf("\n]}\n");
}

int run(int argc, char** argv) {
    CLI::App app{"Latency of single tracepoints at several paces"};
    bool json = false;
    double scale = 1;
    app.add_flag("--json", json, "One JSON object on standard output");
    app.add_option("--scale", scale, "Measure this many times as long")
        ->check(CLI::Range(0.01, 100.0))
        ->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    const Clock clock;
    const OwnConsumer consumer = consumer_beside();
    for (int i = 0; i < 10'000; ++i) {
        Span span("call"_key);
    }
    const Status now = status();
    if (!now.recording) give_up("nothing is recorded: " + now.reason);
    measure_all(clock, scale, json);
    if (losses().total() != 0) {
        std::fprintf(stderr, "tracepoints were lost: these figures are worth nothing\n");
        return 1;
    }
    return 0;
}

}  // namespace
}  // namespace spanring::bench

int main(int argc, char** argv) {
    return spanring::bench::run(argc, argv);
}
