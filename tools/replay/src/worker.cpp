#include "worker.hpp"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <numeric>
#include <thread>

#include "importer.hpp"
#include "spanring/process.hpp"

namespace spanring::tools::replay {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Longer than any restart of a consumer: a replay loses nothing.
constexpr std::uint64_t kBlockNs = 3600ull * 1'000'000'000;
/// Progress is written every so many spans: a store to a shared line is not free.
constexpr std::uint64_t kProgressEvery = 256;

std::int64_t monotonic_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

class Worker {
public:
    Worker(const Recording& recording, const WorkerTask& task, Board& board, BoardLine& line)
        : recording_(recording), task_(task), board_(board), line_(line) {}

    int run() {
        if (const Result<void> ready = configure_tracing(); !ready) {
            return fail(ready.error().message);
        }
        write_all();
        line_.stage = static_cast<std::uint32_t>(Stage::kFlushing);
        while (written_ > 0 && !flush(seconds(1))) {
            if (board_.leave() != 0 || board_.stop() != 0 || !status().recording) break;
        }
        count_losses();
        if (line_.stage == static_cast<std::uint32_t>(Stage::kFlushing)) {
            line_.stage = static_cast<std::uint32_t>(Stage::kQueryable);
        }
        while (board_.leave() == 0) std::this_thread::sleep_for(milliseconds(10));
        return 0;
    }

private:
    Result<void> configure_tracing() {
        Configuration configuration;
        configuration.service_name = task_.services.size() == 1
                                         ? recording_.services()[task_.services.front()]
                                         : std::string("spanring-replay");
        configuration.directory = task_.directory;
        configuration.policy = Policy::kBlock;
        configuration.policy_set = true;
        configuration.block_timeout_ns = kBlockNs;
        return configure(std::move(configuration));
    }

    /// The services' rows are each sorted by start; several are merged by the one that is due.
    void write_all() {
        Importer importer(recording_, task_.services.size() > 1);
        std::vector<std::span<const Row>> queues;
        for (const std::uint32_t service : task_.services) {
            queues.push_back(recording_.rows_of(service));
        }
        while (board_.stop() == 0) {
            const auto next = std::min_element(queues.begin(), queues.end(), earlier);
            if (next->empty()) break;
            write(next->front(), importer);
            *next = next->subspan(1);
        }
        line_.written = written_;
    }

    static bool earlier(const std::span<const Row>& a, const std::span<const Row>& b) {
        if (a.empty() || b.empty()) return !a.empty();
        return a.front().start_ns < b.front().start_ns;
    }

    void write(const Row& row, Importer& importer) {
        if (task_.speed > 0) pace(row);
        if (!import_span(importer.form_of(row))) ++refused_;
        if (++written_ % kProgressEvery == 0 || task_.speed > 0) line_.written = written_;
    }

    void pace(const Row& row) {
        const std::int64_t due =
            task_.started_ns + due_after_ns(row, recording_.first_start_ns(), task_.speed);
        // Slept in slices, so that Ctrl-C is heard within one.
        while (board_.stop() == 0) {
            const std::int64_t left = due - monotonic_ns();
            if (left <= 0) return;
            std::this_thread::sleep_for(
                std::chrono::nanoseconds(std::min<std::int64_t>(left, 50'000'000)));
        }
    }

    void count_losses() {
        // What was refused because tracing is off stands in no counter.
        line_.lost = std::max(losses().total(), refused_);
        if (refused_ > 0 && !status().recording) fail(status().reason);
    }

    int fail(const std::string& why) {
        std::snprintf(line_.why, sizeof line_.why, "%s", why.c_str());
        line_.stage = static_cast<std::uint32_t>(Stage::kFailed);
        return 2;
    }

    const Recording& recording_;
    const WorkerTask& task_;
    Board& board_;
    BoardLine& line_;
    std::uint64_t written_{0};
    std::uint64_t refused_{0};
};

}  // namespace

std::vector<std::vector<std::uint32_t>> divide(const Recording& recording, std::size_t processes) {
    const std::size_t services = recording.services().size();
    std::vector<std::uint32_t> by_weight(services);
    std::iota(by_weight.begin(), by_weight.end(), 0u);
    std::stable_sort(by_weight.begin(), by_weight.end(), [&](std::uint32_t a, std::uint32_t b) {
        return recording.rows_of(a).size() > recording.rows_of(b).size();
    });
    const std::size_t workers = processes == 0 ? services : std::min(processes, services);
    std::vector<std::vector<std::uint32_t>> tasks(workers);
    std::vector<std::size_t> loads(workers, 0);
    for (const std::uint32_t service : by_weight) {  // the heaviest first, to the lightest worker
        const auto lightest =
            static_cast<std::size_t>(std::min_element(loads.begin(), loads.end()) - loads.begin());
        tasks[lightest].push_back(service);
        loads[lightest] += recording.rows_of(service).size();
    }
    return tasks;
}

std::int64_t due_after_ns(const Row& row, std::int64_t first_start_ns, double speed) noexcept {
    if (!row.has_start || speed <= 0) return 0;
    return static_cast<std::int64_t>(static_cast<double>(row.start_ns - first_start_ns) / speed);
}

int work(const Recording& recording, const WorkerTask& task, Board& board, std::size_t line) {
    return Worker(recording, task, board, board.line(line)).run();
}

}  // namespace spanring::tools::replay
