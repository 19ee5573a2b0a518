#include "own_consumer.hpp"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string_view>
#include <vector>

#include "consumer_process.hpp"
#include "cores.hpp"

namespace spanring::tools::bench {
namespace {

constexpr const char* kRingsParent = "/dev/shm";
// It commits what is in the rings first, 13 MiB for each producer.
constexpr std::chrono::seconds kStopTimeout{30};

}  // namespace

Result<OwnFolder> OwnFolder::make(const std::string& parent) {
    std::string path = parent + "/spanring-bench-" + std::to_string(::getpid()) + "-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr)
        return os_error(errno, "cannot make a folder in " + parent);
    return OwnFolder(path);
}

OwnFolder::OwnFolder(OwnFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}

OwnFolder::~OwnFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

Result<OwnConsumer> OwnConsumer::make(const std::string& database_parent) {
    auto rings = OwnFolder::make(kRingsParent);
    if (!rings) return std::move(rings).error();
    auto home = OwnFolder::make(database_parent);
    if (!home) return std::move(home).error();
    return OwnConsumer(std::move(*rings), std::move(*home));
}

Result<OwnConsumer> OwnConsumer::start(const std::string& database_parent,
                                       std::optional<int> core) {
    auto consumer = make(database_parent);
    if (!consumer) return consumer;
    if (auto runs = consumer->run(core); !runs) return std::move(runs).error();
    return consumer;
}

Result<void> OwnConsumer::run(std::optional<int> core) {
    std::optional<OnCore> there;
    if (core) there.emplace(*core);
    auto pid = start_consumer({.directory = rings(),
                               .database = database(),
                               .config = {},
                               .log_file = home_.path() + "/log"});
    if (!pid) return std::move(pid).error();
    pid_ = *pid;
    auto guardian = Guardian::start(pid_, rings(), home_.path());
    if (!guardian) return std::move(guardian).error();
    guardian_.reset();
    guardian_.emplace(std::move(*guardian));
    return {};
}

OwnConsumer::OwnConsumer(OwnConsumer&& other) noexcept
    : guardian_(std::move(other.guardian_)),
      rings_(std::move(other.rings_)),
      home_(std::move(other.home_)),
      pid_(std::exchange(other.pid_, 0)) {}

OwnConsumer::~OwnConsumer() {
    if (pid_ == 0 || stop()) return;
    // It hangs: its folders must not go from under a process that still writes.
    kill();
}

Result<Usage> OwnConsumer::usage() const {
    auto usage = usage_of(pid_);
    if (!usage) return std::move(usage).error().in("spanringd ended during the run");
    return usage;
}

Result<void> OwnConsumer::stop() {
    if (auto stopped = stop_consumer(pid_, kStopTimeout); !stopped) return stopped;
    pid_ = 0;
    return {};
}

void OwnConsumer::kill() noexcept {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
}

Result<void> OwnConsumer::hold() const {
    if (::kill(pid_, SIGSTOP) != 0 || ::waitpid(pid_, nullptr, WUNTRACED) < 0) {
        return os_error(errno, "cannot hold spanringd");
    }
    return {};
}

void OwnConsumer::resume() const noexcept {
    ::kill(pid_, SIGCONT);
}

void forget_settings() {
    std::vector<std::string> names;
    for (char** at = environ; *at != nullptr; ++at) {
        const std::string_view entry = *at;
        if (entry.starts_with("SPANRING_")) names.emplace_back(entry.substr(0, entry.find('=')));
    }
    for (const std::string& name : names) ::unsetenv(name.c_str());
}

}  // namespace spanring::tools::bench
