// The `spanring` program: parses, and runs the chosen command.
#include <unistd.h>

#include <csignal>
#include <exception>
#include <utility>
#include <vector>

#include "commands.hpp"
#include "term.hpp"

namespace {

using spanring::tools::Session;

// So that the list of `spanring --help` reads like a table of contents.
void group_commands(CLI::App& app) {
    const std::vector<std::pair<const char*, std::vector<const char*>>> groups{
        {"Start and stop", {"up", "down", "run"}},
        {"Watch", {"status", "top", "tail"}},
        {"Ask",
         {"services", "operations", "attributes", "deps", "traces", "trace", "stats", "series",
          "diff", "flame", "sql", "export"}},
        {"Make spans", {"replay", "emit", "generate"}},
        {"Plan and repair",
         {"plan", "bench", "doctor", "inspect", "fsck", "compact", "limits", "version"}}};
    for (const auto& [group, names] : groups) {
        for (const char* name : names) app.get_subcommand(name)->group(group);
    }
}

int usage_error(const CLI::App& app, const CLI::ParseError& error) {
    std::string command = "spanring";
    for (const CLI::App* used : app.get_subcommands()) command += " " + used->get_name();
    std::string what = error.what();
    for (char& c : what) c = c == '\n' ? ' ' : c;
    spanring::tools::remark(what + "; see `" + command + " --help`");
    return spanring::tools::kExitFailure;
}

int parse_and_run(int argc, char** argv) {
    CLI::App app{"Traces of this machine's processes through shared memory, into a database.",
                 "spanring"};
    Session session;
    app.require_subcommand(1);
    app.get_formatter()->column_width(16);
    app.footer(
        "A command's own help: spanring COMMAND --help\n"
        "First steps:\n"
        "  spanring up                start the consumer\n"
        "  spanring run -- ./program  trace one program and its children\n"
        "  spanring traces            what has been recorded");
    app.add_flag_callback(
        "--version", [] { throw CLI::CallForVersion("spanring " SPANRING_VERSION, 0); },
        "Print the version");
    spanring::tools::add_every_command(app, session);
    group_commands(app);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& help) {
        return app.exit(help);  // --help and --version: on stdout, 0
    } catch (const CLI::ParseError& error) {
        return usage_error(app, error);
    }
    auto result = session.action();
    if (result) return *result;
    spanring::tools::remark(result.error().message);
    return spanring::tools::kExitFailure;
}

}  // namespace

int main(int argc, char** argv) {
    // `spanring export | head` ends quietly, as any filter does.
    std::signal(SIGPIPE, SIG_DFL);
    try {
        return parse_and_run(argc, argv);
    } catch (const std::exception& error) {
        spanring::tools::remark(std::string("internal error: ") + error.what());
        return spanring::tools::kExitFailure;
    }
}
