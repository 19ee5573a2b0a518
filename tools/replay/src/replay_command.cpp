// `spanring replay`: the command line, the progress and the summary.
#include <fmt/format.h>

#include <memory>

#include "commands.hpp"
#include "conductor.hpp"
#include "consumer_process.hpp"
#include "json.hpp"
#include "recording.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

using namespace replay;

struct Flags {
    std::string file;
    std::string format;
    std::string processes{"per-service"};
    std::string speed{"1"};
    double hold_s{0};
};

Result<std::size_t> parse_processes(const std::string& text) {
    if (text == "per-service") return std::size_t{0};
    const bool digits = !text.empty() && text.size() <= 4 &&
                        text.find_first_not_of("0123456789") == std::string::npos;
    const std::size_t count = digits ? std::stoul(text) : 0;
    if (count >= 1 && count <= kWorkersMax) return count;
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("--processes {}: must be per-service or 1 to {}", text, kWorkersMax)};
}

Result<double> parse_speed(const std::string& text) {
    if (text == "max") return 0.0;
    char* end = nullptr;
    const double speed = std::strtod(text.c_str(), &end);
    if (end != text.c_str() && *end == '\0' && speed > 0 && speed <= 1e9) return speed;
    return Error{ErrorCode::kInvalidArgument,
                 "--speed " + text + ": must be max or a number above 0 (1: as recorded)"};
}

Result<Format> parse_format(const std::string& text) {
    if (text.empty()) return Format::kGuess;
    if (text == "nezha-csv") return Format::kNezhaCsv;
    if (text == "zipkin") return Format::kZipkin;
    return Error{ErrorCode::kInvalidArgument, "--format " + text + ": must be nezha-csv or zipkin"};
}

Result<void> check_consumer(const std::string& directory) {
    const Result<pid_t> pid = running_consumer(directory);
    if (!pid) return pid.error();
    if (*pid != 0) return {};
    return Error{ErrorCode::kUnavailable,
                 "no consumer is running on " + directory + "; start one with `spanring up`"};
}

std::string services_text(const WorkerReport& worker) {
    if (worker.services.size() == 1) return worker.services.front();
    return fmt::format("{} and {} more", worker.services.front(), worker.services.size() - 1);
}

Result<void> print_json(const ReplayReport& report) {
    Json json;
    json.open_object();
    json.field("spans", report.spans).field("lost", report.lost);
    json.field("write_s", report.write_s).field("queryable_s", report.queryable_s);
    json.field("stopped", report.stopped).key("processes").open_array();
    for (const WorkerReport& worker : report.workers) {
        json.open_object().field("pid", static_cast<std::int64_t>(worker.pid));
        json.field("spans", worker.spans).field("lost", worker.lost);
        json.field("queryable", worker.queryable).key("services").open_array();
        for (const std::string& service : worker.services) json.value(service);
        json.close_array().close_object();
    }
    json.close_array().close_object();
    return print(json.line());
}

Result<void> print_summary(const ReplayReport& report) {
    const Terminal terminal = Terminal::of(1);
    Table table({{"SERVICE"},
                 {"PID", Table::Align::kRight},
                 {"SPANS", Table::Align::kRight},
                 {"LOST", Table::Align::kRight}});
    for (const WorkerReport& worker : report.workers) {
        table.row({printable(services_text(worker)), std::to_string(worker.pid),
                   format_count(worker.spans), format_count(worker.lost)});
    }
    std::string text = table.render(terminal);
    text +=
        fmt::format("\n{} spans of {} processes in {:.2f} s ({} spans/s), {} lost.\n",
                    format_count(report.spans), report.workers.size(), report.write_s,
                    format_rate(static_cast<double>(report.spans) / std::max(report.write_s, 1e-9)),
                    format_count(report.lost));
    if (report.complete()) {
        text += fmt::format("All of it can be queried after {:.2f} s.  Next: spanring traces\n",
                            report.queryable_s);
    }
    return print(text);
}

void remark_troubles(const ReplayReport& report) {
    if (report.stopped) remark("stopped; the spans written so far stay in the database");
    for (const WorkerReport& worker : report.workers) {
        if (!worker.failure.empty()) remark(services_text(worker) + ": " + worker.failure);
    }
    if (report.lost > 0)
        remark(format_count(report.lost) + " spans were lost; see spanring doctor");
}

Result<int> run(const Flags& flags, const GlobalOptions& globals) {
    const Result<std::size_t> processes = parse_processes(flags.processes);
    if (!processes) return processes.error();
    const Result<double> speed = parse_speed(flags.speed);
    if (!speed) return speed.error();
    const Result<Format> format = parse_format(flags.format);
    if (!format) return format.error();
    const Result<std::string> directory = ring_directory(globals);
    if (!directory) return directory.error();
    const Result<Recording> recording = read_recording(flags.file, *format);
    if (!recording) return recording.error();
    if (const Result<void> consumer = check_consumer(*directory); !consumer) {
        return consumer.error();
    }

    catch_interrupts();
    ReplayOptions options;
    options.processes = *processes;
    options.speed = *speed;
    options.hold_s = flags.hold_s;
    options.directory = *directory;
    ProgressLine progress("replay", globals.quiet);
    const Result<ReplayReport> report = replay::replay(
        *recording, options,
        [&](std::uint64_t written) { progress.update(written, recording->size(), "spans"); },
        [] { return interrupted(); });
    progress.clear();
    if (!report) return report.error();
    const Result<void> printed = globals.json ? print_json(*report) : print_summary(*report);
    if (!printed) return printed.error();
    remark_troubles(*report);
    return report->complete() ? kExitOk : kExitNegative;
}

}  // namespace

void add_replay(CLI::App& app, Session& session) {
    auto flags = std::make_shared<Flags>();
    CLI::App* command =
        new_command(app, session, "replay", "Send recorded spans through the rings",
                    "spanring replay traces.csv                 as fast as they were recorded\n"
                    "spanring replay --speed max trace.json     as fast as it goes\n"
                    "spanring replay --processes 4 --speed 10 traces.csv");
    command->add_option("FILE", flags->file, "Recorded spans: nezha CSV or Zipkin v2 JSON")
        ->required();
    command->add_option("--format", flags->format, "nezha-csv or zipkin; else by the content");
    command->add_option("--processes", flags->processes,
                        "per-service (default), or how many processes share the services");
    command->add_option("--speed", flags->speed,
                        "1 (default): as recorded; X: X times as fast; max");
    command
        ->add_option("--hold", flags->hold_s,
                     "Keep the processes alive so many seconds after the last span")
        ->check(CLI::Range(0.0, 86400.0));
    command->callback([flags, &session] {
        session.action = [flags, &session] { return run(*flags, session.options); };
    });
}

}  // namespace spanring::tools
