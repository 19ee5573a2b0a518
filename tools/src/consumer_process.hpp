// Starting and stopping spanringd from a command. Threads: the main thread only.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "commands.hpp"
#include "spanring/base/result.hpp"

namespace spanring::tools {

struct ConsumerOptions {
    std::string directory;
    std::string database;
    std::string config;  ///< empty: none
    std::string log_file;
};

/// All of it from the options, the environment and the configuration file.
[[nodiscard]] Result<ConsumerOptions> consumer_options(const GlobalOptions& options);

/// spanringd.log in the state directory if the database is the default one, else in the database's
/// own directory: two consumers never share a log.
[[nodiscard]] std::string default_log_file(const std::string& database);

/// spanringd beside this program's executable, else in PATH. Errors: kNotFound.
[[nodiscard]] Result<std::string> find_spanringd();
[[nodiscard]] std::vector<std::string> spanringd_arguments(const std::string& program,
                                                           const ConsumerOptions& options);

/// Returns the pid of the running consumer of the directory, 0 if none. Errors: of the directory.
[[nodiscard]] Result<pid_t> running_consumer(const std::string& directory);

/// Starts spanringd in a session of its own and waits until it drains. Returns its pid.
/// Errors: what spanringd said, kTimeout.
[[nodiscard]] Result<pid_t> start_consumer(const ConsumerOptions& options);

/// SIGTERM, then waits for its end: it drains and commits what is in the rings first.
/// Errors: kPermission, kTimeout.
[[nodiscard]] Result<void> stop_consumer(pid_t pid, std::chrono::seconds timeout);

}  // namespace spanring::tools
