// Runs the command of `spanring run` and hands its end through. Threads: the main thread only.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "spanring/base/result.hpp"

namespace spanring::tools {

/// Runs `arguments` (the program is looked up in PATH) with `variables` added to the environment,
/// waits, and returns its exit code, or 128 + the signal that ended it. Ctrl-C goes to the command
/// alone; SIGTERM and SIGHUP are passed on to it.
/// Errors: kNotFound, kPermission: it could not be started.
[[nodiscard]] Result<int> run_command(
    const std::vector<std::string>& arguments,
    const std::vector<std::pair<std::string, std::string>>& variables);

}  // namespace spanring::tools
