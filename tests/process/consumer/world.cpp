#include "world.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "spanring/process.hpp"
#include "spanring/store/database.hpp"

namespace spanring::consumer::testing {
namespace fs = std::filesystem;

World::World(const std::string& where)
    : directory("/dev/shm/spanring-test-XXXXXX"), root_(where + "/spanring-test-XXXXXX") {
    EXPECT_NE(::mkdtemp(directory.data()), nullptr);
    EXPECT_NE(::mkdtemp(root_.data()), nullptr);
    database = root_ + "/db";
    log = root_ + "/spanringd.log";
}

World::~World() {
    if (consumer > 0) kill_consumer();
    std::error_code ignored;
    fs::remove_all(directory, ignored);
    fs::remove_all(root_, ignored);
}

pid_t World::spawn(const std::vector<std::string>& arguments, int error_fd, int ready_fd,
                   const std::function<void()>& prepare) {
    std::vector<std::string> words{SPANRINGD};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> pointers;
    for (auto& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    if (error_fd >= 0) ::dup2(error_fd, STDERR_FILENO);
    if (ready_fd >= 0) ::fcntl(ready_fd, F_SETFD, 0);
    if (prepare) prepare();
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
}

pid_t World::launch(const std::vector<std::string>& more, const std::function<void()>& prepare,
                    UniqueFd* ready) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    std::vector<std::string> arguments{
        "--dir",      directory, "--db",       database,
        "--log-file", log,       "--ready-fd", std::to_string(ends[1])};
    arguments.insert(arguments.end(), more.begin(), more.end());
    consumer = spawn(arguments, -1, ends[1], prepare);
    ::close(ends[1]);
    ready->reset(ends[0]);
    return consumer;
}

pid_t World::up(const std::vector<std::string>& more) {
    UniqueFd ready;
    launch(more, {}, &ready);
    char byte = 0;
    const ssize_t got = ::read(ready.get(), &byte, 1);
    EXPECT_EQ(got, 1) << "spanringd did not start";
    return got == 1 ? consumer : -1;
}

int World::wait_for(pid_t pid) {
    int status = 0;
    if (::waitpid(pid, &status, 0) != pid) return -1000;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int World::down() {
    ::kill(consumer, SIGTERM);
    return wait_for(std::exchange(consumer, -1));
}

void World::kill_consumer() {
    ::kill(consumer, SIGKILL);
    (void)wait_for(std::exchange(consumer, -1));
}

int World::run_to_end(const std::vector<std::string>& arguments, std::string* said) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t pid = spawn(arguments, ends[1], -1, {});
    ::close(ends[1]);
    char buffer[4096];
    said->clear();
    for (ssize_t got; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
        said->append(buffer, static_cast<std::size_t>(got));
    }
    ::close(ends[0]);
    return wait_for(pid);
}

pid_t World::producer(const std::function<void()>& body) {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ::setenv("SPANRING_DIR", directory.c_str(), 1);
    // Not what has failed before, in the parent.
    const auto failures = [] {
        const auto* result = ::testing::UnitTest::GetInstance()->current_test_info()->result();
        int count = 0;
        for (int i = 0; i < result->total_part_count(); ++i) {
            count += result->GetTestPartResult(i).failed() ? 1 : 0;
        }
        return count;
    };
    const int before = failures();
    body();
    ::_exit(failures() == before ? 0 : 1);
}

std::vector<codec::Span> World::spans() const {
    std::vector<codec::Span> out;
    auto reader = store::Reader::open(database);
    if (!reader) return out;
    auto visited = (*reader)->visit({}, [&](const codec::Span& span) {
        out.push_back(span);
        return true;
    });
    EXPECT_TRUE(visited.ok());
    for (const auto& warning : (*reader)->warnings()) ADD_FAILURE() << warning;
    return out;
}

std::vector<codec::Span> World::spans_when(
    const std::function<bool(const std::vector<codec::Span>&)>& enough) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    for (;;) {
        auto seen = spans();
        if (enough(seen) || std::chrono::steady_clock::now() >= end) return seen;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

std::vector<std::string> World::files(const std::string& suffix) const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(directory)) {
        const std::string name = entry.path().filename();
        if (name.ends_with(suffix)) out.push_back(name);
    }
    return out;
}

std::string World::log_text() const {
    std::ifstream file(log);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::int64_t number_of(const codec::Span& span, const std::string& key) {
    for (const auto& [name, value] : span.attributes) {
        const auto* number = std::get_if<std::int64_t>(&value);
        if (name == key && number != nullptr) return *number;
    }
    return -1;
}

}  // namespace spanring::consumer::testing
