// `spanring bench`: what this machine carries, measured with rings and a database of its own.
#include "bench_command.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "cores.hpp"
#include "own_consumer.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace bench {

void add_database_parent(CLI::App& command, std::string& parent) {
    command.add_option("--db-parent", parent,
                       "Folder for the database, on the disk to measure ($TMPDIR, else /tmp)");
}

Result<void> prepare(const GlobalOptions& globals, std::string& database_parent) {
    if (!globals.dir.empty() || !globals.db.empty() || !globals.config.empty()) {
        return Error{ErrorCode::kInvalidArgument,
                     "bench makes rings and a database of its own and runs on the defaults; leave "
                     "out --dir, --db and --config (see --db-parent)"};
    }
    if (usable_cores().size() < 2) {
        return Error{ErrorCode::kUnavailable,
                     "bench needs two processors, one for the producer and one for the consumer; "
                     "this process may use only one: nothing was measured"};
    }
    if (database_parent.empty()) {
        const char* given = std::getenv("TMPDIR");
        database_parent = given != nullptr && *given != '\0' ? given : "/tmp";
    }
    if (::access(database_parent.c_str(), W_OK | X_OK) != 0) {
        return os_error(errno, "cannot write into " + database_parent);
    }
    forget_settings();
    catch_interrupts();
    return {};
}

}  // namespace bench

void add_bench(CLI::App& app, Session& session) {
    CLI::App* command =
        new_command(app, session, "bench", "Measure throughput and delay on this machine",
                    "spanring bench throughput\n"
                    "spanring bench delay\n"
                    "spanring bench throughput --help");
    command->require_subcommand(1);
    bench::add_throughput(*command, session);
    bench::add_delay(*command, session);
}

}  // namespace spanring::tools
