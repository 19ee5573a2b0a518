#include "command_process.hpp"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

extern char** environ;

namespace spanring::tools {
namespace {

volatile std::sig_atomic_t child_pid = 0;

void pass_on(int signal_number) {
    if (child_pid > 0) kill(static_cast<pid_t>(child_pid), signal_number);
}

// The terminal sends Ctrl-C to the whole group: the command decides, this program waits for it.
void guard_signals() {
    struct sigaction action {};
    action.sa_handler = SIG_IGN;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGQUIT, &action, nullptr);
    action.sa_handler = pass_on;
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGHUP, &action, nullptr);
}

std::vector<std::string> merged_environment(
    const std::vector<std::pair<std::string, std::string>>& variables) {
    std::vector<std::string> entries;
    for (char** at = environ; *at != nullptr; ++at) {
        const std::string entry = *at;
        bool replaced = false;
        for (const auto& [name, value] : variables) {
            replaced = replaced || entry.compare(0, name.size() + 1, name + "=") == 0;
        }
        if (!replaced) entries.push_back(entry);
    }
    for (const auto& [name, value] : variables) entries.push_back(name + "=" + value);
    return entries;
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
    std::vector<char*> pointers;
    for (std::string& text : strings) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

int spawn(std::vector<std::string> arguments, std::vector<std::string> environment, pid_t* pid) {
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t defaults;
    sigemptyset(&defaults);
    for (const int number : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE}) {
        sigaddset(&defaults, number);
    }
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    std::vector<char*> argument_pointers = pointers_to(arguments);
    std::vector<char*> environment_pointers = pointers_to(environment);
    const int failed = posix_spawnp(pid, argument_pointers[0], nullptr, &attributes,
                                    argument_pointers.data(), environment_pointers.data());
    posix_spawnattr_destroy(&attributes);
    return failed;
}

}  // namespace

Result<int> run_command(const std::vector<std::string>& arguments,
                        const std::vector<std::pair<std::string, std::string>>& variables) {
    guard_signals();
    pid_t pid = 0;
    const int failed = spawn(arguments, merged_environment(variables), &pid);
    if (failed != 0) return os_error(failed, "cannot run " + arguments.front());
    child_pid = pid;
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) return os_error(errno, "cannot wait for " + arguments.front());
    }
    child_pid = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace spanring::tools
