#include "delay.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include "own_consumer.hpp"
#include "producers.hpp"
#include "spanring/query/duration_histogram.hpp"
#include "spanring/store/database.hpp"
#include "term.hpp"

namespace spanring::tools::bench {
namespace {

/// A tenth of the delay that is looked for, at the most; a query does not look more often.
constexpr std::chrono::microseconds kLookInterval{20};
/// At high rates; at low ones a burst is one span.
constexpr double kBurstNsMin = 100'000;

/// Looks for new frames and takes each span's delay.
class Follower {
public:
    explicit Follower(std::unique_ptr<store::Reader> reader)
        : reader_(std::move(reader)), last_(reader_->newest_frame()) {}

    Result<void> look() {
        if (auto refreshed = reader_->refresh(); !refreshed) return refreshed;
        if (reader_->newest_frame() == last_) return {};
        auto seen = reader_->visit_frames_after(last_, [this](const store::CommittedFrame& frame) {
            add(frame);
            return true;
        });
        if (!seen) return std::move(seen).error();
        last_ = *seen;
        return {};
    }
    [[nodiscard]] const query::DurationHistogram& delays() const noexcept { return delays_; }

private:
    void add(const store::CommittedFrame& frame) {
        const std::int64_t seen_ns = realtime_now_ns();
        for (const auto& batch : frame.batches) {
            for (const auto& row : batch.rows) {
                // Below 0 the conversion of the clock is off by more than the delay: not ours here.
                delays_.add(std::max<std::int64_t>(seen_ns - row.start_ns - row.duration_ns, 0));
            }
        }
    }

    std::unique_ptr<store::Reader> reader_;
    std::uint64_t last_;
    query::DurationHistogram delays_;
};

Result<void> follow(Follower& follower, Producers& producers, ProgressLine& progress,
                    std::uint64_t total) {
    for (;;) {
        // Asked before the look: what is stored by then is seen by it.
        const auto done = producers.done();
        if (!done) return done.error();
        if (auto looked = follower.look(); !looked) return looked;
        if (*done) return {};
        progress.update(follower.delays().count(), total, "spans");
        std::this_thread::sleep_for(kLookInterval);
    }
}

ProducerPlan plan_of(double spans_per_s, double seconds) {
    ProducerPlan plan;
    plan.pace.spans_per_s = spans_per_s;
    plan.pace.burst_ns = static_cast<std::uint64_t>(std::max(kBurstNsMin, 1e9 / spans_per_s));
    plan.pace.seconds = seconds;
    plan.pace.sleep = true;
    return plan;
}

}  // namespace

Result<DelayReport> measure_delay(double spans_per_s, const DelayOptions& options) {
    ::prctl(PR_SET_TIMERSLACK, 1UL);  // ns: each look would else come 50 µs late
    auto consumer = OwnConsumer::start(options.database_parent, std::nullopt);
    if (!consumer) return std::move(consumer).error();
    auto producers = Producers::start(consumer->rings(), {plan_of(spans_per_s, options.seconds)});
    if (!producers) return std::move(producers).error();
    if (auto ready = producers->wait_ready(); !ready) return std::move(ready).error();
    auto reader = store::Reader::open(consumer->database());
    if (!reader) return std::move(reader).error();
    Follower follower(std::move(*reader));
    const auto before = consumer->usage();
    if (!before) return before.error();
    const auto began = std::chrono::steady_clock::now();
    producers->go();
    ProgressLine progress(format_rate(spans_per_s) + " spans/s", options.quiet);
    const auto total = static_cast<std::uint64_t>(spans_per_s * options.seconds);
    if (auto done = follow(follower, *producers, progress, total); !done) {
        return std::move(done).error();
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    const auto after = consumer->usage();
    if (!after) return after.error();
    const Tally tally = producers->tally();
    producers->finish();
    const query::DurationHistogram& delays = follower.delays();
    return DelayReport{
        .asked_per_s = spans_per_s,
        .spans_per_s = tally.spans_per_s,
        .emitted = tally.paced_spans,
        .seen = delays.count(),
        .lost = tally.lost,
        .p50_ns = delays.percentile(0.5),
        .p99_ns = delays.percentile(0.99),
        .max_ns = delays.percentile(1),
        .consumer_cpu = static_cast<double>(after->cpu_ns - before->cpu_ns) / 1e9 / took.count(),
        .disk_bytes_per_s =
            static_cast<double>(after->disk_bytes - before->disk_bytes) / took.count()};
}

}  // namespace spanring::tools::bench
