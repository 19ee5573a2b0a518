#include "conductor.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "worker.hpp"

namespace spanring::tools::replay {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kTick = std::chrono::milliseconds(20);
/// After Ctrl-C: how long the workers may take to make queryable what they wrote.
constexpr auto kStopPatience = std::chrono::seconds(5);

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// steady_clock is CLOCK_MONOTONIC here: parent and workers count from the same moment.
std::int64_t nanoseconds(Clock::time_point time) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

class Conductor {
public:
    Conductor(const Recording& recording, const ReplayOptions& options, Board& board,
              std::vector<std::vector<std::uint32_t>> tasks)
        : recording_(recording), options_(options), board_(board), tasks_(std::move(tasks)) {}

    ~Conductor() {
        board_.leave() = 1;
        for (const pid_t pid : pids_) ::waitpid(pid, nullptr, 0);
    }

    Result<void> fork_workers() {
        const pid_t parent = ::getpid();
        for (std::size_t i = 0; i < tasks_.size(); ++i) {
            const pid_t pid = ::fork();
            if (pid < 0) return os_error(errno, "cannot start a process for the replay");
            if (pid == 0) ::_exit(run_worker(parent, i));
            pids_.push_back(pid);
        }
        return {};
    }

    ReplayReport conduct(const Watch& watch, const Stop& stop) {
        ReplayReport report;
        Clock::time_point stopped_at{};
        while (!all_at_least(Stage::kQueryable)) {
            watch(written());
            if (report.write_s == 0 && all_at_least(Stage::kFlushing)) {
                report.write_s = seconds_since(started_);
            }
            if (!report.stopped && stop()) {
                report.stopped = true;
                stopped_at = Clock::now();
                board_.stop() = 1;
            }
            if (report.stopped && Clock::now() - stopped_at > kStopPatience) break;
            notice_deaths();
            std::this_thread::sleep_for(kTick);
        }
        watch(written());
        report.queryable_s = seconds_since(started_);
        if (report.write_s == 0) report.write_s = report.queryable_s;
        hold(stop);
        fill(report);
        return report;
    }

private:
    int run_worker(pid_t parent, std::size_t index) {
        // A parent that dies takes its workers along.
        ::prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (::getppid() != parent) return 1;
        ::signal(SIGINT, SIG_IGN);  // Ctrl-C reaches the parent, which tells the workers
        ::signal(SIGTERM, SIG_DFL);
        const std::string name = "replay-" + std::to_string(index);
        ::prctl(PR_SET_NAME, name.c_str());
        const WorkerTask task{tasks_[index], options_.directory, options_.speed,
                              nanoseconds(started_)};
        return work(recording_, task, board_, index);
    }

    [[nodiscard]] bool all_at_least(Stage stage) const {
        for (std::size_t i = 0; i < tasks_.size(); ++i) {
            if (board_.line(i).stage < static_cast<std::uint32_t>(stage)) return false;
        }
        return true;
    }

    [[nodiscard]] std::uint64_t written() const {
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < tasks_.size(); ++i) sum += board_.line(i).written;
        return sum;
    }

    /// A worker that died without a word would be waited for for ever.
    void notice_deaths() {
        for (std::size_t i = 0; i < pids_.size(); ++i) {
            siginfo_t info{};
            const int gone =
                ::waitid(P_PID, static_cast<id_t>(pids_[i]), &info, WEXITED | WNOHANG | WNOWAIT);
            BoardLine& line = board_.line(i);
            if (gone != 0 || info.si_pid != pids_[i] ||
                line.stage >= static_cast<std::uint32_t>(Stage::kQueryable)) {
                continue;
            }
            std::snprintf(line.why, sizeof line.why, "its process died");
            line.stage = static_cast<std::uint32_t>(Stage::kFailed);
        }
    }

    void hold(const Stop& stop) const {
        const Clock::time_point from = Clock::now();
        while (seconds_since(from) < options_.hold_s && !stop()) std::this_thread::sleep_for(kTick);
    }

    void fill(ReplayReport& report) const {
        for (std::size_t i = 0; i < tasks_.size(); ++i) {
            const BoardLine& line = board_.line(i);
            WorkerReport worker;
            worker.pid = pids_[i];
            for (const std::uint32_t service : tasks_[i]) {
                worker.services.push_back(recording_.services()[service]);
            }
            worker.spans = line.written;
            worker.lost = line.lost;
            worker.queryable = line.stage == static_cast<std::uint32_t>(Stage::kQueryable);
            if (line.stage == static_cast<std::uint32_t>(Stage::kFailed)) worker.failure = line.why;
            report.spans += worker.spans;
            report.lost += worker.lost;
            report.workers.push_back(std::move(worker));
        }
    }

    const Recording& recording_;
    const ReplayOptions& options_;
    Board& board_;
    std::vector<std::vector<std::uint32_t>> tasks_;
    std::vector<pid_t> pids_;
    Clock::time_point started_{Clock::now()};
};

}  // namespace

bool ReplayReport::complete() const noexcept {
    const auto good = [](const WorkerReport& worker) {
        return worker.queryable && worker.failure.empty();
    };
    return lost == 0 && !stopped && std::all_of(workers.begin(), workers.end(), good);
}

Result<ReplayReport> replay(const Recording& recording, const ReplayOptions& options,
                            const Watch& watch, const Stop& stop) {
    std::vector<std::vector<std::uint32_t>> tasks = divide(recording, options.processes);
    if (tasks.size() > kWorkersMax) {
        return Error{ErrorCode::kInvalidArgument, std::to_string(tasks.size()) +
                                                      " services: too many for a process each; use "
                                                      "--processes N, N up to " +
                                                      std::to_string(kWorkersMax)};
    }
    Result<Board> board = Board::make(tasks.size());
    if (!board) return std::move(board).error();
    Conductor conductor(recording, options, *board, std::move(tasks));
    if (Result<void> forked = conductor.fork_workers(); !forked) return std::move(forked).error();
    return conductor.conduct(watch, stop);
}

}  // namespace spanring::tools::replay
