// spanringd: the command line of the consumer.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "consumer.hpp"
#include "log.hpp"
#include "privileges.hpp"
#include "seccomp_filter.hpp"
#include "spanring/consumer/config.hpp"

#ifndef SPANRING_VERSION
#define SPANRING_VERSION "0.0.0"
#endif

namespace {

using namespace spanring;
using namespace spanring::consumer;

/// Bad input, or a directory, database or file that cannot be used: a restart would not help.
constexpr int kExitBad = 2;

struct Flags {
    std::string directory;
    std::string database;
    std::string config;
    std::string max_delay;
    std::string log_file;
    bool foreground{false};
    int ready_fd{-1};
};

void declare(CLI::App& app, Flags& flags) {
    app.add_option("--dir", flags.directory, "Ring directory (or SPANRING_DIR)")->type_name("PATH");
    app.add_option("--db", flags.database, "Database directory (or SPANRING_DB)")
        ->type_name("PATH");
    app.add_option("--config", flags.config, "Configuration file (or SPANRING_CONFIG)")
        ->type_name("FILE");
    app.add_option("--max-delay", flags.max_delay, "Length of a turn, such as 1ms (the default)")
        ->type_name("TIME");
    app.add_option("--log-file", flags.log_file, "Log to this file, which rotates")
        ->type_name("FILE");
    app.add_flag("--foreground", flags.foreground,
                 "Log to standard error too (it always stays in the foreground; "
                 "`spanring up` starts it in the background)");
    app.add_option("--ready-fd", flags.ready_fd, "Write a line to this descriptor when draining")
        ->type_name("N");
    app.set_version_flag("--version", "spanringd " SPANRING_VERSION);
    app.get_formatter()->column_width(30);
    app.footer(
        "Examples:\n"
        "  spanringd                                  default rings and database\n"
        "  spanringd --dir /run/spanring --db /var/lib/spanring --log-file /var/log/spanringd.log\n"
        "  spanringd --config /etc/spanring/spanringd.toml\n"
        "SIGTERM or SIGINT stops it: what is in the rings is stored first.");
}

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

/// Flags win over the environment, the environment over the file.
Result<Config> configure(const Flags& flags) {
    const std::string file = flags.config.empty() ? environment("SPANRING_CONFIG") : flags.config;
    auto config = file.empty() ? Result<Config>(Config{}) : read_config(file);
    if (!config) return config;
    if (!environment("SPANRING_DIR").empty()) config->directory = environment("SPANRING_DIR");
    if (!environment("SPANRING_DB").empty()) config->database = environment("SPANRING_DB");
    if (!flags.directory.empty()) config->directory = flags.directory;
    if (!flags.database.empty()) config->database = flags.database;
    if (!flags.log_file.empty()) config->log_file = flags.log_file;
    if (config->directory.empty()) config->directory = shm::default_ring_directory();
    if (config->database.empty()) config->database = store::default_database_path();
    if (!flags.max_delay.empty()) {
        auto checked = parse_config("drain.max_delay = \"" + flags.max_delay + "\"", "--max-delay");
        if (!checked) {
            return Error{ErrorCode::kInvalidArgument,
                         "--max-delay must be a time from 100us to 1s, not " + flags.max_delay};
        }
        config->max_delay = checked->max_delay;
    }
    return config;
}

int complain(const Error& error) {
    std::string line = "spanringd: " + error.message;
    if (error.code == ErrorCode::kBusy) line += "; `spanring down` stops it";
    std::fprintf(stderr, "%s\n", line.c_str());
    return kExitBad;
}

void say_ready(int fd) {
    if (fd < 0) return;
    static constexpr char kLine[] = "ready\n";
    // Whoever asked may have gone away: then nobody waits for it.
    [[maybe_unused]] const ssize_t written = ::write(fd, kLine, sizeof kLine - 1);
    ::close(fd);
}

/// Each ring takes descriptors, so the usual soft limit of 1,024 would be a limit on processes.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    // A failure leaves the old limit: rings beyond it are attached when others are gone.
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

/// What root makes for the daemon whose rings several users share: the ring directory, and a place
/// for database and log.
Result<void> hand_over(const Config& config, const Account& account) {
    auto made = shm::RingDirectory::make_shared(config.directory, account.uid, account.gid);
    if (made) made = hand_over_folder(config.database, account);
    const std::string logs = std::filesystem::path(config.log_file).parent_path();
    if (made && !logs.empty() && logs != config.database) {
        if (!std::filesystem::exists(logs)) made = hand_over_folder(logs, account);
    }
    return made;
}

/// From here on nothing that a producer, a database or a directory holds can make it do more than
/// drain, store and log.
Result<void> give_up_privileges(const Config& config) {
    auto account = find_account(config.user, config.group);
    if (!account) return std::move(account).error();
    if (*account && ::geteuid() == 0 && (*account)->uid != 0) {
        if (auto handed = hand_over(config, **account); !handed) return handed;
    }
    return drop_privileges(*account);
}

/// A kernel without seccomp, or a container that forbids it, is no reason not to trace: `spanring
/// doctor` says that the daemon is not confined.
void confine_or_warn(const Config& config, Log& log) {
    if (!config.seccomp || !can_be_confined()) return;
    if (auto confined = confine(); !confined) log.warn(confined.error().message);
}

int serve(const Flags& flags) {
    auto config = configure(flags);
    if (!config) return complain(config.error());
    // A reader of our log or ready descriptor that goes away is no reason to die.
    ::signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    // Before the first thread is made: the watcher takes these from a descriptor.
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    if (auto dropped = give_up_privileges(*config); !dropped) return complain(dropped.error());
    auto log = Log::open(*config, flags.foreground || config->log_file.empty());
    if (!log) return complain(log.error());
    confine_or_warn(*config, **log);
    auto consumer = Consumer::start(*config, **log);
    if (!consumer) {
        if (!config->log_file.empty()) (*log)->error(consumer.error().message);
        return complain(consumer.error());
    }
    say_ready(flags.ready_fd);
    if (auto ran = (*consumer)->run(); !ran) {
        (*log)->error(ran.error().message);
        return 1;
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("spanringd: drains the rings of instrumented processes into the trace database",
                 "spanringd");
    Flags flags;
    declare(app, flags);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : kExitBad;
    }
    return serve(flags);
}
