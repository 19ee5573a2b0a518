#include "guardian.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "spanring/base/unique_fd.hpp"

namespace spanring::tools::bench {
namespace {

// Reads until this program is gone. Ctrl-C reaches the whole process group, so it is ignored here.
// A consumer that is still there after 20 s is killed: it has the catalogue to complete.
constexpr const char* kScript =
    "trap '' INT TERM HUP\n"
    "read -r _ && exit\n"
    "ours() { grep -qsF -- \"$2\" \"/proc/$1/cmdline\"; }\n"
    "ours \"$1\" \"$2\" && kill -CONT \"$1\" && kill -TERM \"$1\"\n"
    "tries=0\n"
    "while ours \"$1\" \"$2\" && [ $tries -lt 200 ]; do\n"
    "  sleep 0.1; tries=$((tries + 1))\n"
    "done\n"
    "[ $tries -lt 200 ] || kill -KILL \"$1\"\n"
    "rm -rf -- \"$2\" \"$3\"\n";

}  // namespace

Result<Guardian> Guardian::start(pid_t consumer, const std::string& rings,
                                 const std::string& home) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return os_error(errno, "cannot make a pipe");
    const UniqueFd read_end(ends[0]);
    UniqueFd write_end(ends[1]);
    const std::string pid_text = std::to_string(consumer);
    const std::array<const char*, 8> arguments{
        "/bin/sh",        "-c",          kScript,      "bench-guardian",
        pid_text.c_str(), rings.c_str(), home.c_str(), nullptr};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, read_end.get(), STDIN_FILENO);
    pid_t pid = 0;
    const int failed = ::posix_spawn(&pid, arguments[0], &actions, nullptr,
                                     const_cast<char* const*>(arguments.data()), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) return os_error(failed, "cannot start /bin/sh");
    return Guardian(pid, write_end.release());
}

Guardian::Guardian(Guardian&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)), lifeline_(std::exchange(other.lifeline_, -1)) {}

Guardian::~Guardian() {
    if (pid_ == 0) return;
    [[maybe_unused]] const ssize_t written = ::write(lifeline_, "\n", 1);
    ::close(lifeline_);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

}  // namespace spanring::tools::bench
