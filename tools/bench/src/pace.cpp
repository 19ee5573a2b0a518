#include "pace.hpp"

#include <time.h>

#include <algorithm>
#include <random>

#include "spanring/base/clock.hpp"
#include "spanring/shm/clock.hpp"

namespace spanring::tools::bench {
namespace {

/// Without a rate, between two looks at the clock: 25 µs of tight spans.
constexpr std::uint64_t kUnpacedBurst = 1024;
/// What may be made up for at once. The ring holds six times as much at 25 M spans/s.
constexpr double kBacklogNs = 5e6;
/// Two bursts are at most so many times their distance apart.
constexpr double kApartMax = 1.5;

void wait_until(std::uint64_t when_ns, bool sleep) {
    if (sleep) {
        const timespec when{static_cast<time_t>(when_ns / 1'000'000'000u),
                            static_cast<long>(when_ns % 1'000'000'000u)};
        while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr) != 0) {
        }
        return;
    }
    while (shm::monotonic_ns() < when_ns) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
}

/// When the next burst is. Who sleeps in between is measured against the consumer's own period: at
/// the very same one, all bursts would fall into one phase of it, any phase, for the whole run. So
/// they come at random, half a burst to one and a half apart.
class Bursts {
public:
    explicit Bursts(const Pace& pace) : ns_(pace.burst_ns), varies_(pace.sleep) {}
    std::uint64_t next_ns() {
        if (!varies_) return ns_;
        return static_cast<std::uint64_t>(static_cast<double>(ns_) * part_(random_));
    }

private:
    std::uint64_t ns_;
    bool varies_;
    std::minstd_rand random_;  // the same in each run
    std::uniform_real_distribution<double> part_{2 - kApartMax, kApartMax};
};

/// How many spans are due.
class Schedule {
public:
    explicit Schedule(const Pace& pace)
        : per_ns_(pace.spans_per_s / 1e9),
          backlog_(per_ns_ * (kBacklogNs + kApartMax * static_cast<double>(pace.burst_ns)) + 1) {}

    std::uint64_t due(std::uint64_t elapsed_ns, std::uint64_t made) {
        double due =
            static_cast<double>(elapsed_ns) * per_ns_ - given_up_ - static_cast<double>(made);
        if (due > backlog_) {
            given_up_ += due - backlog_;
            due = backlog_;
        }
        return due > 0 ? static_cast<std::uint64_t>(due) : 0;
    }

private:
    double per_ns_;
    double backlog_;
    double given_up_{0};
};

}  // namespace

Paced run_paced(Program& program, const Pace& pace, std::atomic<std::uint64_t>& emitted) {
    const bool paced = pace.spans_per_s > 0;
    const auto length_ns = static_cast<std::uint64_t>(pace.seconds * 1e9);
    // relaxed: a count; the end of the run is told by the lane's stage.
    const std::uint64_t before = emitted.load(std::memory_order_relaxed);
    const std::int64_t cpu_before = thread_cpu_ns();
    const std::uint64_t start = shm::monotonic_ns();
    Schedule schedule(pace);
    Bursts bursts(pace);
    Paced done;
    for (std::uint64_t now = start; now - start < length_ns;) {
        const std::uint64_t due = paced ? schedule.due(now - start, done.spans) : kUnpacedBurst;
        const std::uint64_t began = now;
        if (due != 0) {
            done.spans += program.emit(due);
            // relaxed: as above.
            emitted.store(before + done.spans, std::memory_order_relaxed);
            now = shm::monotonic_ns();
            done.busy_ns += now - began;
        }
        if (paced) {
            wait_until(std::min(began + bursts.next_ns(), start + length_ns), pace.sleep);
            now = shm::monotonic_ns();
        }
    }
    done.ns = shm::monotonic_ns() - start;
    done.cpu_ns = static_cast<std::uint64_t>(thread_cpu_ns() - cpu_before);
    return done;
}

}  // namespace spanring::tools::bench
