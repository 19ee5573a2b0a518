// spanringd gives up root's capabilities, and most system calls: what it still may do is all that
// it needs, and what it may not do ends it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "seccomp_filter.hpp"
#include "spanring/spanring.hpp"
#include "world.hpp"

namespace spanring::consumer::testing {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

/// The lines of /proc/PID/task/TID/status: name, value.
std::map<std::string, std::string> status_of(const fs::path& task) {
    std::map<std::string, std::string> lines;
    std::ifstream in(task / "status");
    for (std::string line; std::getline(in, line);) {
        const std::size_t colon = line.find(":\t");
        if (colon != std::string::npos) lines[line.substr(0, colon)] = line.substr(colon + 2);
    }
    return lines;
}

std::vector<fs::path> tasks_of(pid_t pid) {
    std::vector<fs::path> tasks;
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
        tasks.push_back(entry.path());
    }
    return tasks;
}

constexpr char kNone[] = "0000000000000000";

TEST(Confinement, no_thread_of_a_started_daemon_has_a_capability_or_an_unfiltered_call) {
    World world;
    ASSERT_GT(world.up(), 0);
    const auto tasks = tasks_of(world.consumer);
    EXPECT_GE(tasks.size(), 3u);
    for (const auto& task : tasks) {
        const auto status = status_of(task);
        for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
            EXPECT_EQ(status.at(set), kNone) << task << " " << set;
        }
        // Who is not root may not take it away, and nobody gives him any of it.
        if (::geteuid() == 0) {
            EXPECT_EQ(status.at("CapBnd"), kNone) << task;
        }
        EXPECT_EQ(status.at("NoNewPrivs"), "1") << task;
        if (can_be_confined()) {
            EXPECT_EQ(status.at("Seccomp"), "2") << task;
        }
    }
    EXPECT_EQ(world.down(), 0);
}

TEST(Confinement, is_left_out_where_the_configuration_says_so) {
    World world;
    const std::string file = world.database + ".toml";
    std::ofstream(file) << "[security]\nseccomp = false\n";
    ASSERT_GT(world.up({"--config", file}), 0);
    const auto status = status_of("/proc/" + std::to_string(world.consumer));
    EXPECT_EQ(status.at("Seccomp"), "0");
    EXPECT_EQ(status.at("CapEff"), kNone);
    EXPECT_EQ(world.down(), 0);
}

/// Runs `body` in a child under the filter. Returns its wait status; exit code 0: it returned true.
int under_the_filter(const std::function<bool()>& body) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        if (!confine()) ::_exit(3);
        ::_exit(body() ? 0 : 1);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    return status;
}

bool died_of_it(int status) {
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

TEST(Confinement, network_programs_and_processes_end_who_asks_for_them) {
    if (!can_be_confined()) GTEST_SKIP() << "NOT TESTED: a sanitizer's runtime is not confined";
    const std::map<std::string, std::function<void()>> calls{
        {"socket", [] { (void)::socket(AF_INET, SOCK_STREAM, 0); }},
        {"unix socket", [] { (void)::socket(AF_UNIX, SOCK_DGRAM, 0); }},
        {"exec", [] { (void)::execl("/bin/true", "true", nullptr); }},
        {"execveat", [] { (void)::syscall(SYS_execveat, -1, "/bin/true", nullptr, nullptr, 0); }},
        {"fork", [] { (void)::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }},
        {"ptrace", [] { (void)::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }},
        {"kill", [] { (void)::kill(::getppid(), 0); }},
        {"tgkill", [] { (void)::syscall(SYS_tgkill, 1, 1, 0); }},
        {"mount", [] { (void)::syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, nullptr); }},
        {"setuid", [] { (void)::syscall(SYS_setuid, 0); }},
        {"unshare", [] { (void)::syscall(SYS_unshare, 0x10000000); }},
        {"bpf", [] { (void)::syscall(SYS_bpf, 0, nullptr, 0); }},
        {"io_uring", [] { (void)::syscall(425, 1, nullptr); }},
        {"process_vm_readv",
         [] { (void)::syscall(SYS_process_vm_readv, ::getppid(), nullptr, 0, nullptr, 0, 0); }}};
    for (const auto& [name, call] : calls) {
        const int status = under_the_filter([&call = call] {
            call();
            return true;
        });
        EXPECT_TRUE(died_of_it(status)) << name << ": wait status " << status;
    }
}

TEST(Confinement, calls_that_it_does_not_know_do_not_exist_and_memory_never_becomes_code) {
    if (!can_be_confined()) GTEST_SKIP() << "NOT TESTED: a sanitizer's runtime is not confined";
    const int status = under_the_filter([] {
        const auto refused = [](long result) { return result == -1 && errno == ENOSYS; };
        void* page =
            ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return page != MAP_FAILED && refused(::syscall(SYS_clone3, nullptr, 0)) &&
               refused(::syscall(SYS_memfd_create, "x", 0)) &&
               refused(::mprotect(page, 4096, PROT_READ | PROT_EXEC)) &&
               refused(reinterpret_cast<long>(::mmap(nullptr, 4096, PROT_READ | PROT_EXEC,
                                                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
    });
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "wait status " << status;
}

TEST(Confinement, leaves_threads_files_and_abort_as_they_are) {
    if (!can_be_confined()) GTEST_SKIP() << "NOT TESTED: a sanitizer's runtime is not confined";
    const int threads = under_the_filter([] {
        bool ran = false;
        std::thread([&ran] { ran = true; }).join();
        return ran;
    });
    EXPECT_TRUE(WIFEXITED(threads) && WEXITSTATUS(threads) == 0) << "wait status " << threads;
    const int aborted = under_the_filter([]() -> bool { std::abort(); });
    EXPECT_TRUE(WIFSIGNALED(aborted) && WTERMSIG(aborted) == SIGABRT) << "wait status " << aborted;
}

#ifdef __x86_64__
/// Makes the running process `pid` do this system call, as code that took it over would. Returns
/// its wait status then, or -1 if it went on.
int made_to_call(pid_t pid, long number, unsigned long long first) {
    int status = 0;
    user_regs_struct registers{};
    EXPECT_EQ(::ptrace(PTRACE_SEIZE, pid, nullptr, PTRACE_O_EXITKILL), 0);
    EXPECT_EQ(::ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr), 0);
    EXPECT_EQ(::waitpid(pid, &status, __WALL), pid);
    // It may run user code: the next system call's instruction is one that can be used again.
    EXPECT_EQ(::ptrace(PTRACE_SYSCALL, pid, nullptr, nullptr), 0);
    EXPECT_EQ(::waitpid(pid, &status, __WALL), pid);
    EXPECT_EQ(::ptrace(PTRACE_GETREGS, pid, nullptr, &registers), 0);
    constexpr int kSyscallBytes = 2;
    registers.rip -= kSyscallBytes;
    registers.rax = static_cast<unsigned long long>(number);
    registers.orig_rax = ~0ull;  // the one that it was about to make is not made
    registers.rdi = first;
    registers.rsi = registers.rdx = registers.r10 = registers.r8 = registers.r9 = 0;
    EXPECT_EQ(::ptrace(PTRACE_SETREGS, pid, nullptr, &registers), 0);
    for (int stops = 0; stops < 4; ++stops) {
        EXPECT_EQ(::ptrace(PTRACE_SYSCALL, pid, nullptr, nullptr), 0);
        if (::waitpid(pid, &status, __WALL) != pid) return -1;
        if (WIFSIGNALED(status) || WIFEXITED(status)) return status;
    }
    ::ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
    return -1;
}

TEST(Confinement, a_daemon_that_was_taken_over_dies_of_a_socket_and_the_next_one_goes_on) {
    if (!can_be_confined()) GTEST_SKIP() << "NOT TESTED: a sanitizer's runtime is not confined";
    World world;
    for (const auto& [number, first] :
         {std::pair<long, int>{SYS_socket, AF_INET}, {SYS_execve, 0}}) {
        ASSERT_GT(world.up(), 0);
        const pid_t producer = world.producer([] {
            { Span span("before"); }
            EXPECT_TRUE(flush(10s));
        });
        EXPECT_EQ(World::wait_for(producer), 0);
        const int status = made_to_call(world.consumer, number, static_cast<unsigned>(first));
        EXPECT_TRUE(died_of_it(status)) << "call " << number << ": wait status " << status;
        if (!died_of_it(status)) world.kill_consumer();
        world.consumer = -1;
    }
    ASSERT_GT(world.up(), 0);
    EXPECT_EQ(world.spans().size(), 2u);
    EXPECT_EQ(world.down(), 0);
}
#endif

/// So small that in a second all happens that else takes days.
constexpr char kHurried[] =
    "[store]\nwindow_bytes = \"64KiB\"\nbytes_max = \"1MiB\"\ndurability = \"commit\"\n"
    "[compaction]\ncpu_percent = 100\nzstd_level = 3\n"
    "[log]\nlevel = \"debug\"\nbytes_max = \"64KiB\"\nfiles = 2\n";

void produce_much() {
    for (int i = 0; i < 3000; ++i) {
        Span outer("outer");
        outer.set("n", i).set("text", std::to_string(i * 2654435761u) + " is hard to compress");
        Span inner("inner");
        inner.event("happened");
    }
    EXPECT_EQ(losses().total(), 0u);
    EXPECT_TRUE(flush(30s));
}

std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder))
        names.push_back(entry.path().filename());
    return names;
}

bool any_with(const std::vector<std::string>& names, const std::string& part) {
    for (const auto& name : names) {
        if (name.find(part) != std::string::npos) return true;
    }
    return false;
}

// Every way that the daemon's code takes in production, by itself: what the filter refused would
// stand in its log as an error, or be missing here.
TEST(Confinement, a_confined_daemon_drains_rotates_merges_retires_and_restarts) {
    World world;
    const std::string file = world.database + ".toml";
    std::ofstream(file) << kHurried;
    const std::string first_window = "w-0000000000000001.";
    std::ofstream(world.log) << std::string(65500, '-') << "\n";  // the first line does not fit
    for (int life = 0; life < 3; ++life) {
        ASSERT_GT(world.up({"--config", file}), 0);
        const auto end = std::chrono::steady_clock::now() + 30s;
        do {
            // One process each: attached, drained and reaped, with lines in the log.
            for (int i = 0; i < 4; ++i) {
                ASSERT_EQ(World::wait_for(world.producer(produce_much)), 0);
            }
        } while (any_with(names_in(world.database), first_window) &&
                 std::chrono::steady_clock::now() < end);
        EXPECT_FALSE(any_with(names_in(world.database), first_window)) << "nothing was retired";
        if (life == 1) {
            world.kill_consumer();
        } else {
            EXPECT_EQ(world.down(), 0);
        }
    }
    EXPECT_FALSE(world.spans().empty());
    EXPECT_TRUE(fs::exists(fs::path(world.log).replace_extension("1.log"))) << "was not rotated";
    std::ifstream log(world.log);
    std::stringstream said;
    said << log.rdbuf();
    EXPECT_EQ(said.str().find(" error "), std::string::npos) << said.str();
    EXPECT_EQ(said.str().find("not implemented"), std::string::npos) << said.str();
}

}  // namespace
}  // namespace spanring::consumer::testing
