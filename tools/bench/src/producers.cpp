#include "producers.hpp"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <thread>

#include "cores.hpp"
#include "pace.hpp"
#include "program.hpp"
#include "spanring/spanring.hpp"
#include "term.hpp"

namespace spanring::tools::bench {
namespace {

using namespace std::chrono_literals;

/// Between two looks at a word or at a process: a hundredth of a core at any number of producers.
constexpr auto kPollIntervalMin = 2ms;
constexpr auto kPollIntervalOfEach = 100us;

std::chrono::microseconds poll_interval(std::size_t producers) {
    return std::max<std::chrono::microseconds>(kPollIntervalMin, producers * kPollIntervalOfEach);
}

/// For a consumer that is far behind, or a disk that hangs.
constexpr auto kFlushTimeout = 30s;

[[noreturn]] void fail(Lane& lane, const std::string& why) {
    std::snprintf(lane.why, sizeof lane.why, "%s", why.c_str());
    // release: pairs with the acquire in all_at; `why` stands.
    lane.stage.store(static_cast<std::uint32_t>(Stage::kFailed), std::memory_order_release);
    ::_exit(1);
}

void wait_for(const std::atomic<std::uint32_t>& word, std::size_t producers) {
    // acquire: pairs with the release in go and finish, though nothing but the word is told.
    while (word.load(std::memory_order_acquire) == 0) {
        std::this_thread::sleep_for(poll_interval(producers));
    }
}

/// A producer's life, in the forked child.
class Producer {
public:
    Producer(Board& board, std::size_t index, const ProducerPlan& plan, std::string rings)
        : board_(board), lane_(board.line(index)), plan_(plan), rings_(std::move(rings)) {}

    [[noreturn]] void live() {
        prepare();
        const auto program = Program::make(plan_.load, plan_.seed);
        // relaxed: as in run_paced.
        lane_.emitted.store(program->warm_up(), std::memory_order_relaxed);
        if (tracing() && !flush(kFlushTimeout)) fail(lane_, not_stored());
        reach(Stage::kReady);
        wait_for(board_.go(), board_.lines());
        const Paced paced = run_paced(*program, plan_.pace, lane_.emitted);
        lane_.paced_spans = paced.spans;
        lane_.paced_ns = paced.ns;
        lane_.busy_ns = paced.busy_ns;
        lane_.cpu_ns = paced.cpu_ns;
        lane_.all_stored = tracing() && flush(kFlushTimeout) ? 1 : 0;
        lane_.lost = losses().total();
        reach(Stage::kDone);
        wait_for(board_.leave(), board_.lines());
        ::_exit(0);
    }

private:
    [[nodiscard]] bool tracing() const noexcept { return !rings_.empty(); }

    void prepare() {
        // Each burst would else come 50 µs late.
        ::prctl(PR_SET_TIMERSLACK, 1UL);
        if (plan_.core && !run_on(*plan_.core)) fail(lane_, "may not run on its core");
        if (!tracing()) {
            ::setenv("SPANRING_DISABLED", "1", 1);
            return;
        }
        Configuration configuration;
        configuration.service_name = "bench";
        configuration.directory = rings_;
        configuration.policy = Policy::kDrop;
        configuration.policy_set = true;
        if (auto configured = configure(std::move(configuration)); !configured) {
            fail(lane_, configured.error().message);
        }
    }
    static std::string not_stored() {
        const Status now = status();
        return now.recording ? "waited in vain for its first spans to be stored"
                             : "is not traced: " + now.reason;
    }
    void reach(Stage stage) {
        // release: pairs with the acquire in all_at; the lane's counts stand.
        lane_.stage.store(static_cast<std::uint32_t>(stage), std::memory_order_release);
    }

    Board& board_;
    Lane& lane_;
    const ProducerPlan& plan_;
    std::string rings_;
};

/// They die with their parent, and leave Ctrl-C to it.
void become_producer(pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_NAME, "bench-producer");
    ::signal(SIGINT, SIG_IGN);
    ::signal(SIGHUP, SIG_IGN);
    ::signal(SIGTERM, SIG_DFL);
    if (::getppid() != parent) ::_exit(1);
}

}  // namespace

Result<Producers> Producers::start(const std::string& rings,
                                   const std::vector<ProducerPlan>& plans) {
    auto board = Board::make(plans.size());
    if (!board) return std::move(board).error();
    Producers producers(std::move(*board));
    const pid_t parent = ::getpid();
    for (std::size_t i = 0; i < plans.size(); ++i) {
        const pid_t pid = ::fork();
        if (pid < 0) return os_error(errno, "cannot start a producer");
        if (pid == 0) {
            become_producer(parent);
            Producer(producers.board_, i, plans[i], rings).live();
        }
        producers.pids_.push_back(pid);
    }
    return producers;
}

Producers::~Producers() {
    for (const pid_t pid : pids_) ::kill(pid, SIGKILL);
    for (const pid_t pid : pids_) {
        while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
}

Result<bool> Producers::all_at(Stage stage) {
    if (interrupted()) return Error{ErrorCode::kUnavailable, "interrupted; nothing was measured"};
    bool all = true;
    for (std::size_t i = 0; i < pids_.size(); ++i) {
        Lane& lane = board_.line(i);
        // acquire: pairs with the release in reach and fail; what the lane says stands.
        const auto now = static_cast<Stage>(lane.stage.load(std::memory_order_acquire));
        if (now == Stage::kFailed) {
            return Error{ErrorCode::kUnavailable, std::string("a producer ") + lane.why};
        }
        siginfo_t ended{};
        if (::waitid(P_PID, static_cast<id_t>(pids_[i]), &ended, WEXITED | WNOHANG | WNOWAIT) ==
                0 &&
            ended.si_pid != 0) {
            return Error{ErrorCode::kUnavailable, "a producer died during the run"};
        }
        all = all && now >= stage;
    }
    return all;
}

Result<void> Producers::wait_ready() {
    for (;;) {
        const auto all = all_at(Stage::kReady);
        if (!all) return all.error();
        if (*all) return {};
        std::this_thread::sleep_for(poll_interval(pids_.size()));
    }
}

void Producers::go() {
    // release: pairs with the acquire in wait_for.
    board_.go().store(1, std::memory_order_release);
}

Result<bool> Producers::done() {
    return all_at(Stage::kDone);
}

Result<void> Producers::wait_done(const std::function<void(std::uint64_t)>& progress) {
    for (;;) {
        const auto all = done();
        if (!all) return all.error();
        if (*all) return {};
        progress(emitted());
        std::this_thread::sleep_for(poll_interval(pids_.size()));
    }
}

std::uint64_t Producers::emitted() {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < board_.lines(); ++i) {
        // relaxed: a progress count, or behind done's acquire.
        sum += board_.line(i).emitted.load(std::memory_order_relaxed);
    }
    return sum;
}

Tally Producers::tally() {
    Tally tally;
    tally.emitted = emitted();
    std::uint64_t busy_ns = 0;
    std::uint64_t cpu_ns = 0;
    for (std::size_t i = 0; i < board_.lines(); ++i) {
        const Lane& lane = board_.line(i);
        const double ns = static_cast<double>(std::max<std::uint64_t>(lane.paced_ns, 1));
        tally.paced_spans += lane.paced_spans;
        tally.spans_per_s += static_cast<double>(lane.paced_spans) / ns * 1e9;
        tally.off_core = std::max(tally.off_core, 1 - static_cast<double>(lane.cpu_ns) / ns);
        tally.lost += lane.lost;
        tally.all_stored = tally.all_stored && lane.all_stored != 0;
        busy_ns += lane.busy_ns;
        cpu_ns += lane.cpu_ns;
    }
    const auto spans = static_cast<double>(std::max<std::uint64_t>(tally.paced_spans, 1));
    tally.busy_ns = static_cast<double>(busy_ns) / spans;
    tally.cpu_ns = static_cast<double>(cpu_ns) / spans;
    return tally;
}

void Producers::finish() {
    // release: pairs with the acquire in wait_for.
    board_.leave().store(1, std::memory_order_release);
    for (const pid_t pid : pids_) {
        while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
    pids_.clear();
}

}  // namespace spanring::tools::bench
