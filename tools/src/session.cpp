// The common options, and where directory, database and configuration come from: flags win over
// the environment, the environment over the file.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "commands.hpp"
#include "spanring/shm/directory.hpp"
#include "spanring/store/database.hpp"

namespace spanring::tools {
namespace {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

// The string at the top-level `key` of the file; empty if the key is absent. spanringd checks the
// rest of the file, here only what is asked for matters.
Result<std::string> from_file(const std::string& path, const char* key) {
    if (path.empty()) return std::string();
    if (access(path.c_str(), R_OK) != 0) return os_error(errno, "configuration file " + path);
    const toml::parse_result parsed = toml::parse_file(path);
    if (!parsed) {
        return Error{ErrorCode::kInvalidArgument,
                     fmt::format("{}:{}: {}", path, parsed.error().source().begin.line,
                                 parsed.error().description())};
    }
    const toml::node* node = parsed.table().get(key);
    if (node == nullptr) return std::string();
    const auto text = node->value<std::string>();
    if (!text) {
        return Error{ErrorCode::kInvalidArgument,
                     fmt::format("{}:{}: {} must be a string (a directory)", path,
                                 node->source().begin.line, key)};
    }
    return *text;
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

}  // namespace spanring::tools
