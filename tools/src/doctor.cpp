// `spanring doctor [PID]`: why do I see no spans? Each line says ok, warn or fail, and what to do.
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <memory>

#include "commands.hpp"
#include "doctor_process.hpp"
#include "findings.hpp"
#include "json.hpp"
#include "rings.hpp"
#include "spanring/shm/clock.hpp"
#include "spanring/shm/directory.hpp"
#include "spanring/store/database.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

constexpr std::uint64_t kTmpfsReserve = 16u << 20;  // one more process with a full ring
constexpr std::uint64_t kDiskReserve = 256u << 20;  // one more window
constexpr std::int64_t kMinuteNs = 60'000'000'000;

void check_space(const char* name, const std::string& path, std::uint64_t reserve,
                 const char* advice, Findings* findings) {
    struct statvfs disk {};
    if (statvfs(path.c_str(), &disk) != 0) return;
    const std::uint64_t free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
    if (free < reserve) {
        findings->warn(name, format_bytes(free) + " free", advice);
    } else {
        findings->ok(name, format_bytes(free) + " free");
    }
}

void check_control(const shm::RingDirectory& directory, bool consumer_runs, Findings* findings) {
    const auto control = directory.map_control(Mapping::Access::kRead);
    if (!control) {
        findings->fail("control page", control.error().message,
                       "start a consumer with `spanring up`; it makes the page");
    } else if (control->enabled()) {
        findings->ok("control page", consumer_runs ? "tracing is enabled"
                                                   : "enabled: processes write into their rings");
    } else {
        findings->fail("control page", "tracing is switched off",
                       "it is on while a consumer runs: `spanring up`");
    }
}

void check_consumer(const shm::RingDirectory& directory, Findings* findings) {
    const auto pid = directory.consumer_pid();
    if (!pid) {
        findings->fail("consumer", pid.error().message, "look at the directory's permissions");
    } else if (*pid == 0) {
        findings->fail("consumer", "none runs for this directory",
                       "start one with `spanring up`, with the same SPANRING_DIR as the program");
    } else if (*pid < 0) {
        findings->ok("consumer", "runs in another pid namespace");
    } else {
        findings->ok("consumer", fmt::format("runs, pid {}", *pid));
    }
    check_control(directory, pid && *pid != 0, findings);
}

void check_confinement(const std::optional<Confinement>& confinement, Findings* findings) {
    if (!confinement) return;
    if (confinement->whole()) {
        findings->ok("confinement", fmt::format("uid {}, no capabilities, its system calls are "
                                                "filtered",
                                                confinement->uid));
        return;
    }
    std::string has;
    if (confinement->capabilities) has += "has capabilities";
    if (!confinement->filtered) has += (has.empty() ? "" : ", ") + std::string("no seccomp filter");
    if (!confinement->no_new_privileges) has += has.empty() ? "may gain privileges" : "";
    findings->warn("confinement", "the consumer " + has,
                   "security.seccomp is off, or this kernel or container has none: see its log");
}

void check_notices(const RingsView& rings, Findings* findings) {
    for (const shm::Notice& notice : rings.notices) {
        switch (notice.kind) {
            case shm::Notice::Kind::kQuarantined:
                findings->warn("quarantine", whose(notice) + ": " + notice.reason,
                               "a damaged or hostile process; look with `spanring inspect`, then "
                               "remove the *.quarantined file");
                break;
            case shm::Notice::Kind::kRefused:
                findings->warn("refused",
                               fmt::format("{} rings, such as {}: {}", notice.count, whose(notice),
                                           notice.reason),
                               "it writes until its ring is full; end some of its processes, or "
                               "raise the limit");
                break;
            case shm::Notice::Kind::kDegraded:
                findings->fail("database", "takes no frames: " + notice.reason,
                               "mend the disk or its permissions; it goes on by itself then");
        }
    }
}

void check_directory(const std::string& path, Findings* findings) {
    const auto directory = shm::RingDirectory::open(path, shm::RingDirectory::Create::kNo);
    if (!directory) {
        const bool missing = directory.error().code == ErrorCode::kNotFound;
        findings->fail("ring directory", directory.error().message,
                       missing ? "`spanring up` makes it; or SPANRING_DIR names another one"
                               : "give it to this user, or name another one with SPANRING_DIR");
        return;
    }
    if (access(path.c_str(), W_OK | X_OK) == 0) {
        findings->ok("ring directory", path);
    } else {
        findings->fail("ring directory", path + " cannot be written by this user",
                       "programs of this user cannot trace; name another one with SPANRING_DIR");
    }
    check_consumer(*directory, findings);
    check_space("ring memory", path, kTmpfsReserve,
                "free memory in this tmpfs, or make it larger (mount -o remount,size=...)",
                findings);
}

void check_segments(const RingsView& rings, Findings* findings) {
    for (const std::string& problem : rings.problems) {
        findings->fail("segment", problem,
                       "program and consumer must be of versions that understand each other");
    }
    check_confinement(rings.confinement, findings);
    check_notices(rings, findings);
    if (rings.quarantined_files != 0) {
        findings->warn("quarantine",
                       fmt::format("{} rings were put aside, {}", rings.quarantined_files,
                                   format_bytes(rings.quarantined_bytes)),
                       "look with `spanring inspect`, then remove the *.quarantined files");
    }
    if (rings.counts.spans_closed_early != 0) {
        findings->warn(
            "open spans",
            fmt::format("{} were stored as unfinished because too many were open",
                        format_count(rings.counts.spans_closed_early)),
            "a program does not end its asynchronous spans; the consumer's log names it");
    }
    LossCounts lost;
    std::size_t alive = 0;
    for (const ProducerView& producer : rings.producers) {
        alive += producer.alive ? 1 : 0;
        for (std::size_t i = 0; i < lost.by_reason.size(); ++i) {
            lost.by_reason[i] += producer.lost.by_reason[i];
        }
    }
    if (alive == 0) {
        findings->warn("processes", "none traces at the moment",
                       "a process shows up at its first tracepoint; `spanring doctor PID` looks at "
                       "one");
    } else {
        findings->ok("processes", fmt::format("{} trace", alive));
    }
    static constexpr const char* kAdvice[SPANRING_LOST_REASONS] = {
        "larger rings (ring_bytes_max), or the block policy", "less work inside signal handlers",
        "shorter attributes: a span holds 1 MiB", "more memory for the ring directory"};
    for (std::size_t i = 0; i < lost.by_reason.size(); ++i) {
        if (lost.by_reason[i] == 0) continue;
        findings->warn(
            "losses", fmt::format("{} by {}", format_count(lost.by_reason[i]), loss_reason_name(i)),
            kAdvice[i]);
    }
}

void check_database(const std::string& path, Findings* findings) {
    auto reader = store::Reader::open(path);
    if (!reader) {
        if (reader.error().code == ErrorCode::kNotFound) {
            findings->warn("database", "none at " + path + " yet",
                           "it is made by the first consumer; SPANRING_DB names another place");
        } else {
            findings->fail("database", reader.error().message,
                           "look at its permissions, and at `spanring fsck`");
        }
        return;
    }
    const auto stats = (*reader)->stats();
    if (!stats) {
        findings->fail("database", stats.error().message, "look at `spanring fsck`");
        return;
    }
    if (stats->spans == 0) {
        findings->warn("database", path + " holds no spans", "nothing was traced yet");
    } else {
        const std::int64_t age = realtime_now_ns() - stats->newest_commit_ns;
        findings->ok("database",
                     fmt::format("{}: {} spans, {}, last commit {}", path,
                                 format_count(stats->spans), format_bytes(stats->bytes),
                                 age < kMinuteNs ? "just now" : format_duration(age) + " ago"));
    }
    for (const std::string& warning : (*reader)->warnings()) {
        findings->warn("database", warning, "what is damaged is skipped; see `spanring fsck`");
    }
    check_space("disk", path, kDiskReserve,
                "the consumer removes the oldest windows, then rings fill up: free some space",
                findings);
}

void check_clock(Findings* findings) {
    if (shm::clock_kind() == SPANRING_CLOCK_TSC) {
        findings->ok("clock", "the CPU's counter");
    } else {
        findings->ok("clock",
                     "CLOCK_MONOTONIC (the kernel does not trust the CPU's counter): a "
                     "tracepoint costs some 20 ns more");
    }
}

std::string as_json(const Findings& findings) {
    Json json;
    json.open_object().field("healthy", findings.failures() == 0).key("checks").open_array();
    for (const Finding& finding : findings.all()) {
        json.open_object()
            .field("level", finding.level_name())
            .field("check", finding.check)
            .field("found", finding.found)
            .field("advice", finding.advice)
            .close_object();
    }
    json.close_array().close_object();
    return json.line();
}

std::string as_text(const Findings& findings) {
    const Terminal terminal = Terminal::of(1);
    std::string out;
    for (const Finding& finding : findings.all()) {
        const Style style = finding.level == Finding::Level::kOk     ? Style::kGreen
                            : finding.level == Finding::Level::kWarn ? Style::kYellow
                                                                     : Style::kRed;
        out += terminal.paint(style, fmt::format("{:<4}", finding.level_name())) +
               fmt::format("  {:<15} {}\n", finding.check, printable(finding.found));
        if (!finding.advice.empty()) {
            out += fmt::format("{:22}", "") + terminal.paint(Style::kDim, "→ " + finding.advice) +
                   "\n";
        }
    }
    return out;
}

Result<int> examine(const GlobalOptions& options, std::uint32_t pid) {
    auto directory = ring_directory(options);
    if (!directory) return std::move(directory).error();
    auto database = database_path(options);
    if (!database) return std::move(database).error();
    Findings findings;
    check_directory(*directory, &findings);
    if (const auto rings = look_at_rings(*directory, Pending::kCount); rings && rings->exists) {
        check_segments(*rings, &findings);
        if (pid != 0) examine_process(pid, *rings, &findings);
    } else if (pid != 0) {
        examine_process(pid, RingsView{}, &findings);
    }
    check_database(*database, &findings);
    check_clock(&findings);
    if (auto done = print(options.json ? as_json(findings) : as_text(findings)); !done) {
        return std::move(done).error();
    }
    return findings.failures() == 0 ? kExitOk : kExitNegative;
}

}  // namespace

void add_doctor(CLI::App& app, Session& session) {
    CLI::App* command =
        new_command(app, session, "doctor", "Why do I see no spans? Exit 1 if something is broken",
                    "spanring doctor\n"
                    "spanring doctor 4711   (looks at that process too)\n"
                    "spanring doctor --json");
    auto pid = std::make_shared<std::uint32_t>(0);
    command->add_option("PID", *pid, "Process that should trace")
        ->check(CLI::Range(1u, 4194304u));  // PID_MAX_LIMIT of Linux
    command->callback([&session, pid] {
        session.action = [&session, pid] { return examine(session.options, *pid); };
    });
}

}  // namespace spanring::tools
