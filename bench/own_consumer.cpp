#include "own_consumer.hpp"

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

[[noreturn]] void give_up(const std::string& what) {
    std::fprintf(stderr, "benchmark: %s\n", what.c_str());
    std::exit(2);
}

std::string fresh_folder(const char* parent) {
    std::string path = std::string(parent) + "/spanring-bench-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) give_up("cannot make " + path);
    return path;
}

}  // namespace

OwnConsumer::OwnConsumer() : rings_(fresh_folder("/dev/shm")), database_(fresh_folder("/var/tmp")) {
    setenv("SPANRING_DIR", rings_.c_str(), 1);
    int ready[2];
    if (pipe(ready) != 0) give_up("cannot make a pipe");
    std::error_code failed;
    const auto here = std::filesystem::read_symlink("/proc/self/exe", failed).parent_path();
    const std::string program = here / "spanringd";
    const std::string ready_fd = std::to_string(ready[1]);
    const std::string log = database_ + "/log";
    std::array<const char*, 10> arguments{
        program.c_str(), "--dir",     rings_.c_str(), "--db",           database_.c_str(),
        "--log-file",    log.c_str(), "--ready-fd",   ready_fd.c_str(), nullptr};
    if (posix_spawn(&pid_, program.c_str(), nullptr, nullptr,
                    const_cast<char* const*>(arguments.data()), environ) != 0) {
        give_up("cannot start " + program);
    }
    close(ready[1]);
    char byte = 0;
    if (read(ready[0], &byte, 1) != 1) give_up(program + " ended before it was ready");
    close(ready[0]);
}

OwnConsumer::~OwnConsumer() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
    std::error_code ignored;
    std::filesystem::remove_all(rings_, ignored);
    std::filesystem::remove_all(database_, ignored);
}

}  // namespace spanring::bench
