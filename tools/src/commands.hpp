// How a command joins the `spanring` program, and what all commands share.
//
// A command is one function `add_x(CLI::App&, Session&)`. It makes its subcommand with
// `new_command`, adds its options, and gives the subcommand a callback that puts the work into
// `Session::action`; main runs the action once everything is parsed. An action returns an exit
// code, or an Error, which main prints as "spanring: what, where, what to do" and turns into exit
// code 2. Data goes to stdout, talk to stderr. Threads: the main thread only.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>

#include "spanring/base/result.hpp"

namespace spanring::tools {

inline constexpr int kExitOk = 0;        ///< done; or the answer is yes
inline constexpr int kExitNegative = 1;  ///< the answer is no: losses found, not running, different
inline constexpr int kExitFailure = 2;   ///< bad input, or it could not be done

/// What the user gave; empty: not given. Read through `ring_directory` and `database_path`.
struct GlobalOptions {
    std::string dir;     ///< --dir
    std::string db;      ///< --db
    std::string config;  ///< --config
    bool json{false};    ///< --json: machine-readable data on stdout
    bool quiet{false};   ///< --quiet: no progress and no remarks on stderr
};

using Action = std::function<Result<int>()>;

/// One run of the program.
struct Session {
    GlobalOptions options;
    Action action;  ///< set by the callback of the chosen subcommand
};

/// Makes the subcommand `name` with the common options (--dir, --db, --config, --json, --quiet) and
/// `examples` (lines, without indent) at the end of its help.
CLI::App* new_command(CLI::App& app, Session& session, const std::string& name,
                      const std::string& description, const std::string& examples);
void add_common_options(CLI::App& app, Session& session);

/// Returns the ring directory: --dir, else SPANRING_DIR, else `directory` of the configuration
/// file, else the system's default. Errors: of the configuration file.
[[nodiscard]] Result<std::string> ring_directory(const GlobalOptions& options);
/// Returns the database directory: --db, else SPANRING_DB, else `database` of the configuration
/// file, else the default. Errors: of the configuration file.
[[nodiscard]] Result<std::string> database_path(const GlobalOptions& options);
/// Returns the configuration file: --config, else SPANRING_CONFIG, else empty.
[[nodiscard]] std::string config_path(const GlobalOptions& options);

/// Returns the size at which the oldest windows of the database are removed: `store.bytes_max` of
/// the configuration file, else the default. Errors: of the configuration file.
[[nodiscard]] Result<std::uint64_t> database_bytes_max(const GlobalOptions& options);

/// Returns `log.file` of the configuration file, empty if there is none. Errors: of the file.
[[nodiscard]] Result<std::string> configured_log_file(const GlobalOptions& options);

void add_up(CLI::App& app, Session& session);
void add_down(CLI::App& app, Session& session);
void add_status(CLI::App& app, Session& session);
void add_run(CLI::App& app, Session& session);
void add_top(CLI::App& app, Session& session);
void add_tail(CLI::App& app, Session& session);
void add_services(CLI::App& app, Session& session);
void add_stats(CLI::App& app, Session& session);
void add_diff(CLI::App& app, Session& session);
void add_flame(CLI::App& app, Session& session);
void add_series(CLI::App& app, Session& session);
void add_deps(CLI::App& app, Session& session);
void add_attributes(CLI::App& app, Session& session);
void add_sql(CLI::App& app, Session& session);
void add_operations(CLI::App& app, Session& session);
void add_traces(CLI::App& app, Session& session);
void add_trace(CLI::App& app, Session& session);
void add_export(CLI::App& app, Session& session);
void add_replay(CLI::App& app, Session& session);    // tools/replay
void add_emit(CLI::App& app, Session& session);      // tools/emit
void add_generate(CLI::App& app, Session& session);  // tools/generate
void add_bench(CLI::App& app, Session& session);     // tools/bench
void add_plan(CLI::App& app, Session& session);
void add_doctor(CLI::App& app, Session& session);
void add_inspect(CLI::App& app, Session& session);
void add_limits(CLI::App& app, Session& session);
void add_version(CLI::App& app, Session& session);
void add_fsck(CLI::App& app, Session& session);
void add_compact(CLI::App& app, Session& session);

/// All of them: every_command.cpp, which only a program that links them all may have.
void add_every_command(CLI::App& app, Session& session);

}  // namespace spanring::tools
