// `spanring bench delay`: the command line and the report.
#include <fmt/format.h>

#include <memory>
#include <vector>

#include "bench_command.hpp"
#include "delay.hpp"
#include "json.hpp"
#include "term.hpp"

namespace spanring::tools::bench {
namespace {

constexpr std::size_t kRatesMax = 16;
/// Below, nothing happens within the time; above, the producer alone fills a core.
constexpr double kRateMin = 0.1;
constexpr double kRateMax = 20e6;

struct Flags {
    DelayOptions options;
    std::vector<std::string> rates{"1", "1000", "100000", "1000000"};
};

Result<std::vector<double>> parse_rates(const std::vector<std::string>& texts) {
    std::vector<double> rates;
    for (const std::string& text : texts) {
        auto rate = parse_rate(text);
        if (!rate) return std::move(rate).error().in("--rates");
        if (*rate < kRateMin || *rate > kRateMax) {
            return Error{ErrorCode::kInvalidArgument,
                         "--rates " + text + ": each 0.1 to 20M spans/s"};
        }
        rates.push_back(*rate);
    }
    if (rates.size() <= kRatesMax) return rates;
    return Error{ErrorCode::kInvalidArgument, fmt::format("--rates: at most {}", kRatesMax)};
}

std::string as_json(const std::vector<DelayReport>& reports, double seconds) {
    Json json;
    json.open_object().field("seconds", seconds).key("rates").open_array();
    for (const DelayReport& report : reports) {
        json.open_object().field("asked_per_s", report.asked_per_s);
        json.field("spans_per_s", report.spans_per_s).field("emitted", report.emitted);
        json.field("seen", report.seen).field("lost", report.lost);
        json.field("delay_ns_p50", report.p50_ns).field("delay_ns_p99", report.p99_ns);
        json.field("delay_ns_max", report.max_ns).field("consumer_cpu", report.consumer_cpu);
        json.field("disk_bytes_per_s", report.disk_bytes_per_s).close_object();
    }
    json.close_array().close_object();
    return json.line();
}

std::string as_text(const std::vector<DelayReport>& reports) {
    constexpr auto kRight = Table::Align::kRight;
    Table table({{"SPANS/S", kRight},
                 {"SEEN", kRight},
                 {"LOST", kRight},
                 {"P50", kRight},
                 {"P99", kRight},
                 {"MAX", kRight},
                 {"CONSUMER", kRight},
                 {"DISK/S", kRight}});
    for (const DelayReport& report : reports) {
        table.row({format_rate(report.asked_per_s), format_count(report.seen),
                   format_count(report.lost), format_duration(report.p50_ns),
                   format_duration(report.p99_ns), format_duration(report.max_ns),
                   fmt::format("{:.1f} %", report.consumer_cpu * 100),
                   format_bytes(static_cast<std::uint64_t>(report.disk_bytes_per_s))});
    }
    return table.render(Terminal::of(1));
}

Result<int> run(Flags& flags, const GlobalOptions& globals) {
    auto rates = parse_rates(flags.rates);
    if (!rates) return std::move(rates).error();
    flags.options.quiet = globals.quiet;
    if (auto ready = prepare(globals, flags.options.database_parent); !ready) return ready.error();
    std::vector<DelayReport> reports;
    int code = kExitOk;
    for (const double rate : *rates) {
        auto report = measure_delay(rate, flags.options);
        if (!report) return std::move(report).error();
        reports.push_back(*report);
        if (report->complete()) continue;
        code = kExitNegative;
        remark(
            fmt::format("at {} spans/s {} of {} spans were not seen, {} counted as lost: the "
                        "delays are those of the others",
                        format_rate(rate), format_count(report->emitted - report->seen),
                        format_count(report->emitted), format_count(report->lost)));
    }
    const std::string out =
        globals.json ? as_json(reports, flags.options.seconds) : as_text(reports);
    if (auto done = print(out); !done) return std::move(done).error();
    return code;
}

}  // namespace

void add_delay(CLI::App& bench, Session& session) {
    auto flags = std::make_shared<Flags>();
    CLI::App* command =
        new_command(bench, session, "delay", "From a span's end to its being visible to a query",
                    "spanring bench delay\n"
                    "spanring bench delay --rates 1k,50k --seconds 60\n"
                    "CONSUMER is its share of a core, DISK/S what it wrote. Exit code 1: spans "
                    "were lost.");
    command
        ->add_option("--rates", flags->rates,
                     "Spans per second, one after the other (1,1000,100000,1000000)")
        ->delimiter(',');
    command->add_option("--seconds", flags->options.seconds, "For each rate (10)")
        ->check(CLI::Range(0.1, 3600.0));
    add_database_parent(*command, flags->options.database_parent);
    command->callback([flags, &session] {
        session.action = [flags, &session] { return run(*flags, session.options); };
    });
}

}  // namespace spanring::tools::bench
