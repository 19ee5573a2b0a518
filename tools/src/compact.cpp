// `spanring compact`: merges what is sealed into few large batches, now.
#include <fmt/format.h>

#include <memory>

#include "commands.hpp"
#include "json.hpp"
#include "spanring/store/database.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

using store::CompactReport;

std::string as_json(const std::string& path, const CompactReport& report) {
    Json json;
    json.open_object()
        .field("database", path)
        .field("windows", report.windows)
        .field("spans", report.spans)
        .field("bytes_before", report.bytes_before)
        .field("bytes_after", report.bytes_after)
        .key("problems")
        .open_array();
    for (const std::string& problem : report.problems) json.value(problem);
    json.close_array().close_object();
    return json.line();
}

std::string as_text(const std::string& path, const CompactReport& report) {
    const Terminal terminal = Terminal::of(1);
    std::string out = path + "\n";
    if (report.windows == 0) {
        out += "nothing to compact\n";
    } else {
        out += fmt::format("{} windows, {} spans: {} became {}\n", report.windows,
                           format_count(report.spans), format_bytes(report.bytes_before),
                           format_bytes(report.bytes_after));
    }
    for (const std::string& problem : report.problems) {
        out += terminal.paint(Style::kRed, "✗ ") + problem + "\n";
    }
    return out;
}

Result<int> compact_database(const GlobalOptions& options, int zstd_level) {
    auto path = database_path(options);
    if (!path) return std::move(path).error();
    store::CompactionOptions compaction;
    compaction.zstd_level = zstd_level;
    auto report = store::compact(*path, compaction);
    if (!report) return std::move(report).error();
    if (auto done = print(options.json ? as_json(*path, *report) : as_text(*path, *report));
        !done) {
        return std::move(done).error();
    }
    return report->problems.empty() ? kExitOk : kExitNegative;
}

}  // namespace

void add_compact(CLI::App& app, Session& session) {
    CLI::App* command = new_command(app, session, "compact", "Make the database smaller now",
                                    "spanring compact\n"
                                    "spanring compact --db /srv/traces --zstd-level 9 --json");
    auto level = std::make_shared<int>(0);
    command
        ->add_option("--zstd-level", *level, "zstd where it makes a column smaller; 0: LZ4 alone")
        ->type_name("LEVEL")
        ->check(CLI::Range(0, store::kZstdLevelMax));
    command->callback([&session, level] {
        session.action = [&session, level] { return compact_database(session.options, *level); };
    });
}

}  // namespace spanring::tools
