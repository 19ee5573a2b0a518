// `spanring status`: who traces, how full, what was lost.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "commands.hpp"
#include "json.hpp"
#include "rings.hpp"
#include "select.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

/// With less room than this the frame of a busy turn may not fit.
constexpr std::uintmax_t kDiskReserve = 1u << 20;

struct Status {
    RingsView rings;
    std::string database;
    std::uint64_t database_bytes{0};
    std::optional<store::DatabaseStats> stats;  // absent: no database yet
    std::uint64_t lost{0};
};

/// A database that takes no frames shows as full rings and losses: the cause belongs beside them.
void check_disk(Status& status) {
    std::error_code failed;
    const auto disk = std::filesystem::space(status.database, failed);
    if (failed || disk.available >= kDiskReserve) return;
    status.rings.problems.push_back("the disk of the database is full (" +
                                    format_bytes(disk.available) +
                                    " free): rings fill and lose until there is room");
}

Result<Status> gather(const GlobalOptions& options) {
    Status status;
    auto directory = ring_directory(options);
    if (!directory) return std::move(directory).error();
    auto rings = look_at_rings(*directory, Pending::kSkip);
    if (!rings) return std::move(rings).error();
    status.rings = std::move(*rings);
    auto path = database_path(options);
    if (!path) return std::move(path).error();
    status.database = *path;
    auto reader = store::Reader::open(*path);
    if (reader) {
        auto stats = (*reader)->stats();
        if (!stats) return std::move(stats).error();
        status.stats = std::move(*stats);
        status.database_bytes = status.stats->bytes;
        check_disk(status);
    } else if (reader.error().code != ErrorCode::kNotFound) {
        return std::move(reader).error();
    }
    static const std::vector<store::InstanceLosses> kNone;
    status.lost = lost_total(status.rings, status.stats ? status.stats->losses : kNone);
    return status;
}

void write_producer(Json& json, const ProducerView& producer) {
    json.open_object()
        .field("pid", producer.pid)
        .field("process", producer.process)
        .field("instance", hex_of(producer.instance.bytes))
        .field("alive", producer.alive)
        .field("threads", producer.threads)
        .field("ring_bytes", producer.ring_bytes)
        .field("ring_bytes_max", producer.ring_bytes_max)
        .field("ring_used_bytes", producer.ring_used_bytes)
        .field("ring_fill", producer.fill())
        .key("lost");
    write_losses(json, producer.lost);
    json.close_object();
}

void write_recorded(Json& json, const std::vector<store::InstanceLosses>& losses) {
    json.open_array();
    for (const store::InstanceLosses& recorded : losses) {
        if (recorded.spans + recorded.ends + recorded.details == 0) continue;
        json.open_object()
            .field("pid", recorded.pid)
            .field("process", recorded.process_name)
            .field("instance", hex_of(recorded.id.bytes))
            .field("ended", recorded.ended)
            .field("spans", recorded.spans)
            .field("ends", recorded.ends)
            .field("details", recorded.details)
            .close_object();
    }
    json.close_array();
}

void write_notices(Json& json, const std::vector<shm::Notice>& notices) {
    json.open_array();
    for (const shm::Notice& notice : notices) {
        json.open_object()
            .field("kind", shm::notice_kind_name(notice.kind))
            .field("at_s", notice.at_s)
            .field("count", notice.count)
            .field("uid", notice.uid)
            .field("pid", notice.pid)
            .field("process", notice.process)
            .field("file", notice.file)
            .field("reason", notice.reason)
            .close_object();
    }
    json.close_array();
}

void write_confinement(Json& json, const std::optional<Confinement>& confinement) {
    if (!confinement) {
        json.null();
        return;
    }
    json.open_object()
        .field("uid", confinement->uid)
        .field("capabilities", confinement->capabilities)
        .field("no_new_privileges", confinement->no_new_privileges)
        .field("seccomp", confinement->filtered)
        .close_object();
}

std::string as_json(const Status& status) {
    Json json;
    json.open_object().key("consumer").open_object();
    json.field("pid", status.rings.consumer_pid)
        .field("running", status.rings.consumer_pid.has_value())
        .field("enabled", status.rings.enabled)
        .field("spans_closed_early", status.rings.counts.spans_closed_early)
        .field("ends_late", status.rings.counts.ends_late)
        .field("spans_unstorable", status.rings.counts.spans_unstorable)
        .field("segments_quarantined", status.rings.counts.segments_quarantined)
        .key("confinement");
    write_confinement(json, status.rings.confinement);
    json.close_object().key("notices");
    write_notices(json, status.rings.notices);
    json.field("directory", status.rings.directory)
        .field("segment_bytes", status.rings.segment_bytes)
        .field("quarantined_files", status.rings.quarantined_files)
        .field("quarantined_bytes", status.rings.quarantined_bytes)
        .field("database", status.database)
        .field("database_bytes", status.database_bytes)
        .field("spans", status.stats ? status.stats->spans : 0)
        .field("windows", status.stats ? status.stats->windows : 0)
        .field("frames", status.stats ? status.stats->frames : 0)
        .key("producers")
        .open_array();
    for (const ProducerView& producer : status.rings.producers) write_producer(json, producer);
    json.close_array().key("recorded_losses");
    write_recorded(json,
                   status.stats ? status.stats->losses : std::vector<store::InstanceLosses>());
    json.field("lost_total", status.lost).key("problems").open_array();
    for (const std::string& problem : status.rings.problems) json.value(problem);
    json.close_array().close_object();
    return json.line();
}

std::string consumer_line(const RingsView& rings, const Terminal& terminal) {
    if (!rings.consumer_pid) {
        return terminal.paint(Style::kYellow, "not running") + " (`spanring up` starts it)";
    }
    const std::string who = *rings.consumer_pid < 0 ? std::string("in another pid namespace")
                                                    : fmt::format("pid {}", *rings.consumer_pid);
    return terminal.paint(Style::kGreen, "running") + ", " + who +
           (rings.enabled ? "" : ", not draining yet") +
           (rings.confinement && !rings.confinement->whole()
                ? terminal.paint(Style::kYellow, ", not confined (`spanring doctor`)")
                : "");
}

std::string notices_lines(const std::vector<shm::Notice>& notices, const Terminal& terminal) {
    std::string out;
    for (const shm::Notice& notice : notices) {
        const bool degraded = notice.kind == shm::Notice::Kind::kDegraded;
        const std::int64_t age = realtime_now_ns() - notice.at_s * 1'000'000'000;
        std::string line =
            degraded
                ? std::string("the database takes no frames: rings fill and lose until it does")
                : whose(notice);
        if (notice.count > 1) line += fmt::format(" and {} more", notice.count - 1);
        line += ": " + notice.reason;
        out += fmt::format("{:<11} {} ({} ago)\n",
                           terminal.paint(degraded ? Style::kRed : Style::kYellow,
                                          shm::notice_kind_name(notice.kind)),
                           printable(line), format_duration(age < 0 ? 0 : age));
    }
    return out;
}

std::string producers_table(const std::vector<ProducerView>& producers, const Terminal& terminal) {
    Table table({{"PID", Table::Align::kRight},
                 {"PROCESS", Table::Align::kLeft, 32},
                 {"STATE"},
                 {"THREADS", Table::Align::kRight},
                 {"RING", Table::Align::kRight},
                 {"FILL"},
                 {"LOST", Table::Align::kRight}});
    for (const ProducerView& producer : producers) {
        const bool lossy = producer.lost.total() != 0;
        table.row({std::to_string(producer.pid), printable(producer.process),
                   producer.alive ? std::string("alive") : terminal.paint(Style::kDim, "ended"),
                   std::to_string(producer.threads), format_bytes(producer.ring_bytes),
                   fmt::format("{} {:3.0f} %", bar(producer.fill(), 10), producer.fill() * 100),
                   terminal.paint(lossy ? Style::kRed : Style::kDim,
                                  format_count(producer.lost.total()))});
    }
    return table.render(terminal);
}

std::string reasons_line(const std::vector<ProducerView>& producers) {
    std::array<std::uint64_t, SPANRING_LOST_REASONS> sums{};
    for (const ProducerView& producer : producers) {
        for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += producer.lost.by_reason[i];
    }
    std::string out;
    for (std::size_t i = 0; i < sums.size(); ++i) {
        if (sums[i] == 0) continue;
        out += fmt::format("{}{} {}", out.empty() ? "" : ", ", loss_reason_name(i),
                           format_count(sums[i]));
    }
    return out;
}

/// What the consumers had to do, as far as there is anything.
std::string counts_lines(const shm::ConsumerCounts& counts, const Terminal& terminal) {
    std::string out;
    const auto line = [&](const char* name, std::uint64_t count, const char* what) {
        if (count == 0) return;
        out += fmt::format("{:<11}{} {}\n", name,
                           terminal.paint(Style::kYellow, format_count(count)), what);
    };
    line("closed", counts.spans_closed_early,
         "spans early, as unfinished: the oldest of too many open ones");
    line("late", counts.ends_late, "ends of such spans, dropped");
    line("unstorable", counts.spans_unstorable, "spans that could not be encoded, lost");
    line("quarantine", counts.segments_quarantined, "rings that broke the rules, put aside");
    return out;
}

std::string as_text(const Status& status) {
    const Terminal terminal = Terminal::of(1);
    std::string out = "consumer   " + consumer_line(status.rings, terminal) + "\n";
    out += "rings      " + status.rings.directory;
    out += status.rings.exists ? ", " + format_bytes(status.rings.segment_bytes)
                               : terminal.paint(Style::kDim, " (not there yet)");
    out += "\ndatabase   " + status.database;
    if (status.stats) {
        out += fmt::format(", {} spans, {}", format_count(status.stats->spans),
                           format_bytes(status.database_bytes));
    } else {
        out += terminal.paint(Style::kDim, " (not there yet)");
    }
    out += "\nlost       ";
    if (status.lost == 0) {
        out += terminal.paint(Style::kGreen, "nothing") + "\n";
    } else {
        const std::string reasons = reasons_line(status.rings.producers);
        out += terminal.paint(Style::kRed, format_count(status.lost)) +
               (reasons.empty() ? " (recorded, of processes that have ended)"
                                : " (live: " + reasons + ")") +
               "\n";
    }
    out += counts_lines(status.rings.counts, terminal);
    out += notices_lines(status.rings.notices, terminal);
    if (!status.rings.producers.empty()) {
        out += "\n" + producers_table(status.rings.producers, terminal);
    } else {
        out += terminal.paint(Style::kDim, "\nno process traces at the moment") + "\n";
    }
    for (const std::string& problem : status.rings.problems) {
        out += terminal.paint(Style::kYellow, "! ") + printable(problem) + "\n";
    }
    return out;
}

Result<int> show_status(const GlobalOptions& options, bool check) {
    auto status = gather(options);
    if (!status) return std::move(status).error();
    if (auto done = print(options.json ? as_json(*status) : as_text(*status)); !done) {
        return std::move(done).error();
    }
    return check && status->lost != 0 ? kExitNegative : kExitOk;
}

}  // namespace

void add_status(CLI::App& app, Session& session) {
    CLI::App* command = new_command(app, session, "status",
                                    "Show consumer, database, processes, ring fill and losses",
                                    "spanring status\n"
                                    "spanring status --json | jq .consumer.pid\n"
                                    "spanring status --check || echo 'something was lost'");
    auto check = std::make_shared<bool>(false);
    command->add_flag("--check", *check, "Exit 1 if anything was lost, live or recorded");
    command->callback([&session, check] {
        session.action = [&session, check] { return show_status(session.options, *check); };
    });
}

}  // namespace spanring::tools
