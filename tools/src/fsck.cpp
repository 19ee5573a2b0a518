// `spanring fsck`: reads every byte of the database and says whether it is sound.
#include <fmt/format.h>

#include <memory>

#include "commands.hpp"
#include "json.hpp"
#include "spanring/store/database.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

using store::CheckReport;

std::string as_json(const std::string& path, const CheckReport& report) {
    Json json;
    json.open_object()
        .field("database", path)
        .field("sound", report.frames_bad == 0)
        .field("windows", report.windows)
        .field("frames_good", report.frames_good)
        .field("frames_bad", report.frames_bad)
        .field("spans", report.spans)
        .field("bytes", report.bytes)
        .field("tail_bytes", report.tail_bytes)
        .key("problems")
        .open_array();
    for (const std::string& problem : report.problems) json.value(problem);
    json.close_array().close_object();
    return json.line();
}

std::string as_text(const std::string& path, const CheckReport& report) {
    const Terminal terminal = Terminal::of(1);
    std::string out = fmt::format("{}\n{} windows, {} frames, {} spans, {}\n", path, report.windows,
                                  format_count(report.frames_good), format_count(report.spans),
                                  format_bytes(report.bytes));
    for (const std::string& problem : report.problems) {
        out += terminal.paint(Style::kRed, "✗ ") + problem + "\n";
    }
    if (report.tail_bytes != 0) {
        out += fmt::format("{} of an unfinished frame at the end; the next start cuts it off\n",
                           format_bytes(report.tail_bytes));
    }
    if (report.frames_bad == 0) return out + terminal.paint(Style::kGreen, "sound") + "\n";
    return out + terminal.paint(Style::kRed, fmt::format("{} damaged", report.frames_bad)) +
           "; queries skip what is damaged and read on;\n`spanring fsck --repair` takes it out\n";
}

struct FsckOptions {
    bool repair{false};
    bool rebuild{false};
};

Result<void> repair_database(const GlobalOptions& options, const std::string& path) {
    auto report = [&] {
        ProgressLine progress("repair", options.quiet);
        return store::repair(path, [&](std::uint64_t done_bytes, std::uint64_t total_bytes) {
            progress.update(done_bytes, total_bytes, "B");
        });
    }();
    if (!report) return std::move(report).error();
    if (options.quiet) return {};
    remark(fmt::format("{} windows repaired, {} taken out", report->windows,
                       format_bytes(report->bytes_taken_out)));
    for (const std::string& kept : report->kept) {
        remark("the damaged file is kept: " + kept + "; remove it when nobody needs it any more");
    }
    return {};
}

Result<int> check_database(const GlobalOptions& options, const FsckOptions& what) {
    auto path = database_path(options);
    if (!path) return std::move(path).error();
    if (what.repair) {
        if (auto repaired = repair_database(options, *path); !repaired) {
            return std::move(repaired).error();
        }
    }
    if (what.rebuild) {
        ProgressLine progress("rebuild the catalogue", options.quiet);
        auto done = store::rebuild_catalogue(
            *path, [&](std::uint64_t done_bytes, std::uint64_t total_bytes) {
                progress.update(done_bytes, total_bytes, "B");
            });
        if (!done) return std::move(done).error();
    }
    Result<CheckReport> report = [&] {
        ProgressLine progress("check", options.quiet);
        return store::check(*path, [&](std::uint64_t done_bytes, std::uint64_t total_bytes) {
            progress.update(done_bytes, total_bytes, "B");
        });
    }();
    if (!report) return std::move(report).error();
    if (auto done = print(options.json ? as_json(*path, *report) : as_text(*path, *report));
        !done) {
        return std::move(done).error();
    }
    return report->frames_bad == 0 ? kExitOk : kExitNegative;
}

}  // namespace

void add_fsck(CLI::App& app, Session& session) {
    CLI::App* command = new_command(app, session, "fsck", "Check the database; exit 1 if damaged",
                                    "spanring fsck\n"
                                    "spanring fsck --db /srv/traces --json\n"
                                    "spanring fsck --repair              (while no consumer runs)\n"
                                    "spanring fsck --rebuild-catalogue   (while no consumer runs)");
    auto what = std::make_shared<FsckOptions>();
    command->add_flag("--repair", what->repair,
                      "First take out what is no frame; the damaged files are kept beside");
    command->add_flag("--rebuild-catalogue", what->rebuild, "First make the catalogue anew");
    command->callback([&session, what] {
        session.action = [&session, what] { return check_database(session.options, *what); };
    });
}

}  // namespace spanring::tools
