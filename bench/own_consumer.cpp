#include "own_consumer.hpp"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>

namespace spanring::bench {
namespace {

// Reads until this program is gone. Ctrl-C reaches the whole process group, so it is ignored here.
// A consumer that is still there after 20 s is killed: it has the catalogue to complete.
constexpr const char* kGuardian =
    "trap '' INT TERM HUP\n"
    "read -r _\n"
    "kill -CONT \"$1\" 2>/dev/null; kill -TERM \"$1\" 2>/dev/null\n"
    "tries=0\n"
    "while kill -0 \"$1\" 2>/dev/null && [ $tries -lt 200 ]; do\n"
    "  sleep 0.1; tries=$((tries + 1))\n"
    "done\n"
    "[ $tries -lt 200 ] || kill -KILL \"$1\"\n"
    "rm -rf -- \"$2\" \"$3\"\n";

std::string fresh_folder(const char* parent) {
    std::string path = std::string(parent) + "/spanring-bench-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) give_up("cannot make a folder in " + std::string(parent));
    return path;
}

template <std::size_t kCount>
pid_t start(const std::array<const char*, kCount>& arguments, int standard_input) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (standard_input >= 0) posix_spawn_file_actions_adddup2(&actions, standard_input, 0);
    pid_t pid = -1;
    const int failed = posix_spawn(&pid, arguments[0], &actions, nullptr,
                                   const_cast<char* const*>(arguments.data()), environ);
    posix_spawn_file_actions_destroy(&actions);
    return failed == 0 ? pid : -1;
}

void wait_for(pid_t pid) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
}

}  // namespace

void give_up(const std::string& what) {
    std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, what.c_str());
    std::exit(2);
}

OwnConsumer::OwnConsumer() : rings_(fresh_folder("/dev/shm")), database_(fresh_folder("/var/tmp")) {
    setenv("SPANRING_DIR", rings_.c_str(), 1);
    std::error_code failed;
    const auto here = std::filesystem::read_symlink("/proc/self/exe", failed).parent_path();
    const std::string program = here / "spanringd";
    int ready[2];
    int lifeline[2];
    // The consumer inherits the end that says "ready", nobody the end that keeps the guardian.
    if (pipe(ready) != 0 || pipe2(lifeline, O_CLOEXEC) != 0) give_up("cannot make a pipe");
    fcntl(ready[0], F_SETFD, FD_CLOEXEC);
    const std::string ready_fd = std::to_string(ready[1]);
    const std::string log = database_ + "/log";
    pid_ = start(std::array{program.c_str(), "--dir", rings_.c_str(), "--db", database_.c_str(),
                            "--log-file", log.c_str(), "--ready-fd", ready_fd.c_str(),
                            static_cast<const char*>(nullptr)},
                 -1);
    close(ready[1]);
    const std::string consumer = std::to_string(pid_);
    if (pid_ > 0) {
        guardian_ =
            start(std::array{"/bin/sh", "-c", kGuardian, "guardian", consumer.c_str(),
                             rings_.c_str(), database_.c_str(), static_cast<const char*>(nullptr)},
                  lifeline[0]);
    }
    close(lifeline[0]);
    lifeline_ = lifeline[1];
    char byte = 0;
    const bool is_ready = guardian_ > 0 && read(ready[0], &byte, 1) == 1;
    close(ready[0]);
    if (is_ready) return;
    if (guardian_ <= 0) {
        std::filesystem::remove_all(rings_, failed);
        std::filesystem::remove_all(database_, failed);
    }
    if (pid_ > 0 && guardian_ <= 0) kill(pid_, SIGTERM);
    give_up(program + (pid_ < 0 ? " cannot be started" : " ended before it was ready"));
}

OwnConsumer::~OwnConsumer() {
    close(lifeline_);
    wait_for(pid_);
    wait_for(guardian_);
}

void OwnConsumer::stop() const {
    if (kill(pid_, SIGSTOP) != 0) give_up("cannot stop the consumer");
    // Until it is seen stopped it may still free pages.
    waitpid(pid_, nullptr, WUNTRACED);
}

void OwnConsumer::resume() const {
    kill(pid_, SIGCONT);
}

}  // namespace spanring::bench
