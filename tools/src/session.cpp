// The common options, and where directory, database and configuration come from: flags win over
// the environment, the environment over the file.
#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "commands.hpp"
#include "spanring/base/toml_letters.hpp"
#include "spanring/shm/directory.hpp"
#include "spanring/store/database.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

Result<std::string> read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::string content;
    for (char block[4096]; in.read(block, sizeof block) || in.gcount() > 0;) {
        content.append(block, static_cast<std::size_t>(in.gcount()));
    }
    // A folder opens, and fails when it is read.
    if (in.is_open() && !in.bad()) return content;
    return os_error(errno != 0 ? errno : EIO, "configuration file " + path);
}

// What stands at `key` ("store.bytes_max") of the file, a string or a number as text; empty if the
// key is absent. spanringd checks the rest of the file, here only what is asked for matters.
Result<std::string> from_file(const std::string& path, const char* key) {
    if (path.empty()) return std::string();
    const auto read = read_file(path);
    if (!read) return read;
    const std::string& content = *read;
    if (auto checked = check_toml_letters(content, path); !checked) {
        return std::move(checked).error();
    }
    const toml::parse_result parsed = toml::parse(content, path);
    if (!parsed) {
        return Error{ErrorCode::kInvalidArgument,
                     fmt::format("{}:{}: {}", path, parsed.error().source().begin.line,
                                 printable(parsed.error().description()))};
    }
    const auto node = parsed.table().at_path(key);
    if (!node) return std::string();
    if (const auto text = node.value_exact<std::string>()) return *text;
    if (const auto number = node.value_exact<std::int64_t>()) return std::to_string(*number);
    return Error{ErrorCode::kInvalidArgument, fmt::format("{}:{}: {} must be a string", path,
                                                          node.node()->source().begin.line, key)};
}

std::string indented(const std::string& text) {
    std::istringstream lines(text);
    std::string out = "Examples:\n";
    for (std::string line; std::getline(lines, line);) out += "  " + line + "\n";
    out.pop_back();
    return out;
}

}  // namespace

void add_common_options(CLI::App& app, Session& session) {
    GlobalOptions& options = session.options;
    constexpr const char* kGroup = "Common options";
    app.add_option("--dir", options.dir, "Ring directory (or SPANRING_DIR)")
        ->type_name("PATH")
        ->group(kGroup);
    app.add_option("--db", options.db, "Database directory (or SPANRING_DB)")
        ->type_name("PATH")
        ->group(kGroup);
    app.add_option("--config", options.config, "Configuration file (or SPANRING_CONFIG)")
        ->type_name("FILE")
        ->group(kGroup);
    app.add_flag("--json", options.json, "Machine-readable output")->group(kGroup);
    app.add_flag("-q,--quiet", options.quiet, "No progress and no remarks")->group(kGroup);
}

CLI::App* new_command(CLI::App& app, Session& session, const std::string& name,
                      const std::string& description, const std::string& examples) {
    CLI::App* command = app.add_subcommand(name, description);
    command->get_formatter()->column_width(34);
    command->footer(indented(examples));
    add_common_options(*command, session);
    return command;
}

std::string config_path(const GlobalOptions& options) {
    return options.config.empty() ? environment("SPANRING_CONFIG") : options.config;
}

Result<std::string> ring_directory(const GlobalOptions& options) {
    if (!options.dir.empty()) return options.dir;
    std::string path = environment("SPANRING_DIR");
    if (!path.empty()) return path;
    auto configured = from_file(config_path(options), "directory");
    if (!configured || !configured->empty()) return configured;
    return shm::default_ring_directory();
}

Result<std::string> database_path(const GlobalOptions& options) {
    if (!options.db.empty()) return options.db;
    std::string path = environment("SPANRING_DB");
    if (!path.empty()) return path;
    auto configured = from_file(config_path(options), "database");
    if (!configured || !configured->empty()) return configured;
    return store::default_database_path();
}

Result<std::uint64_t> database_bytes_max(const GlobalOptions& options) {
    auto configured = from_file(config_path(options), "store.bytes_max");
    if (!configured) return std::move(configured).error();
    if (configured->empty()) return store::WriterOptions{}.database_bytes_max;
    auto bytes = parse_bytes(*configured);
    if (!bytes) return std::move(bytes).error().in(config_path(options) + ": store.bytes_max");
    return bytes;
}

Result<std::string> configured_log_file(const GlobalOptions& options) {
    return from_file(config_path(options), "log.file");
}

}  // namespace spanring::tools
