// How soon a consumer that starts, or starts again, has spans for a query.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "consumer_beside.hpp"
#include "producers.hpp"
#include "scenarios.hpp"
#include "spanring/spanring.hpp"
#include "spanring/store/database.hpp"
#include "stored_spans.hpp"

namespace spanring::bench {
namespace {

using namespace std::chrono_literals;
using tools::bench::Producers;

constexpr auto kLookInterval = 50us;
constexpr auto kLookMax = 30s;
/// From the death of a consumer to its successor's start: as long as a supervisor takes at least.
constexpr auto kDown = 50ms;
/// The clocks of producer and reader may differ by less.
constexpr std::int64_t kClockDoubtNs = 100'000;
constexpr const char* kDatabaseParent = "/var/tmp";

std::int64_t realtime_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

/// A process that traces all the time, whoever listens. It dies with its parent.
class EarlyProducer {
public:
    explicit EarlyProducer(const std::string& rings) {
        const pid_t parent = getpid();
        pid_ = fork();
        if (pid_ < 0) give_up("cannot start a producer");
        if (pid_ == 0) live(parent, rings);
    }
    EarlyProducer(const EarlyProducer&) = delete;
    EarlyProducer& operator=(const EarlyProducer&) = delete;
    ~EarlyProducer() {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }

private:
    [[noreturn]] static void live(pid_t parent, const std::string& rings) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(1);
        Configuration configuration;
        configuration.directory = rings;
        must(configure(std::move(configuration)));
        for (;;) {
            { SPANRING_SPAN("early"); }
            std::this_thread::sleep_for(1ms);
        }
    }
    pid_t pid_;
};

/// Looks at the database until there is a span that ended at `since_ns` or later.
void await_span(const std::string& database, std::int64_t since_ns, std::uint64_t after) {
    const auto began = std::chrono::steady_clock::now();
    std::unique_ptr<store::Reader> reader;
    for (bool found = false; !found; std::this_thread::sleep_for(kLookInterval)) {
        if (std::chrono::steady_clock::now() - began > kLookMax) give_up("no span came");
        if (reader == nullptr) {
            auto opened = store::Reader::open(database);
            if (!opened) continue;
            reader = std::move(*opened);
        }
        must(reader->refresh());
        if (reader->newest_frame() == after) continue;
        after = must(reader->visit_frames_after(after, [&](const store::CommittedFrame& frame) {
            for (const auto& batch : frame.batches) {
                for (const auto& row : batch.rows) {
                    if (row.start_ns + row.duration_ns >= since_ns) found = true;
                }
            }
            return !found;
        }));
    }
}

double ms_since(std::chrono::steady_clock::time_point began) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began)
        .count();
}

void print_ms(const std::vector<double>& values) {
    std::printf("\"ms\": [");
    for (std::size_t i = 0; i < values.size(); ++i) {
        std::printf("%s%.2f", i == 0 ? "" : ", ", values[i]);
    }
    std::printf("]");
}

}  // namespace

void start(unsigned rounds) {
    tools::bench::forget_settings();
    std::vector<double> values;
    for (unsigned i = 0; i < rounds; ++i) {
        OwnConsumer consumer = must(OwnConsumer::make(kDatabaseParent));
        const EarlyProducer producer(consumer.rings());
        std::this_thread::sleep_for(100ms);
        const auto began = std::chrono::steady_clock::now();
        must(consumer.run(std::nullopt));
        await_span(consumer.database(), 0, 0);
        values.push_back(ms_since(began));
    }
    std::printf("{");
    print_ms(values);
    std::printf("}\n");
}

void restart(unsigned rounds, double spans_per_s) {
    tools::bench::forget_settings();
    OwnConsumer consumer = must(OwnConsumer::start(kDatabaseParent, std::nullopt));
    tools::bench::ProducerPlan plan;
    plan.load.mix = true;
    // What a slow round takes longer, later ones have less; what is left over goes on afterwards.
    plan.pace = {spans_per_s, static_cast<std::uint64_t>(std::max(1e5, 1e9 / spans_per_s)),
                 rounds * 1.5 + 1, true};
    Producers producers = must(Producers::start(consumer.rings(), {plan}));
    must(producers.wait_ready());
    producers.go();
    std::vector<double> values;
    for (unsigned i = 0; i < rounds; ++i) {
        std::this_thread::sleep_for(1s);
        if (must(producers.done())) give_up("the restarts took longer than the traffic");
        std::uint64_t last = must(store::Reader::open(consumer.database()))->newest_frame();
        consumer.kill();
        const std::int64_t since_ns = realtime_ns() + kClockDoubtNs;
        std::this_thread::sleep_for(kDown);
        const auto began = std::chrono::steady_clock::now();
        must(consumer.run(std::nullopt));
        await_span(consumer.database(), since_ns, last);
        values.push_back(ms_since(began));
    }
    must(producers.wait_done([](std::uint64_t) {}));
    const auto tally = producers.tally();
    producers.finish();
    must(consumer.stop());
    std::printf("{");
    print_ms(values);
    std::printf(
        ", \"emitted\": %llu, \"stored\": %llu, \"lost\": %llu, \"all_stored\": %s}\n",
        static_cast<unsigned long long>(tally.emitted),
        static_cast<unsigned long long>(must(tools::bench::count_spans(consumer.database(), true))),
        static_cast<unsigned long long>(tally.lost), tally.all_stored ? "true" : "false");
}

}  // namespace spanring::bench
