// `spanring down`: stops the consumer, which first commits what is in the rings.
#include <fmt/format.h>

#include <memory>

#include "commands.hpp"
#include "consumer_process.hpp"
#include "json.hpp"
#include "spanring/store/database.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

constexpr unsigned kTimeoutSeconds = 30;  // a full disk queue, or 64 MiB of rings to compress

std::optional<store::DatabaseStats> stats_of(const std::string& database) {
    auto reader = store::Reader::open(database);
    if (!reader) return std::nullopt;
    auto stats = (*reader)->stats();
    return stats ? std::optional<store::DatabaseStats>(std::move(*stats)) : std::nullopt;
}

std::string as_json(pid_t pid, const std::string& database,
                    const std::optional<store::DatabaseStats>& stats) {
    Json json;
    json.open_object().key("pid");
    if (pid == 0) {
        json.null();
    } else {
        json.value(static_cast<std::int64_t>(pid));
    }
    json.field("stopped", pid != 0)
        .field("database", database)
        .field("spans", stats ? stats->spans : 0)
        .field("database_bytes", stats ? stats->bytes : 0)
        .close_object();
    return json.line();
}

Result<int> bring_down(const GlobalOptions& options, unsigned timeout_seconds) {
    auto consumer = consumer_options(options);
    if (!consumer) return std::move(consumer).error();
    const auto pid = running_consumer(consumer->directory);
    if (!pid) return pid.error();
    if (*pid < 0) {
        return Error{ErrorCode::kPermission,
                     "the consumer of " + consumer->directory +
                         " runs in another pid namespace; stop it there (its container)"};
    }
    if (*pid > 0) {
        auto stopped = stop_consumer(*pid, std::chrono::seconds(timeout_seconds));
        if (!stopped) return std::move(stopped).error();
    }
    const auto stats = stats_of(consumer->database);
    std::string out;
    if (options.json) {
        out = as_json(*pid, consumer->database, stats);
    } else if (*pid == 0) {
        out = "no consumer runs for " + consumer->directory + "\n";
    } else {
        out = fmt::format("spanringd (pid {}) stopped\n", *pid);
    }
    if (!options.json && stats) {
        out += fmt::format("{} spans, {} in {}\n", format_count(stats->spans),
                           format_bytes(stats->bytes), consumer->database);
    }
    if (auto done = print(out); !done) return std::move(done).error();
    return kExitOk;
}

}  // namespace

void add_down(CLI::App& app, Session& session) {
    CLI::App* command =
        new_command(app, session, "down", "Stop the consumer; what is in the rings is stored first",
                    "spanring down\nspanring down --timeout 120");
    auto timeout = std::make_shared<unsigned>(kTimeoutSeconds);
    command->add_option("--timeout", *timeout, "Wait so long for its end")
        ->type_name("SECONDS")
        ->check(CLI::Range(1u, 86400u))
        ->capture_default_str();
    command->callback([&session, timeout] {
        session.action = [&session, timeout] { return bring_down(session.options, *timeout); };
    });
}

}  // namespace spanring::tools
