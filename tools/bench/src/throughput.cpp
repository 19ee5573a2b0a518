#include "throughput.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "cores.hpp"
#include "own_consumer.hpp"
#include "producers.hpp"
#include "rate_search.hpp"
#include "rings.hpp"
#include "spanring/store/database.hpp"
#include "stored_spans.hpp"
#include "term.hpp"

namespace spanring::tools::bench {
namespace {

/// The search ends when it is as near as this; the long run then goes down in such steps.
constexpr double kStep = 0.03;
constexpr double kStepQuick = 0.08;
/// After one try of a second, the long run meets what that one did not.
constexpr double kFallQuick = 0.15;
/// Beside other programs a long run is much worse than short ones, as it meets their peaks.
constexpr double kStepDespiteLoad = 0.3;
constexpr unsigned kSearchRunsMax = 24;
constexpr unsigned kLongRunsMax = 6;
constexpr unsigned kLongRunsMaxQuick = 3;
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
            plans[i].pace = {spans_per_s / options_.producers, options_.burst_ns, seconds,
                             !spins()};
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

    /// `count`: it is the run that counts; else a try.
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
        if (!count) consumer->kill();  // its catalogue, which an orderly end completes, is not read
        progress.clear();
        if (!count) return run;
        if (auto stopped = consumer->stop(); !stopped) return std::move(stopped).error();
        run.database_bytes = folder_bytes(consumer->database());
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

    /// The share of the time that those at work were busy in: the consumer on a core of its own, or
    /// all on all cores.
    [[nodiscard]] double busy(const Run& run, double seconds) const noexcept {
        const auto consumer = static_cast<double>(run.consumer_cpu_ns) / (seconds * 1e9);
        if (alone()) return consumer;
        const double producers = run.tally.cpu_ns * run.tally.spans_per_s / 1e9;
        return (consumer + producers) / static_cast<double>(cores_.size());
    }

    /// Returns the highest rate at which a short run lost nothing.
    Result<double> search() {
        RateSearch search(options_.quick ? kStepQuick : kStep);
        double tried = 0;
        while (report_.runs < kSearchRunsMax && !search.over()) {
            tried = search.next();
            auto came = try_rate(tried);
            if (!came) return std::move(came).error();
            search.tell(*came);
        }
        if (search.found() > 0) return search.found();
        return Error{ErrorCode::kBusy,
                     fmt::format("spans were lost at every rate, down to {} spans/s: the machine "
                                 "has no time for this, or its disk is too slow; no number",
                                 format_rate(tried))};
    }

    [[nodiscard]] bool holds(const Run& run, double rate) const noexcept {
        return run.lossless() && (options_.despite_load || run.tally.spans_per_s >= kHeld * rate);
    }

    /// One bad run may be somebody else's fault.
    Result<Try> try_rate(double rate) {
        const std::string label = "try " + format_rate(rate) + " spans/s";
        Try came;
        for (int attempt = 0; attempt < (options_.quick ? 1 : 2); ++attempt) {
            auto tried = run(rate, options_.search_seconds, label, false);
            if (!tried) return std::move(tried).error();
            const Tally& tally = tried->tally;
            const auto emitted = static_cast<double>(std::max<std::uint64_t>(tally.emitted, 1));
            came = {tally.spans_per_s, tried->lossless(), static_cast<double>(tally.lost) / emitted,
                    busy(*tried, options_.search_seconds)};
            if (holds(*tried, rate)) break;
        }
        return came;
    }

    /// The long run: again if others disturbed it, a little slower if it did not hold.
    Result<ThroughputReport> hold(double rate) {
        const bool searched = options_.spans_per_s == 0;
        const double step = options_.despite_load ? kStepDespiteLoad
                            : options_.quick      ? kFallQuick
                                                  : kStep;
        const unsigned runs_max = !searched ? 1 : options_.quick ? kLongRunsMaxQuick : kLongRunsMax;
        std::string why;
        for (unsigned i = 0; i < runs_max; ++i) {
            auto held = run(rate, options_.seconds, "run " + format_rate(rate) + " spans/s", true);
            if (!held) return std::move(held).error();
            const bool holds_it = holds(*held, rate);
            if (holds_it && held->stored != held->tally.emitted) return miscounted(*held);
            const bool judged = !searched || options_.despite_load || held->others <= kOthersMax;
            if (holds_it && judged) return report_on(*held);
            why = holds_it ? disturbance(*held) : trouble(*held, rate);
            if (searched && !options_.quiet) remark(why + "; once more");
            if (!holds_it) rate *= 1 - step;
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

    static std::string disturbance(const Run& run) {
        return fmt::format(
            "other programs had {:.0f} % of a core: try again on a quiet machine, or "
            "--despite-load for a lower bound",
            run.others * 100);
    }

    ThroughputReport report_on(const Run& run) {
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
