// A process that is stopped at the n-th arrival at a testpoint, to be killed or held there.
//
// No debugger: breakpoints are planted by ptrace(2), and passed until the n-th. Threads: all calls
// come from the one that made the process, which has blocked SIGCHLD.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "spanring/base/unique_fd.hpp"

namespace spanring::kill {

class Traced {
public:
    enum class State { kRuns, kArrived, kEnded };

    struct Goal {
        std::string program;                   ///< path of the file whose addresses they are
        std::vector<std::uint64_t> addresses;  ///< of the testpoint, as in testpoints_of()
        std::uint64_t nth{1};
    };

    /// To be called in the child before anything else: waits for the Traced of its parent.
    static void announce();

    /// `pid`: a child that announces itself. `executes`: it will exec the program, and is of
    /// interest only then.
    Traced(pid_t pid, Goal goal, bool executes);
    ~Traced();
    Traced(const Traced&) = delete;
    Traced& operator=(const Traced&) = delete;

    /// Lets it run until it has arrived or ended, `enough` says so, or the time is over.
    State run(std::chrono::milliseconds time_max, const std::function<bool()>& enough = {});
    /// SIGKILL, and waits for its end.
    void kill();
    /// Stops all of it where it is (SIGSTOP), and leaves it alone from then on: an ordinary child,
    /// without breakpoints, that SIGCONT lets go on.
    void stop_and_leave();

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] State state() const noexcept { return state_; }
    /// Its wait status, once it has ended.
    [[nodiscard]] int status() const noexcept { return status_; }

private:
    void plant();
    void write_byte(std::uint64_t address, std::uint8_t byte) const;
    /// What has happened to one of its threads.
    void happened(pid_t thread, int status);
    void stopped(pid_t thread, int status);
    bool at_breakpoint(pid_t thread) const;
    void step_over(pid_t thread);
    void hold_all();
    void find_threads();
    void resume(pid_t thread, int signal) const;

    pid_t pid_;
    Goal goal_;
    bool executes_;
    State state_{State::kRuns};
    int status_{0};
    std::uint64_t arrivals_{0};
    std::set<pid_t> threads_;
    std::set<pid_t> held_;                           ///< stopped, and not to be resumed
    std::map<std::uint64_t, std::uint8_t> planted_;  ///< address: the byte that was there
    UniqueFd memory_;
};

}  // namespace spanring::kill
