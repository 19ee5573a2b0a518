#include "cli_run.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <thread>

namespace spanring::tools {
namespace {

std::string content_of(int fd) {
    std::string text(static_cast<std::size_t>(lseek(fd, 0, SEEK_END)), '\0');
    const ssize_t bytes = pread(fd, text.data(), text.size(), 0);
    text.resize(bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
    close(fd);
    return text;
}

int wait_for(pid_t pid, unsigned seconds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (std::chrono::steady_clock::now() > end) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            break;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
    std::vector<char*> pointers;
    for (std::string& text : strings) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

/// Debian's nobody and nogroup.
constexpr const char* kNobody[] = {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534",
                                   "--clear-groups"};

Outcome run(std::vector<std::string> arguments, const Variables& variables, unsigned seconds) {
    std::vector<std::string> environment{"PATH=/usr/bin:/bin", "HOME=/nonexistent", "TZ=UTC"};
    for (const auto& [name, value] : variables) environment.push_back(name + "=" + value);
    std::vector<char*> argument_pointers = pointers_to(arguments);
    std::vector<char*> environment_pointers = pointers_to(environment);
    const int out = memfd_create("out", MFD_CLOEXEC);
    const int err = memfd_create("err", MFD_CLOEXEC);
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        execve(argument_pointers[0], argument_pointers.data(), environment_pointers.data());
        _exit(99);
    }
    Outcome outcome;
    outcome.exit_code = wait_for(pid, seconds);
    outcome.out = content_of(out);
    outcome.err = content_of(err);
    return outcome;
}

}  // namespace

Outcome run_spanring(std::vector<std::string> arguments, const Variables& variables,
                     unsigned seconds) {
    arguments.insert(arguments.begin(), SPANRING_PROGRAM);
    return run(std::move(arguments), variables, seconds);
}

Outcome run_spanring_as_nobody(const std::vector<std::string>& arguments) {
    std::vector<std::string> words(std::begin(kNobody), std::end(kNobody));
    words.emplace_back(SPANRING_PROGRAM);
    words.insert(words.end(), arguments.begin(), arguments.end());
    return run(std::move(words), {}, 60);
}

bool can_be_nobody() {
    // Some kernels let who was root start a program where nobody may not even look.
    for (auto folder = std::filesystem::path(program_folder()); folder.has_relative_path();
         folder = folder.parent_path()) {
        const auto mode = std::filesystem::status(folder).permissions();
        if ((mode & std::filesystem::perms::others_exec) == std::filesystem::perms::none) {
            return false;
        }
    }
    return geteuid() == 0 && run_spanring_as_nobody({"version"}).exit_code == 0;
}

void expect_one_line(const Outcome& outcome, const std::string& part) {
    EXPECT_EQ(outcome.exit_code, 2) << outcome.out << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, testing::StartsWith("spanring: "));
    EXPECT_THAT(outcome.err, testing::HasSubstr(part));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

std::string program_folder() {
    return std::filesystem::path(SPANRING_PROGRAM).parent_path().string();
}

Folder::Folder(const std::string& under) : path_(under + "/spanring-tools-XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp " + path_);
}

Folder::~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

rapidjson::Document parsed(const Outcome& outcome) {
    rapidjson::Document document;
    document.Parse(outcome.out.c_str());
    EXPECT_FALSE(document.HasParseError()) << outcome.out << outcome.err;
    return document;
}

}  // namespace spanring::tools
