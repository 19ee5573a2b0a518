#include "consumer_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "spanring/base/unique_fd.hpp"
#include "spanring/shm/directory.hpp"
#include "spanring/store/database.hpp"

namespace spanring::tools {
namespace {

namespace fs = std::filesystem;

constexpr const char* kProgram = "spanringd";
// Recovery reads the newest window (256 MiB by default): seconds on a slow disk.
constexpr std::chrono::seconds kStartTimeout{30};

std::string own_folder() {
    std::error_code failed;
    const fs::path self = fs::read_symlink("/proc/self/exe", failed);
    return failed ? std::string() : self.parent_path().string();
}

// What spanringd said before it died: its last line.
std::string last_words(int stderr_fd) {
    std::string text(4096, '\0');
    const ssize_t bytes = pread(stderr_fd, text.data(), text.size(), 0);
    text.resize(bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    const std::size_t line = text.rfind('\n');
    if (line != std::string::npos) text.erase(0, line + 1);
    for (const char* prefix : {"spanringd: ", "spanring: "}) {
        if (text.rfind(prefix, 0) == 0) text.erase(0, std::char_traits<char>::length(prefix));
    }
    return text;
}

// In the child: nothing but async-signal-safe calls until exec.
[[noreturn]] void become_consumer(char* const* arguments, int ready_fd, int stderr_fd) {
    setsid();
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
    }
    dup2(stderr_fd, STDERR_FILENO);
    fcntl(ready_fd, F_SETFD, 0);
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    execv(arguments[0], arguments);
    static constexpr char kText[] = "cannot be executed\n";
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kText, sizeof kText - 1);
    _exit(127);
}

Result<pid_t> wait_until_ready(pid_t pid, int ready_fd, int stderr_fd) {
    const auto end = std::chrono::steady_clock::now() + kStartTimeout;
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            end - std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            kill(pid, SIGTERM);
            return Error{ErrorCode::kTimeout,
                         fmt::format("spanringd did not begin to drain within {} s; see its log",
                                     kStartTimeout.count())};
        }
        pollfd waiting{ready_fd, POLLIN, 0};
        if (poll(&waiting, 1, static_cast<int>(left.count())) <= 0) continue;
        char byte = 0;
        if (read(ready_fd, &byte, 1) > 0) return pid;
        int status = 0;
        waitpid(pid, &status, 0);
        const std::string words = last_words(stderr_fd);
        return Error{ErrorCode::kUnavailable,
                     "spanringd did not start: " + (words.empty() ? "it said nothing" : words)};
    }
}

}  // namespace

std::string default_log_file(const std::string& database) {
    const fs::path path(database);
    // ~/.local/state/spanring/db: its folder is ours.
    if (path.filename() == "db" && path.parent_path().filename() == "spanring") {
        return (path.parent_path() / "spanringd.log").string();
    }
    return (path / "spanringd.log").string();
}

Result<ConsumerOptions> consumer_options(const GlobalOptions& options) {
    auto directory = ring_directory(options);
    if (!directory) return std::move(directory).error();
    auto database = database_path(options);
    if (!database) return std::move(database).error();
    auto log_file = configured_log_file(options);
    if (!log_file) return std::move(log_file).error();
    if (log_file->empty()) log_file = default_log_file(*database);
    return ConsumerOptions{*directory, *database, config_path(options), *log_file};
}

Result<std::string> find_spanringd() {
    const std::string folder = own_folder();
    std::string path = folder.empty() ? std::string() : folder + "/" + kProgram;
    if (!path.empty() && access(path.c_str(), X_OK) == 0) return path;
    const char* search = std::getenv("PATH");
    std::string rest = search == nullptr ? "" : search;
    while (!rest.empty()) {
        const std::size_t colon = rest.find(':');
        path = rest.substr(0, colon) + "/" + kProgram;
        if (path.front() == '/' && access(path.c_str(), X_OK) == 0) return path;
        rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
    }
    return Error{ErrorCode::kNotFound, "spanringd is neither in " + folder +
                                           " nor in PATH; install it beside this program"};
}

std::vector<std::string> spanringd_arguments(const std::string& program,
                                             const ConsumerOptions& options) {
    std::vector<std::string> arguments{program, "--dir", options.directory, "--db",
                                       options.database};
    if (!options.config.empty()) {
        arguments.insert(arguments.end(), {"--config", options.config});
    }
    if (!options.log_file.empty()) {
        arguments.insert(arguments.end(), {"--log-file", options.log_file});
    }
    return arguments;
}

Result<pid_t> running_consumer(const std::string& directory) {
    auto opened = shm::RingDirectory::open(directory, shm::RingDirectory::Create::kNo);
    if (!opened) {
        if (opened.error().code == ErrorCode::kNotFound) return pid_t{0};
        return std::move(opened).error();
    }
    return opened->consumer_pid();
}

Result<pid_t> start_consumer(const ConsumerOptions& options) {
    std::error_code failed;
    fs::create_directories(fs::path(options.log_file).parent_path(), failed);
    if (failed) return os_error(failed.value(), "cannot make the folder of " + options.log_file);
    auto program = find_spanringd();
    if (!program) return std::move(program).error();

    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return os_error(errno, "cannot start spanringd");
    const UniqueFd ready_read(ends[0]);
    UniqueFd ready_write(ends[1]);
    const UniqueFd words(memfd_create("spanringd-stderr", MFD_CLOEXEC));
    std::vector<std::string> arguments = spanringd_arguments(*program, options);
    arguments.insert(arguments.end(), {"--ready-fd", std::to_string(ready_write.get())});
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);

    const pid_t pid = fork();
    if (pid < 0) return os_error(errno, "cannot start spanringd");
    if (pid == 0) become_consumer(pointers.data(), ready_write.get(), words.get());
    ready_write.reset();
    return wait_until_ready(pid, ready_read.get(), words.get());
}

Result<void> stop_consumer(pid_t pid, std::chrono::seconds timeout) {
    const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (!process.valid()) {
        if (errno == ESRCH) return {};
        return os_error(errno, fmt::format("cannot watch spanringd (pid {})", pid));
    }
    if (kill(pid, SIGTERM) != 0 && errno != ESRCH) {
        return os_error(errno, fmt::format("cannot stop spanringd (pid {})", pid));
    }
    pollfd ended{process.get(), POLLIN, 0};
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
    int answer = 0;
    do {
        answer = poll(&ended, 1, static_cast<int>(ms));
    } while (answer < 0 && errno == EINTR);
    if (answer == 0) {
        return Error{ErrorCode::kTimeout,
                     fmt::format("spanringd (pid {}) still works after {} s; it commits what is in "
                                 "the rings, or its disk hangs: see its log",
                                 pid, timeout.count())};
    }
    waitpid(pid, nullptr, WNOHANG);  // if it was ours
    return {};
}

}  // namespace spanring::tools
