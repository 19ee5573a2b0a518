// What the two benchmarks' command lines share. Threads: the main thread only.
#pragma once

#include <string>

#include "commands.hpp"
#include "spanring/base/result.hpp"

namespace spanring::tools::bench {

void add_throughput(CLI::App& bench, Session& session);
void add_delay(CLI::App& bench, Session& session);

/// Where the database goes: --db-parent, else TMPDIR, else /tmp.
void add_database_parent(CLI::App& command, std::string& parent);

/// Before anything is started: two cores, none of the options that name rings, database or
/// configuration, none of their variables; Ctrl-C is caught from here on. Errors: why it cannot
/// begin.
[[nodiscard]] Result<void> prepare(const GlobalOptions& globals, std::string& database_parent);

}  // namespace spanring::tools::bench
