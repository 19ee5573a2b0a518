// `spanring plan`: from rate, delay, bytes and retention to ring size and disk.
#include <fmt/format.h>
#include <sys/statvfs.h>

#include <memory>

#include "commands.hpp"
#include "json.hpp"
#include "meter.hpp"
#include "plan_arithmetic.hpp"
#include "select.hpp"
#include "spanring/abi/page_layout.h"
#include "term.hpp"

namespace spanring::tools {
namespace {

// Where the database has nothing to say: spans without attributes at the design's figures.
constexpr double kRateDefault = 100'000;
constexpr std::int64_t kDelayDefaultNs = 5'000'000;  // p99 of the default settings
constexpr double kStoredBytesDefault = 4.25;         // 8.5 bytes per span of two tracepoints
constexpr double kRecordBytesDefault = 12;           // begin and end 8, an attribute 16 and more
// Fewer say more about the frames' fixed parts than about tracepoints.
constexpr std::uint64_t kTracepointsMin = 10'000;
constexpr std::uint64_t kFramesMeasured = 2000;  // some seconds of a busy database

struct PlanOptions {
    std::string rate;
    std::string delay;
    std::string stored_bytes;
    std::string retention;
    double record_bytes{kRecordBytesDefault};
    std::uint64_t threads{16};
    std::uint64_t processes{1};
};

struct Sources {
    const char* rate{"assumed"};
    const char* delay{"assumed"};
    const char* stored_bytes{"assumed"};
    const char* retention{"default"};
};

// What the newest frames of the database say; nothing there: nothing changes.
void take_measured(const GlobalOptions& options, PlanInput* input, Sources* sources) {
    auto reader = open_database(options);
    if (!reader) return;
    Meter meter(INT64_MAX / 2);
    const std::uint64_t newest = (*reader)->newest_frame();
    std::int64_t last_commit_ns = 0;
    const auto visited =
        (*reader)->visit_frames_after(newest > kFramesMeasured ? newest - kFramesMeasured : 0,
                                      [&](const store::CommittedFrame& frame) {
                                          meter.add(frame);
                                          last_commit_ns = frame.committed_ns;
                                          return true;
                                      });
    if (!visited) return;
    const Measurement measured = meter.measure(last_commit_ns);
    if (measured.tracepoints < kTracepointsMin) return;
    input->stored_bytes = measured.bytes_per_tracepoint;
    sources->stored_bytes = "measured";
    if (measured.frames > 1 && measured.tracepoints_per_second > 0) {
        input->rate = measured.tracepoints_per_second;
        sources->rate = "measured";
    }
    if (measured.delay_ns_p99 > 0) {
        input->delay_seconds = static_cast<double>(measured.delay_ns_p99) / 1e9;
        sources->delay = "measured, p99";
    }
}

Result<void> take_given(const PlanOptions& wanted, PlanInput* input, Sources* sources) {
    if (!wanted.rate.empty()) {
        auto rate = parse_rate(wanted.rate);
        if (!rate) return std::move(rate).error().in("--rate");
        input->rate = *rate;
        sources->rate = "given";
    }
    if (!wanted.delay.empty()) {
        auto delay = parse_duration(wanted.delay);
        if (!delay) return std::move(delay).error().in("--delay");
        input->delay_seconds = static_cast<double>(*delay) / 1e9;
        sources->delay = "given";
    }
    if (!wanted.stored_bytes.empty()) {
        auto bytes = parse_rate(wanted.stored_bytes);
        if (!bytes) return std::move(bytes).error().in("--bytes");
        input->stored_bytes = *bytes;
        sources->stored_bytes = "given";
    }
    if (!wanted.retention.empty()) {
        auto retention = parse_duration(wanted.retention);
        if (!retention) return std::move(retention).error().in("--retention");
        input->retention_seconds = static_cast<double>(*retention) / 1e9;
        sources->retention = "given";
    }
    return {};
}

std::uint64_t free_bytes(const std::string& database) {
    // The database may not exist yet: its nearest folder that does is on the same disk.
    std::string path = database;
    struct statvfs disk {};
    while (!path.empty() && statvfs(path.c_str(), &disk) != 0) {
        const std::size_t slash = path.rfind('/');
        path = slash == std::string::npos || slash == 0 ? "" : path.substr(0, slash);
    }
    return path.empty() ? 0 : static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
}

std::string as_json(const PlanInput& input, const Sources& sources, const Plan& plan,
                    std::uint64_t disk_free) {
    Json json;
    json.open_object()
        .field("rate_per_second", input.rate)
        .field("rate_source", sources.rate)
        .field("delay_seconds", input.delay_seconds)
        .field("delay_source", sources.delay)
        .field("stored_bytes_per_tracepoint", input.stored_bytes)
        .field("stored_bytes_source", sources.stored_bytes)
        .field("retention_seconds", input.retention_seconds)
        .field("ring_bytes_per_tracepoint", input.record_bytes)
        .field("threads", input.threads)
        .field("processes", input.processes)
        .field("in_flight", plan.in_flight)
        .field("ring_bytes", plan.ring_bytes)
        .field("directory_bytes", plan.directory_bytes)
        .field("bridged_seconds", plan.bridged_seconds)
        .field("disk_bytes", plan.disk_bytes)
        .field("disk_bytes_per_day", plan.disk_bytes_per_day)
        .field("disk_free_bytes", disk_free)
        .close_object();
    return json.line();
}

std::string bytes_text(double bytes) {
    return format_bytes(static_cast<std::uint64_t>(std::min(bytes, 1e18)));
}

std::string duration_text(double seconds) {
    return format_duration(static_cast<std::int64_t>(std::min(seconds * 1e9, 9e18)));
}

std::string as_text(const PlanInput& input, const Sources& sources, const Plan& plan,
                    std::uint64_t disk_free) {
    const Terminal terminal = Terminal::of(1);
    const auto dim = [&](const std::string& text) { return terminal.paint(Style::kDim, text); };
    const auto bold = [&](const std::string& text) { return terminal.paint(Style::kBold, text); };
    std::string out;
    const auto given = [&](char letter, const std::string& value, const char* what,
                           const char* source) {
        out += fmt::format("{}  {:<12}  {}  {}\n", letter, value, what,
                           dim("(" + std::string(source) + ")"));
    };
    given('G', format_rate(input.rate), "tracepoints per second and process", sources.rate);
    given('D', duration_text(input.delay_seconds), "from the tracepoint to the database",
          sources.delay);
    given('C', fmt::format("{:.2f} B", input.stored_bytes), "in the database per tracepoint",
          sources.stored_bytes);
    given('T', duration_text(input.retention_seconds), "retention", sources.retention);

    out += fmt::format("\nR = G × D = {} tracepoints in flight\n",
                       bold(format_count(static_cast<std::uint64_t>(plan.in_flight))));
    out += fmt::format(
        "    ring {} per process {}\n", bold(format_bytes(plan.ring_bytes)),
        dim(fmt::format("(R × {:g} B + {} pages of {}, doubled, power of two)", input.record_bytes,
                        input.threads, format_bytes(input.page_bytes))));
    out += fmt::format("    it bridges {} without a consumer; {} of tmpfs for {} process{}\n",
                       duration_text(plan.bridged_seconds), format_bytes(plan.directory_bytes),
                       input.processes, input.processes == 1 ? "" : "es");
    out += fmt::format("S = G × C × T = {} of disk, {} a day\n", bold(bytes_text(plan.disk_bytes)),
                       bytes_text(plan.disk_bytes_per_day));
    if (disk_free != 0 && plan.disk_bytes > static_cast<double>(disk_free)) {
        out += terminal.paint(Style::kYellow, fmt::format("    the disk has only {} free",
                                                          format_bytes(disk_free))) +
               "\n";
    }
    return out;
}

Result<int> show_plan(const GlobalOptions& options, const PlanOptions& wanted) {
    PlanInput input;
    input.rate = kRateDefault;
    input.delay_seconds = static_cast<double>(kDelayDefaultNs) / 1e9;
    input.stored_bytes = kStoredBytesDefault;
    input.retention_seconds = static_cast<double>(store::WriterOptions{}.retention.count());
    input.record_bytes = wanted.record_bytes;
    input.threads = wanted.threads;
    input.processes = wanted.processes;
    input.page_bytes = SPANRING_PAGE_BYTES_DEFAULT;
    Sources sources;
    const bool all_given =
        !wanted.rate.empty() && !wanted.delay.empty() && !wanted.stored_bytes.empty();
    if (!all_given) take_measured(options, &input, &sources);
    if (auto given = take_given(wanted, &input, &sources); !given) return std::move(given).error();
    const Plan plan = make_plan(input);
    auto path = database_path(options);
    if (!path) return std::move(path).error();
    const std::uint64_t disk_free = free_bytes(*path);
    const std::string out = options.json ? as_json(input, sources, plan, disk_free)
                                         : as_text(input, sources, plan, disk_free);
    if (auto done = print(out); !done) return std::move(done).error();
    return kExitOk;
}

}  // namespace

void add_plan(CLI::App& app, Session& session) {
    CLI::App* command =
        new_command(app, session, "plan", "Compute ring size and disk: R = G×D, S = G×C×T",
                    "spanring plan   (from what the database measures)\n"
                    "spanring plan --rate 1M --delay 5ms --bytes 4.2 --retention 7d\n"
                    "spanring plan --rate 200k --processes 12 --delay 2s   (bridge a restart)");
    auto wanted = std::make_shared<PlanOptions>();
    command->add_option("--rate", wanted->rate, "G: tracepoints per second and process")
        ->type_name("N");
    command->add_option("--delay", wanted->delay, "D: the longest delay to bridge")
        ->type_name("TIME");
    command->add_option("--bytes", wanted->stored_bytes, "C: bytes in the database per tracepoint")
        ->type_name("N");
    command->add_option("--retention", wanted->retention, "T: how long spans are kept")
        ->type_name("TIME");
    command->add_option("--record-bytes", wanted->record_bytes, "Bytes in the ring per tracepoint")
        ->check(CLI::Range(8.0, 1048576.0))
        ->type_name("N")
        ->capture_default_str();
    command->add_option("--threads", wanted->threads, "Threads that trace, per process")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{65536}))
        ->type_name("N")
        ->capture_default_str();
    command->add_option("--processes", wanted->processes, "Processes that trace")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{16384}))
        ->type_name("N")
        ->capture_default_str();
    command->callback([&session, wanted] {
        session.action = [&session, wanted] { return show_plan(session.options, *wanted); };
    });
}

}  // namespace spanring::tools
