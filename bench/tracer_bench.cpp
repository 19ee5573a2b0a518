// What a tracepoint costs the application, beside its floor, while a consumer drains and commits.
// Every row is repeated, the repetitions of all rows in random order, so that what disturbs the
// machine for a while meets all of them. `ns_each` is one piece of work of the row.
#include <benchmark/benchmark.h>
#include <sched.h>
#include <sys/stat.h>

#include <atomic>
#include <barrier>
#include <cstring>
#include <thread>

#include "bursts.hpp"
#include "consumer_beside.hpp"
#include "floor.hpp"
#include "spanring/spanring.hpp"

namespace spanring::bench {
namespace {

using namespace spanring::literals;

const OwnConsumer* g_consumer = nullptr;
constexpr const char* kText = "GET /checkout";  // 13 characters
static_assert(std::char_traits<char>::length("GET /checkout") == 13);

// ------------------------------------------------------------------------------------- floors

/// Bytes that this process's ring has at the moment, as declared and touched.
std::size_t ring_bytes() {
    const Status now = status();
    struct stat file {};
    if (stat((now.directory + "/" + now.segment).c_str(), &file) != 0) give_up("no ring");
    return static_cast<std::size_t>(file.st_blocks) * 512 / 8192 * 8192;
}

void floor_timestamp(benchmark::State& state) {
    const std::uint32_t clock = shm::clock_kind();
    bursts(state, [clock](int) { benchmark::DoNotOptimize(shm::ticks(clock)); });
}

void floor_of_span(benchmark::State& state) {
    const std::uint32_t clock = shm::clock_kind();
    FloorBuffer buffer(ring_bytes());
    bursts(state, [&](int) { floor_span(buffer, clock); });
}

void floor_of_event(benchmark::State& state) {
    const std::uint32_t clock = shm::clock_kind();
    FloorBuffer buffer(ring_bytes());
    bursts(state, [&](int) { floor_event<1>(buffer, clock, 0); });
}

void floor_of_event_with_40_bytes(benchmark::State& state) {
    const std::uint32_t clock = shm::clock_kind();
    FloorBuffer buffer(ring_bytes());
    bursts(state, [&](int i) { floor_event<6>(buffer, clock, static_cast<std::uint64_t>(i)); });
}

void floor_empty_loop(benchmark::State& state) {
    bursts(state, [](int) { benchmark::ClobberMemory(); });
}

void run_on(int core) {
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(core, &only);
    sched_setaffinity(0, sizeof only, &only);
}

constexpr std::uint32_t kRounds = 100;
constexpr std::uint32_t kBatchesMax = 50;
constexpr std::size_t kBatchesMin = 5;
constexpr auto kHandOverLimit = std::chrono::milliseconds(300);
constexpr std::uint32_t kEnough = UINT32_MAX;

/// Returns the nanoseconds of one way, of as many short batches as fit into the limit. Most run
/// undisturbed; in the others one side was spinning while the other one was not on its core.
std::vector<double> hand_over(int here, int there) {
    alignas(128) std::atomic<std::uint32_t> word{0};
    std::thread other([&word, there] {
        run_on(there);
        for (std::uint32_t i = 1;; i += 2) {
            std::uint32_t seen = 0;
            // acquire: pairs with the other side's release, before which it has seen ours.
            while ((seen = word.load(std::memory_order_acquire)) != i) {
                if (seen == kEnough) return;
            }
            // release: pairs with the other side's acquire.
            word.store(i + 1, std::memory_order_release);
        }
    });
    run_on(here);
    std::vector<double> ns_each;
    const auto begin = std::chrono::steady_clock::now();
    auto end = begin;
    for (std::uint32_t next = 0; ns_each.size() < kBatchesMax && end < begin + kHandOverLimit;) {
        const auto start = std::chrono::steady_clock::now();
        for (std::uint32_t i = 0; i < kRounds; ++i, next += 2) {
            // release: pairs with the other side's acquire.
            word.store(next + 1, std::memory_order_release);
            // acquire: pairs with the other side's release.
            while (word.load(std::memory_order_acquire) != next + 2) {
            }
        }
        end = std::chrono::steady_clock::now();
        ns_each.push_back(std::chrono::duration<double, std::nano>(end - start).count() /
                          (2 * kRounds));
    }
    word.store(kEnough, std::memory_order_release);  // release: as above.
    other.join();
    return ns_each;
}

void floor_core_to_core(benchmark::State& state) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof allowed, &allowed);
    std::vector<int> cores;
    for (int core = 0; core < CPU_SETSIZE; ++core) {
        if (CPU_ISSET(core, &allowed)) cores.push_back(core);
    }
    if (cores.size() < 2) {
        state.SkipWithError("this program may use one core only");
        return;
    }
    std::vector<double> ns_each;
    for ([[maybe_unused]] auto _ : state) {
        for (const double ns : hand_over(cores[0], cores[1])) ns_each.push_back(ns);
        state.SetIterationTime(ns_each.back() / 1e9);
    }
    sched_setaffinity(0, sizeof allowed, &allowed);
    if (ns_each.size() < kBatchesMin) {
        state.SkipWithError("other programs held one of the cores");
        return;
    }
    report(state, ns_each);
}

// --------------------------------------------------------------------------------------- ours

inline void write_spans(int count) {
    for (int i = 0; i < count; ++i) {
        SPANRING_SPAN("work");
    }
}

void disabled_call_site(benchmark::State& state) {
    (void)switch_call_sites("switched off", false);
    bursts(state, [](int) {
        SPANRING_SPAN("switched off");
        benchmark::ClobberMemory();
    });
}

/// A span may hold 1 MiB of details, so there is a new one for every thousand events.
template <typename Work>
void event_bursts(benchmark::State& state, Work work) {
    constexpr int kEventsOfSpan = 1000;
    bursts(
        state,
        [&work](int) {
            Span outer("outer"_key);
            for (int i = 0; i < kEventsOfSpan; ++i) work(i);
        },
        kBurst / kEventsOfSpan, kEventsOfSpan);
}

void event(benchmark::State& state) {
    event_bursts(state, [](int) { SPANRING_EVENT("tick"); });
}

void event_with_40_bytes(benchmark::State& state) {
    event_bursts(state, [](int i) { SPANRING_EVENT("tick", "amount"_key, i, "route"_key, kText); });
}

void span(benchmark::State& state) {
    bursts(state, [](int) { SPANRING_SPAN("work"); });
}

void span_nested(benchmark::State& state) {
    bursts(
        state,
        [](int) {
            SPANRING_SPAN("outer");
            SPANRING_SPAN("middle");
            SPANRING_SPAN("inner");
        },
        kBurst / 3, 3);
}

void span_with_integer(benchmark::State& state) {
    bursts(state, [](int i) {
        Span span("work"_key);
        span.set("amount"_key, i);
    });
}

void span_with_text(benchmark::State& state) {
    bursts(state, [](int) {
        Span span("work"_key);
        span.set("route"_key, kText);
    });
}

void span_with_integer_and_text(benchmark::State& state) {
    bursts(state, [](int i) {
        Span span("work"_key);
        span.set("amount"_key, i).set("route"_key, kText);
    });
}

void span_with_remote_parent(benchmark::State& state) {
    const Context remote =
        Context::from_headers("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    bursts(
        state,
        [&remote](int) {
            const Scope scope = remote.attach();
            SPANRING_SPAN("work");
        },
        kBurst / 2);  // the record of a foreign context has 40 bytes
}

void span_async(benchmark::State& state) {
    bursts(state, [](int) { AsyncSpan span("work"_key); });
}

void span_with_100000_open(benchmark::State& state) {
    std::vector<AsyncSpan> open;
    open.reserve(100'000);
    for (int i = 0; i < 100'000; ++i) open.emplace_back("open"_key);
    bursts(state, [](int) { SPANRING_SPAN("work"); });
}

/// The consumer stands still, so after some time every call is dropped, and is counted.
void span_dropped(benchmark::State& state) {
    if (!flush(kDrainLimit)) {
        state.SkipWithError("the consumer did not keep up");
        return;
    }
    must(g_consumer->hold());
    const auto dropped = [] {
        return losses().spans[static_cast<unsigned>(LossReason::kRingFull)];
    };
    // A ring of 13 MiB holds 850,000 spans; the thread's last page takes some more.
    const std::uint64_t none = dropped();
    for (int i = 0; i < 100 && dropped() < none + kBurst; ++i) {
        write_spans(kBurst);
    }
    std::vector<double> ns_each;
    const char* wrong = nullptr;
    for ([[maybe_unused]] auto _ : state) {
        const std::uint64_t before = dropped();
        const double start = thread_cpu_ns();
        write_spans(kBurst);
        const double ns = thread_cpu_ns() - start;
        if (dropped() != before + kBurst) wrong = "not every call was dropped and counted";
        state.SetIterationTime(ns / 1e9);
        ns_each.push_back(ns / kBurst);
    }
    g_consumer->resume();
    if (!flush(kDrainLimit)) wrong = "the consumer did not come back";
    if (wrong != nullptr) {
        state.SkipWithError(wrong);
        return;
    }
    report(state, ns_each);
}

/// As `span`, on several threads at once; the mean of their CPU times.
void span_on_threads(benchmark::State& state) {
    const int threads = static_cast<int>(state.range(0));
    std::barrier<> gate(threads + 1);
    std::atomic<int> count{0};
    std::vector<double> took(static_cast<std::size_t>(threads));
    std::vector<std::thread> workers;
    for (double& ns : took) {
        workers.emplace_back([&gate, &count, &ns] {
            while (true) {
                gate.arrive_and_wait();
                // relaxed: the barrier orders it.
                const int times = count.load(std::memory_order_relaxed);
                if (times == 0) return;
                const double start = thread_cpu_ns();
                write_spans(times);
                ns = thread_cpu_ns() - start;
                gate.arrive_and_wait();
            }
        });
    }
    measure(state, kBurst / threads, 1, [&](int times) {
        count.store(times, std::memory_order_relaxed);  // relaxed: the barrier orders it
        gate.arrive_and_wait();
        gate.arrive_and_wait();
        double sum = 0;
        for (const double ns : took) sum += ns;
        return sum / threads;
    });
    count.store(0, std::memory_order_relaxed);  // relaxed: the barrier orders it
    gate.arrive_and_wait();
    for (std::thread& worker : workers) worker.join();
}

#define TRACER_BENCHMARK(function) BENCHMARK(function)->UseManualTime()->Iterations(kBursts)
TRACER_BENCHMARK(floor_timestamp);
TRACER_BENCHMARK(floor_of_span);
TRACER_BENCHMARK(floor_of_event);
TRACER_BENCHMARK(floor_of_event_with_40_bytes);
TRACER_BENCHMARK(floor_empty_loop);
BENCHMARK(floor_core_to_core)->UseManualTime()->Iterations(1);
TRACER_BENCHMARK(disabled_call_site);
TRACER_BENCHMARK(event);
TRACER_BENCHMARK(event_with_40_bytes);
TRACER_BENCHMARK(span);
TRACER_BENCHMARK(span_nested);
TRACER_BENCHMARK(span_with_integer);
TRACER_BENCHMARK(span_with_text);
TRACER_BENCHMARK(span_with_integer_and_text);
TRACER_BENCHMARK(span_with_remote_parent);
TRACER_BENCHMARK(span_async);
TRACER_BENCHMARK(span_with_100000_open);
TRACER_BENCHMARK(span_dropped);
TRACER_BENCHMARK(span_on_threads)->Arg(2)->Arg(64);

/// Flags of Google Benchmark that hold unless the command line says otherwise.
std::vector<char*> with_defaults(int argc, char** argv) {
    static char repetitions[] = "--benchmark_repetitions=9";
    static char interleaving[] = "--benchmark_enable_random_interleaving=true";
    static char display[] = "--benchmark_display_aggregates_only=true";
    std::vector<char*> all{argv[0], repetitions, interleaving, display};
    all.insert(all.end(), argv + 1, argv + argc);
    return all;
}

int run(int argc, char** argv) {
    std::vector<char*> arguments = with_defaults(argc, argv);
    int count = static_cast<int>(arguments.size());
    benchmark::Initialize(&count, arguments.data());
    if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
    const OwnConsumer consumer = consumer_beside();
    g_consumer = &consumer;
    // Once around, so that the ring has its size before the first floor is laid out like it.
    write_spans(3 * kBurst);
    const Status now = status();
    if (!now.recording) give_up("nothing is recorded: " + now.reason);
    benchmark::AddCustomContext("ring_bytes", std::to_string(ring_bytes()));
    if (benchmark::RunSpecifiedBenchmarks() == 0) return 2;
    return 0;
}

}  // namespace
}  // namespace spanring::bench

int main(int argc, char** argv) {
    return spanring::bench::run(argc, argv);
}
