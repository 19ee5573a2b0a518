// `spanring run -- CMD`: traces a process tree and prints a table of its operations.
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <thread>

#include "command_process.hpp"
#include "commands.hpp"
#include "consumer_process.hpp"
#include "rings.hpp"
#include "run_table.hpp"
#include "select.hpp"
#include "spanring/spanring.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

constexpr std::chrono::seconds kFlushTimeout{10};
constexpr std::chrono::seconds kStopTimeout{30};
constexpr std::chrono::milliseconds kPollInterval{10};
constexpr int kExitNotFound = 127;     // as shells say it
constexpr int kExitNotRunnable = 126;  // as shells say it

struct RunOptions {
    std::vector<std::string> command;
};

std::string command_line(const std::vector<std::string>& command) {
    std::string line;
    for (const std::string& word : command) line += (line.empty() ? "" : " ") + word;
    return line;
}

/// The consumer that serves this run; stops with it if it was started for it.
class RunConsumer {
public:
    static Result<RunConsumer> ensure(const ConsumerOptions& options) {
        auto pid = running_consumer(options.directory);
        if (!pid) return std::move(pid).error();
        if (*pid != 0) return RunConsumer(*pid, false);
        auto started = start_consumer(options);
        if (!started) return std::move(started).error();
        return RunConsumer(*started, true);
    }
    RunConsumer(RunConsumer&& other) noexcept
        : pid_(other.pid_), own_(std::exchange(other.own_, false)) {}
    RunConsumer& operator=(RunConsumer&&) = delete;
    ~RunConsumer() {
        if (own_) (void)stop();
    }
    [[nodiscard]] bool own() const noexcept { return own_; }
    Result<void> stop() {
        if (!std::exchange(own_, false)) return {};
        return stop_consumer(pid_, kStopTimeout);
    }

private:
    RunConsumer(pid_t pid, bool own) noexcept : pid_(pid), own_(own) {}
    pid_t pid_;
    bool own_;
};

struct RunOutcome {
    Result<int> exit_code{kExitFailure};
    TraceId trace_id;
    std::string untraced;  ///< why there is no trace; empty: there is one
};

// The command as the root span of everything that it does.
RunOutcome run_traced(const RunOptions& wanted, const ConsumerOptions& consumer) {
    RunOutcome outcome;
    const std::string line = command_line(wanted.command);
    {
        Span span(line, SpanOptions{.parent = Context()});
        const Context context = span.context();
        outcome.trace_id = context.trace_id_bytes();
        std::vector<std::pair<std::string, std::string>> variables{
            {"SPANRING_DIR", consumer.directory}, {"SPANRING_DB", consumer.database}};
        if (context.is_valid()) {
            variables.emplace_back("TRACEPARENT", context.traceparent());
        } else {
            outcome.untraced = status().reason;
        }
        outcome.exit_code = run_command(wanted.command, variables);
        if (!outcome.exit_code) {
            span.set_status(StatusCode::kError, outcome.exit_code.error().message);
        } else {
            span.set("process.exit.code", *outcome.exit_code);
            if (*outcome.exit_code != 0) {
                span.set_status(StatusCode::kError,
                                fmt::format("exit code {}", *outcome.exit_code));
            }
        }
    }
    if (!flush(kFlushTimeout)) {
        remark("not everything could be stored: " + status().reason);
    }
    return outcome;
}

// Every process of the tree that has ended must be drained: the consumer removes its segment then.
// Those that still run (daemons) are not waited for.
void wait_for_ended(const std::string& directory) {
    const auto end = std::chrono::steady_clock::now() + kFlushTimeout;
    while (std::chrono::steady_clock::now() < end) {
        const auto rings = look_at_rings(directory, Pending::kSkip);
        if (!rings) return;
        bool waiting = false;
        for (const ProducerView& producer : rings->producers) waiting |= !producer.alive;
        if (!waiting) return;
        std::this_thread::sleep_for(kPollInterval);
    }
}

std::uint64_t newest_frame_of(const std::string& database) {
    auto reader = store::Reader::open(database);
    return reader ? (*reader)->newest_frame() : 0;
}

// A consumer of our own saw only this tree; a shared one sees others, so there the trace decides.
Result<OperationTable> collect(const std::string& database, std::uint64_t after, bool all,
                               const TraceId& trace_id) {
    auto reader = store::Reader::open(database);
    if (!reader) return std::move(reader).error();
    OperationTable table;
    auto visited = (*reader)->visit_after(after, [&](const codec::Span& span) {
        if (all || span.trace_id == trace_id) table.add(span);
        return true;
    });
    if (!visited) return std::move(visited).error();
    return table;
}

Result<int> report(const GlobalOptions& options, const OperationTable& table,
                   const RunOutcome& outcome) {
    const std::string id = to_hex(outcome.trace_id);
    const std::string out =
        options.json ? table.json(id, *outcome.exit_code) : "\n" + table.text(Terminal::of(1));
    if (auto done = print(out); !done) return std::move(done).error();
    if (!outcome.untraced.empty()) {
        remark("nothing was traced: " + outcome.untraced);
    } else if (!options.quiet && !options.json) {
        remark(fmt::format("{} spans stored; `spanring trace {}` shows them as a tree",
                           format_count(table.spans()), id));
    }
    return *outcome.exit_code;
}

Result<int> trace_command(const GlobalOptions& options, const RunOptions& wanted) {
    auto consumer = consumer_options(options);
    if (!consumer) return std::move(consumer).error();
    const std::uint64_t before = newest_frame_of(consumer->database);
    auto running = RunConsumer::ensure(*consumer);
    if (!running) return std::move(running).error();
    const bool own = running->own();

    Configuration configuration;
    configuration.service_name = "spanring run";
    configuration.directory = consumer->directory;
    if (auto configured = configure(std::move(configuration)); !configured) {
        return std::move(configured).error();
    }
    const RunOutcome outcome = run_traced(wanted, *consumer);
    wait_for_ended(consumer->directory);
    if (auto stopped = running->stop(); !stopped) return std::move(stopped).error();
    if (!outcome.exit_code) {
        remark(outcome.exit_code.error().message);
        return outcome.exit_code.error().code == ErrorCode::kNotFound ? kExitNotFound
                                                                      : kExitNotRunnable;
    }
    auto table = collect(consumer->database, before, own, outcome.trace_id);
    if (!table) return std::move(table).error();
    return report(options, *table, outcome);
}

}  // namespace

void add_run(CLI::App& app, Session& session) {
    CLI::App* command = new_command(
        app, session, "run", "Trace a command and all that it starts",
        "spanring run -- ./server --port 8080\n"
        "spanring run -- make -j8 test\n"
        "The exit code is the command's. Without a running consumer one runs meanwhile.");
    auto wanted = std::make_shared<RunOptions>();
    command->add_option("CMD", wanted->command, "Command and its arguments, after --")->required();
    command->callback([&session, wanted] {
        session.action = [&session, wanted] { return trace_command(session.options, *wanted); };
    });
}

}  // namespace spanring::tools
