// `spanring bench throughput`: the command line and the report.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "bench_command.hpp"
#include "json.hpp"
#include "term.hpp"
#include "throughput.hpp"

namespace spanring::tools::bench {
namespace {

/// A ring of 1 MiB for each is to fit into /dev/shm.
constexpr int kProducersMax = 1000;

struct Flags {
    ThroughputOptions options;
    std::string workload{"tight"};
    int attributes{0};
    std::string rate;
    double burst_ms{0.1};
};

double bytes_per_span(const ThroughputReport& report) {
    return static_cast<double>(report.database_bytes) /
           static_cast<double>(std::max<std::uint64_t>(report.stored, 1));
}

std::string as_json(const Flags& flags, const ThroughputReport& report) {
    Json json;
    json.open_object().field("measured", true).field("workload", flags.workload);
    json.field("attributes", flags.attributes).field("producers", flags.options.producers);
    json.field("pinned", flags.options.pin).field("seconds", report.seconds);
    json.field("runs", report.runs).field("spans_per_s", report.spans_per_s);
    json.field("emitted", report.emitted).field("stored", report.stored);
    json.field("lost", report.lost).field("consumer_cpu_ns", report.consumer_cpu_ns);
    json.field("consumer_cpu", report.consumer_cpu());
    json.field("consumer_rss_bytes", report.consumer_rss_bytes);
    json.field("database_bytes", report.database_bytes);
    json.field("bytes_per_span", bytes_per_span(report));
    json.field("producer_ns", report.producer_ns).field("generator_ns", report.generator_ns);
    json.field("others_core", report.others).close_object();
    return json.line();
}

std::string as_text(const Flags& flags, const ThroughputReport& report) {
    const Terminal terminal = Terminal::of(1);
    std::string out = terminal.paint(
        Style::kBold,
        fmt::format("{} spans/s without loss, for {:.0f} s: {}{}, {} producer{}\n",
                    format_rate(report.spans_per_s), report.seconds, flags.workload,
                    flags.attributes == 0 ? "" : " with an integer and a string",
                    flags.options.producers, flags.options.producers == 1 ? "" : "s"));
    out += fmt::format("  emitted   {}\n  stored    {}\n  lost      {}\n",
                       format_count(report.emitted), format_count(report.stored),
                       format_count(report.lost));
    out += fmt::format("  consumer  {:.1f} ns of processor per span, {} of memory at most\n",
                       report.consumer_cpu_ns, format_bytes(report.consumer_rss_bytes));
    out += fmt::format("  database  {:.2f} bytes per span, {}\n", bytes_per_span(report),
                       format_bytes(report.database_bytes));
    out += fmt::format("  producer  {:.1f} ns per span, {:.1f} of it without tracing\n",
                       report.producer_ns, report.generator_ns);
    if (report.others > 0.05) {
        out += fmt::format("  others    had {:.0f} % of a core\n", report.others * 100);
    }
    return out;
}

Result<int> run(Flags& flags, const GlobalOptions& globals) {
    ThroughputOptions& options = flags.options;
    if (!flags.rate.empty()) {
        auto rate = parse_rate(flags.rate);
        if (!rate) return std::move(rate).error().in("--rate");
        if (*rate < 1 || *rate > 1e9) {
            return Error{ErrorCode::kInvalidArgument, "--rate " + flags.rate + ": 1 to 1G spans/s"};
        }
        options.spans_per_s = *rate;
    }
    options.burst_ns = static_cast<std::uint64_t>(flags.burst_ms * 1e6);
    options.load = {flags.workload == "mix", flags.attributes != 0};
    options.quiet = globals.quiet;
    if (auto ready = prepare(globals, options.database_parent); !ready) return ready.error();
    auto report = measure_throughput(options);
    if (!report) {
        if (report.error().code != ErrorCode::kBusy) return std::move(report).error();
        remark(report.error().message);
        if (globals.json) {
            Json json;
            json.open_object().field("measured", false).field("why", report.error().message);
            json.close_object();
            if (auto done = print(json.line()); !done) return std::move(done).error();
        }
        return kExitNegative;
    }
    const std::string out = globals.json ? as_json(flags, *report) : as_text(flags, *report);
    if (auto done = print(out); !done) return std::move(done).error();
    return kExitOk;
}

void add_flags(CLI::App& command, Flags& flags) {
    ThroughputOptions& options = flags.options;
    command
        .add_option("--workload", flags.workload,
                    "tight (default): one name in a loop; mix: recorded traces")
        ->check(CLI::IsMember({"tight", "mix"}));
    command
        .add_option("--attributes", flags.attributes,
                    "0 (default), or 2: an integer and 13 characters on each span")
        ->check(CLI::IsMember({0, 2}));
    command.add_option("--producers", options.producers, "Producing processes (1)")
        ->check(CLI::Range(1, kProducersMax));
    command.add_option("--seconds", options.seconds, "Length of the run that counts (60)")
        ->check(CLI::Range(0.1, 600.0));
    command.add_option("--search-seconds", options.search_seconds, "Length of each try (3)")
        ->check(CLI::Range(0.1, 60.0));
    command.add_option("--rate", flags.rate, "Spans per second, e.g. 5M, instead of a search");
    command
        .add_option("--burst-ms", flags.burst_ms, "From one burst of a producer to its next (0.1)")
        ->check(CLI::Range(0.01, 1000.0));
    command.add_flag("--quick", options.quick,
                     "Search in steps of 8 % instead of 3 %, try each once");
    command.add_flag("--pin,!--no-pin", options.pin,
                     "One core for each (default): producer and consumer, or the producers");
    command.add_flag("--despite-load", options.despite_load,
                     "Report a lower bound when other programs use the cores");
    add_database_parent(command, options.database_parent);
}

}  // namespace

void add_throughput(CLI::App& bench, Session& session) {
    auto flags = std::make_shared<Flags>();
    CLI::App* command = new_command(
        bench, session, "throughput", "The highest rate at which nothing is lost",
        "spanring bench throughput                              one name in a loop\n"
        "spanring bench throughput --workload mix --attributes 2\n"
        "spanring bench throughput --rate 5M --seconds 120       does it hold?\n"
        "spanring bench throughput --rate 1M --producers 1000 --burst-ms 100 --no-pin\n"
        "Takes a few minutes and a few GiB of disk. Exit code 1: not measured, and why.");
    add_flags(*command, *flags);
    command->callback([flags, &session] {
        session.action = [flags, &session] { return run(*flags, session.options); };
    });
}

}  // namespace spanring::tools::bench
