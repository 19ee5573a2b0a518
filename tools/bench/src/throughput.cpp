#include "throughput.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "cores.hpp"
#include "own_consumer.hpp"
#include "producers.hpp"
#include "rings.hpp"
#include "spanring/store/database.hpp"
#include "term.hpp"

namespace spanring::tools::bench {
namespace {

/// A thirtieth of the ring at 25 M spans/s: the consumer sees a steady stream.
constexpr std::uint64_t kBurstNs = 100'000;
/// The search ends when it is as near as this; the long run then goes down in such steps.
constexpr double kStep = 0.03;
/// Beside other programs a long run is much worse than short ones, as it meets their peaks.
constexpr double kStepDespiteLoad = 0.3;
constexpr unsigned kSearchRunsMax = 24;
constexpr unsigned kLongRunsMax = 6;
/// Below this, it is the machine that has no time.
constexpr double kRateMin = 1000;
/// Of the asked rate: else the producer did not make it.
constexpr double kHeld = 0.97;
/// Of one core. What the kernel does for the run itself (writing to the disk) is below it.
constexpr double kOthersMax = 0.15;
constexpr double kGeneratorSeconds = 0.3;

/// One run from start to end.
struct Run {
    Tally tally;
    std::uint64_t consumer_cpu_ns{0};
    std::uint64_t consumer_rss_bytes{0};
    std::uint64_t database_bytes{0};
    std::uint64_t stored{0};
    double others{0};
    [[nodiscard]] bool lossless() const noexcept { return tally.lost == 0 && tally.all_stored; }
};

/// Decodes every batch: the writer's own count proves nothing.
Result<std::uint64_t> count_spans(const std::string& database, bool quiet) {
    auto reader = store::Reader::open(database);
    if (!reader) return std::move(reader).error();
    ProgressLine progress("counting", quiet);
    std::uint64_t spans = 0;
    auto visited = (*reader)->visit_frames_after(0, [&](const store::CommittedFrame& frame) {
        for (const auto& batch : frame.batches) spans += batch.rows.size();
        progress.update(spans, 0, "spans");
        return !interrupted();
    });
    if (!visited) return std::move(visited).error();
    if (interrupted()) return Error{ErrorCode::kUnavailable, "interrupted; nothing was measured"};
    return spans;
}

class Throughput {
public:
    explicit Throughput(const ThroughputOptions& options)
        : options_(options), cores_(usable_cores()) {}

    Result<ThroughputReport> measure() {
        auto generator_ns = generator_cost();
        if (!generator_ns) return std::move(generator_ns).error();
        report_.generator_ns = *generator_ns;
        double rate = options_.spans_per_s;
        if (rate == 0) {
            auto found = search();
            if (!found) return std::move(found).error();
            rate = *found;
        }
        return hold(rate);
    }

private:
    [[nodiscard]] bool alone() const noexcept { return options_.pin && options_.producers == 1; }
    /// On a core of its own a producer spins between bursts: what it misses, others had. Where
    /// others are welcome, whoever spins only loses his turn to them.
    [[nodiscard]] bool spins() const noexcept { return alone() && !options_.despite_load; }

    std::vector<ProducerPlan> plans(double spans_per_s, double seconds) const {
        std::vector<ProducerPlan> plans(options_.producers);
        for (std::size_t i = 0; i < plans.size(); ++i) {
            plans[i].load = options_.load;
            plans[i].seed = i + 1;
            plans[i].pace = {spans_per_s / options_.producers, kBurstNs, seconds, !spins()};
            if (options_.pin) plans[i].core = cores_[(cores_.size() - 1 - i) % cores_.size()];
        }
        return plans;
    }

    /// What the making of the load costs by itself.
    Result<double> generator_cost() const {
        auto producers = Producers::start({}, plans(0, kGeneratorSeconds));
        if (!producers) return std::move(producers).error();
        if (auto ready = producers->wait_ready(); !ready) return std::move(ready).error();
        producers->go();
        if (auto done = producers->wait_done([](std::uint64_t) {}); !done) {
            return std::move(done).error();
        }
        return producers->tally().cpu_ns;
    }

    Result<Run> run(double spans_per_s, double seconds, const std::string& label, bool count) {
        ++report_.runs;
        const std::optional<int> core = alone() ? std::optional(cores_.front()) : std::nullopt;
        auto consumer = OwnConsumer::start(options_.database_parent, core);
        if (!consumer) return std::move(consumer).error();
        auto producers = Producers::start(consumer->rings(), plans(spans_per_s, seconds));
        if (!producers) return std::move(producers).error();
        if (auto ready = producers->wait_ready(); !ready) return std::move(ready).error();
        const auto before = consumer->usage();
        if (!before) return before.error();
        const std::uint64_t core_before = busy_ns_of(cores_.front());
        producers->go();
        ProgressLine progress(label, options_.quiet);
        const auto total = static_cast<std::uint64_t>(spans_per_s * seconds);
        auto done = producers->wait_done(
            [&](std::uint64_t spans) { progress.update(spans, total, "spans"); });
        if (!done) return std::move(done).error();
        const std::uint64_t core_after = busy_ns_of(cores_.front());
        const auto after = consumer->usage();
        if (!after) return after.error();
        Run run;
        run.tally = producers->tally();
        run.consumer_cpu_ns = after->cpu_ns - before->cpu_ns;
        run.consumer_rss_bytes = after->rss_peak_bytes;
        if (alone()) {
            run.others = others(run, seconds, core_after - core_before);
        }
        producers->finish();
        if (auto stopped = consumer->stop(); !stopped) return std::move(stopped).error();
        progress.clear();
        run.database_bytes = folder_bytes(consumer->database());
        if (!count) return run;
        auto stored = count_spans(consumer->database(), options_.quiet);
        if (!stored) return std::move(stored).error();
        run.stored = *stored;
        return run;
    }

    /// The share that others had of the producer's core, if it spins, or of the consumer's,
    /// whichever is more.
    [[nodiscard]] double others(const Run& run, double seconds, std::uint64_t core_busy_ns) const {
        const double beside =
            static_cast<double>(core_busy_ns) - static_cast<double>(run.consumer_cpu_ns);
        return std::max({0.0, spins() ? run.tally.off_core : 0.0, beside / (seconds * 1e9)});
    }

    /// Returns the highest rate at which a short run lost nothing.
    Result<double> search() {
        auto first = run(0, options_.search_seconds, "unpaced", false);
        if (!first) return std::move(first).error();
        double high = first->tally.spans_per_s;
        if (first->lossless()) return high;  // the producers are the limit
        const auto& tally = first->tally;
        const double lost = static_cast<double>(tally.lost) /
                            static_cast<double>(std::max<std::uint64_t>(tally.emitted, 1));
        double low = 0;
        double next = high * std::clamp(1 - lost, 0.1, 1 - kStep);
        while (report_.runs < kSearchRunsMax && high - low > kStep * high && next > kRateMin) {
            auto held = try_twice(next);
            if (!held) return std::move(held).error();
            (*held ? low : high) = next;
            next = low == 0 ? high * 0.7 : (low + high) / 2;
        }
        if (low > 0) return low;
        return Error{ErrorCode::kBusy,
                     fmt::format("spans were lost at every rate, down to {} spans/s: the machine "
                                 "has no time for this, or its disk is too slow; no number",
                                 format_rate(high))};
    }

    [[nodiscard]] bool holds(const Run& run, double rate) const noexcept {
        return run.lossless() && (options_.despite_load || run.tally.spans_per_s >= kHeld * rate);
    }

    /// One bad run may be somebody else's fault.
    Result<bool> try_twice(double rate) {
        const std::string label = "try " + format_rate(rate) + " spans/s";
        for (int attempt = 0; attempt < 2; ++attempt) {
            auto tried = run(rate, options_.search_seconds, label, false);
            if (!tried) return std::move(tried).error();
            if (holds(*tried, rate)) return true;
        }
        return false;
    }

    /// The long run, a little slower each time that it does not hold.
    Result<ThroughputReport> hold(double rate) {
        const bool searched = options_.spans_per_s == 0;
        const double step = options_.despite_load ? kStepDespiteLoad : kStep;
        std::string why;
        for (unsigned i = 0; i < (searched ? kLongRunsMax : 1); ++i, rate *= 1 - step) {
            auto held = run(rate, options_.seconds, "run " + format_rate(rate) + " spans/s", true);
            if (!held) return std::move(held).error();
            if (holds(*held, rate)) {
                if (held->stored != held->tally.emitted) return miscounted(*held);
                return judge(*held, searched);
            }
            why = trouble(*held, rate);
            if (searched && !options_.quiet) remark(why + "; once more, slower");
        }
        return Error{ErrorCode::kBusy, why + "; no number"};
    }

    static Error miscounted(const Run& run) {
        if (run.database_bytes > store::WriterOptions{}.database_bytes_max / 10 * 9) {
            return {ErrorCode::kBusy,
                    fmt::format("the database came to its limit ({}), and its oldest part was "
                                "removed before it could be counted; fewer --seconds",
                                format_bytes(store::WriterOptions{}.database_bytes_max))};
        }
        return {ErrorCode::kCorrupt,
                fmt::format("{} spans were emitted and none counted as lost, but the database "
                            "holds {}: please report this",
                            format_count(run.tally.emitted), format_count(run.stored))};
    }

    static std::string trouble(const Run& run, double rate) {
        std::string text;
        if (!run.lossless()) {
            text = fmt::format("at {} spans/s {} of {} were lost", format_rate(rate),
                               format_count(run.tally.lost), format_count(run.tally.emitted));
            if (run.tally.lost == 0) text = "the consumer did not store everything in time";
        } else {
            text = fmt::format("the producers made {} spans/s, not {}",
                               format_rate(run.tally.spans_per_s), format_rate(rate));
        }
        if (run.others > kOthersMax) {
            text += fmt::format(" (other programs had {:.0f} % of a core)", run.others * 100);
        }
        return text;
    }

    Result<ThroughputReport> judge(const Run& run, bool searched) {
        if (searched && run.others > kOthersMax && !options_.despite_load) {
            return Error{ErrorCode::kBusy,
                         fmt::format("other programs had {:.0f} % of a core: no number; try again "
                                     "on a quiet machine, or --despite-load for a lower bound",
                                     run.others * 100)};
        }
        report_.spans_per_s = run.tally.spans_per_s;
        report_.seconds = options_.seconds;
        report_.emitted = run.tally.emitted;
        report_.stored = run.stored;
        report_.lost = run.tally.lost;
        const auto paced = static_cast<double>(std::max<std::uint64_t>(run.tally.paced_spans, 1));
        report_.consumer_cpu_ns = static_cast<double>(run.consumer_cpu_ns) / paced;
        report_.consumer_rss_bytes = run.consumer_rss_bytes;
        report_.database_bytes = run.database_bytes;
        report_.producer_ns = run.tally.busy_ns;
        report_.others = run.others;
        return report_;
    }

    const ThroughputOptions& options_;
    std::vector<int> cores_;
    ThroughputReport report_;
};

}  // namespace

Result<ThroughputReport> measure_throughput(const ThroughputOptions& options) {
    return Throughput(options).measure();
}

}  // namespace spanring::tools::bench
