#include "traced.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>

namespace spanring::kill {
namespace {

using std::chrono::steady_clock;

constexpr std::uint8_t kBreakpoint = 0xcc;  // int3; x86-64 alone, as the registers below

/// Where the file's address 0 lies in the process.
std::uint64_t load_address(pid_t pid, const std::string& program) {
    std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
    for (std::string line; std::getline(maps, line);) {
        std::uint64_t start = 0;
        std::uint64_t offset = 0;
        if (std::sscanf(line.c_str(), "%" SCNx64 "-%*x %*s %" SCNx64, &start, &offset) != 2) break;
        if (offset == 0 && line.ends_with(" " + program)) return start;
    }
    ADD_FAILURE() << program << " is not mapped";
    return 0;
}

std::uint64_t instruction_of(pid_t thread) {
    return static_cast<std::uint64_t>(
        ::ptrace(PTRACE_PEEKUSER, thread, offsetof(user_regs_struct, rip), nullptr));
}

void set_instruction(pid_t thread, std::uint64_t address) {
    ::ptrace(PTRACE_POKEUSER, thread, offsetof(user_regs_struct, rip), address);
}

void wait_for_child(std::chrono::microseconds time_max) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    const auto us = std::max<std::int64_t>(time_max.count(), 1);
    const timespec rest{us / 1'000'000, us % 1'000'000 * 1000};
    (void)::sigtimedwait(&set, nullptr, &rest);
}

}  // namespace

void Traced::announce() {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    (void)::raise(SIGSTOP);
}

Traced::Traced(pid_t pid, Goal goal, bool executes)
    : pid_(pid), goal_(std::move(goal)), executes_(executes), threads_{pid} {
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, __WALL), pid);
    EXPECT_TRUE(WIFSTOPPED(status)) << "status " << status;
    constexpr long kOptions = PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
    EXPECT_EQ(::ptrace(PTRACE_SETOPTIONS, pid, nullptr, kOptions), 0);
    if (!executes_) plant();
    resume(pid, 0);
}

Traced::~Traced() {
    if (state_ != State::kEnded && !threads_.empty()) kill();
}

void Traced::resume(pid_t thread, int signal) const {
    ::ptrace(PTRACE_CONT, thread, nullptr, static_cast<long>(signal));
}

void Traced::plant() {
    const std::string path = "/proc/" + std::to_string(pid_) + "/mem";
    memory_.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    const std::uint64_t load = load_address(pid_, goal_.program);
    for (const std::uint64_t address : goal_.addresses) {
        std::uint8_t byte = 0;
        EXPECT_EQ(::pread(memory_.get(), &byte, 1, static_cast<off_t>(load + address)), 1);
        planted_[load + address] = byte;
        write_byte(load + address, kBreakpoint);
    }
}

void Traced::write_byte(std::uint64_t address, std::uint8_t byte) const {
    EXPECT_EQ(::pwrite(memory_.get(), &byte, 1, static_cast<off_t>(address)), 1);
}

bool Traced::at_breakpoint(pid_t thread) const {
    return planted_.contains(instruction_of(thread) - 1);
}

Traced::State Traced::run(std::chrono::milliseconds time_max, const std::function<bool()>& enough) {
    const auto end = steady_clock::now() + time_max;
    while (state_ == State::kRuns) {
        bool any = false;
        const std::vector<pid_t> threads(threads_.begin(), threads_.end());
        for (const pid_t thread : threads) {
            int status = 0;
            if (state_ != State::kRuns || ::waitpid(thread, &status, __WALL | WNOHANG) != thread) {
                continue;
            }
            any = true;
            happened(thread, status);
        }
        if (any) continue;
        find_threads();
        if ((enough && enough()) || steady_clock::now() >= end) break;
        wait_for_child(std::chrono::microseconds(500));
    }
    return state_;
}

void Traced::happened(pid_t thread, int status) {
    if (WIFSTOPPED(status)) {
        stopped(thread, status);
        return;
    }
    threads_.erase(thread);
    held_.erase(thread);
    if (thread != pid_) return;
    state_ = State::kEnded;
    status_ = status;
    threads_.clear();
}

void Traced::stopped(pid_t thread, int status) {
    const int event = status >> 16;
    if (event == PTRACE_EVENT_CLONE) {
        unsigned long made = 0;
        ::ptrace(PTRACE_GETEVENTMSG, thread, nullptr, &made);
        threads_.insert(static_cast<pid_t>(made));
        resume(thread, 0);
    } else if (event == PTRACE_EVENT_EXEC) {
        if (executes_) plant();
        resume(thread, 0);
    } else if (WSTOPSIG(status) == SIGTRAP && at_breakpoint(thread)) {
        set_instruction(thread, instruction_of(thread) - 1);
        if (++arrivals_ == goal_.nth) {
            held_.insert(thread);
            state_ = State::kArrived;
        } else {
            step_over(thread);
        }
    } else {
        // A new thread begins with a SIGSTOP that is nobody's.
        const int signal = WSTOPSIG(status);
        resume(thread, signal == SIGSTOP || signal == SIGTRAP ? 0 : signal);
    }
}

// The others run meanwhile: what passes here in that moment is not counted.
void Traced::step_over(pid_t thread) {
    const std::uint64_t address = instruction_of(thread);
    write_byte(address, planted_[address]);
    ::ptrace(PTRACE_SINGLESTEP, thread, nullptr, nullptr);
    int status = 0;
    const pid_t got = ::waitpid(thread, &status, __WALL);
    if (got != thread) return;
    if (WIFSTOPPED(status)) write_byte(address, kBreakpoint);
    happened(thread, status);
}

// One that a killed thread was making is traced, and nobody ever says so; until it is waited for,
// the process does not end.
void Traced::find_threads() {
    std::error_code gone;
    const std::string tasks = "/proc/" + std::to_string(pid_) + "/task";
    for (const auto& task : std::filesystem::directory_iterator(tasks, gone))
        threads_.insert(std::stoi(task.path().filename()));
}

void Traced::kill() {
    ::kill(pid_, SIGKILL);
    while (state_ != State::kEnded) {
        find_threads();
        const std::vector<pid_t> threads(threads_.begin(), threads_.end());
        for (const pid_t thread : threads) {
            int status = 0;
            const pid_t got = ::waitpid(thread, &status, __WALL | WNOHANG);
            if (got == thread && !WIFSTOPPED(status)) happened(thread, status);
            if (got == -1 && thread != pid_) threads_.erase(thread);
        }
        if (state_ != State::kEnded) wait_for_child(std::chrono::microseconds(200));
    }
}

void Traced::hold_all() {
    for (bool all = false; !all && state_ != State::kEnded;) {
        all = true;
        const std::vector<pid_t> threads(threads_.begin(), threads_.end());
        for (const pid_t thread : threads) {
            if (held_.contains(thread)) continue;
            all = false;
            ::syscall(SYS_tgkill, pid_, thread, SIGSTOP);
            int status = 0;
            if (::waitpid(thread, &status, __WALL) != thread) {
                threads_.erase(thread);
                continue;
            }
            if (!WIFSTOPPED(status)) {
                happened(thread, status);
                continue;
            }
            if (status >> 16 == PTRACE_EVENT_CLONE) {
                unsigned long made = 0;
                ::ptrace(PTRACE_GETEVENTMSG, thread, nullptr, &made);
                threads_.insert(static_cast<pid_t>(made));
            } else if (WSTOPSIG(status) == SIGTRAP && at_breakpoint(thread)) {
                set_instruction(thread, instruction_of(thread) - 1);
            }
            held_.insert(thread);
        }
    }
}

void Traced::stop_and_leave() {
    hold_all();
    if (state_ == State::kEnded) return;
    for (const auto& [address, byte] : planted_) write_byte(address, byte);
    for (const pid_t thread : threads_) {
        ::ptrace(PTRACE_DETACH, thread, nullptr, static_cast<long>(SIGSTOP));
    }
    threads_.clear();
    held_.clear();
    memory_.reset();
    // Its stop as of any child: who continues it before would be overtaken by it.
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, WUNTRACED), pid_);
    EXPECT_TRUE(WIFSTOPPED(status)) << "status " << status;
}

}  // namespace spanring::kill
