// `spanring up`: starts the consumer.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>

#include "commands.hpp"
#include "consumer_process.hpp"
#include "json.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

struct UpOptions {
    bool foreground{false};
    std::string log_file;
};

// Becomes spanringd: signals and exit code are its own.
Result<int> run_in_foreground(const ConsumerOptions& consumer) {
    auto program = find_spanringd();
    if (!program) return std::move(program).error();
    std::vector<std::string> arguments = spanringd_arguments(*program, consumer);
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    execv(program->c_str(), pointers.data());
    return os_error(errno, "cannot execute " + *program);
}

std::string as_json(const ConsumerOptions& consumer, pid_t pid, bool started) {
    Json json;
    json.open_object()
        .field("pid", static_cast<std::int64_t>(pid))
        .field("started", started)
        .field("directory", consumer.directory)
        .field("database", consumer.database)
        .field("log", consumer.log_file)
        .close_object();
    return json.line();
}

std::string as_text(const ConsumerOptions& consumer, pid_t pid, bool started) {
    const Terminal terminal = Terminal::of(1);
    std::string out =
        fmt::format("{} (pid {})\n", started ? "spanringd started" : "spanringd runs already", pid);
    out += "  rings     " + consumer.directory + "\n";
    if (started) {
        out += "  database  " + consumer.database + "\n  log       " + consumer.log_file + "\n";
    }
    const auto hint = [&](const char* command, const char* what) {
        out += "  " + terminal.paint(Style::kBold, command) + what + "\n";
    };
    out += "next:\n";
    hint("spanring run -- ./program", "   trace a program and its children");
    hint("spanring top", "                watch");
    hint("spanring traces", "             see what was recorded");
    hint("spanring down", "               stop");
    return out;
}

Result<int> bring_up(const GlobalOptions& options, const UpOptions& wanted) {
    auto consumer = consumer_options(options);
    if (!consumer) return std::move(consumer).error();
    // In the foreground spanringd talks on stderr, which whoever started it collects.
    if (!wanted.log_file.empty() || wanted.foreground) consumer->log_file = wanted.log_file;
    auto pid = running_consumer(consumer->directory);
    if (!pid) return std::move(pid).error();
    const bool started = *pid == 0;
    if (started && wanted.foreground) return run_in_foreground(*consumer);
    if (started) {
        pid = start_consumer(*consumer);
        if (!pid) return std::move(pid).error();
    }
    const std::string out =
        options.json ? as_json(*consumer, *pid, started) : as_text(*consumer, *pid, started);
    if (auto done = print(out); !done) return std::move(done).error();
    return kExitOk;
}

}  // namespace

void add_up(CLI::App& app, Session& session) {
    CLI::App* command = new_command(app, session, "up", "Start the consumer, spanringd",
                                    "spanring up\n"
                                    "spanring up --db /srv/traces\n"
                                    "spanring up --foreground   (for systemd and containers)");
    auto wanted = std::make_shared<UpOptions>();
    command->add_flag("--foreground", wanted->foreground, "Stay; do not become a daemon");
    command->add_option("--log-file", wanted->log_file, "Log into this file")->type_name("FILE");
    command->callback([&session, wanted] {
        session.action = [&session, wanted] { return bring_up(session.options, *wanted); };
    });
}

}  // namespace spanring::tools
