#include "compactor.hpp"

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "new_window.hpp"
#include "recovery.hpp"
#include "spanring/base/clock.hpp"

namespace spanring::store {
namespace {

// So long it works in one go: a commit that wants the core waits no longer than for any other
// thread, and a rest is long enough to be worth a sleep.
constexpr std::int64_t kWorkNs = 2'000'000;
constexpr int kLowestPriority = 19;

}  // namespace

Result<CompactReport> compact_windows(const Folder& folder, std::uint64_t window_end,
                                      const CompactionTask& task,
                                      std::set<std::uint64_t>& left_alone) {
    CompactReport report;
    auto windows = folder.windows();
    if (!windows) return std::move(windows).error();
    if (windows->empty()) return report;
    auto kept = fold_start(folder, *windows);
    if (!kept) return std::move(kept).error();
    const std::uint64_t end = std::min(window_end, *kept);
    const auto waits = [&](std::uint64_t w) { return w < end && left_alone.count(w) == 0; };
    if (std::none_of(windows->begin(), windows->end(), waits)) return report;
    auto lock = FolderLock::take_to_compact(folder);
    if (!lock) return std::move(lock).error();
    remove_unfinished_windows(folder);
    for (const std::uint64_t window : *windows) {
        if (!waits(window)) continue;
        auto compacted = compact_window(folder, window, task);
        if (!compacted) {
            const ErrorCode code = compacted.error().code;
            if (code == ErrorCode::kUnavailable) return report;
            if (code == ErrorCode::kNoSpace || code == ErrorCode::kIo)
                return std::move(compacted).error();
            report.problems.push_back(compacted.error().message);
        } else if (compacted->done) {
            ++report.windows;
            report.spans += compacted->spans;
            report.bytes_before += compacted->bytes_before;
            report.bytes_after += compacted->bytes_after;
        } else if (task.last_frame_max != UINT64_MAX) {
            continue;  // perhaps kept for a cursor: to be looked at again
        }
        left_alone.insert(window);
    }
    return report;
}

Compactor::Compactor(const Folder& folder, const CompactionOptions& options, Background background,
                     std::mutex& names, std::function<void()> on_replaced)
    : folder_(folder), options_(options), names_(names), on_replaced_(std::move(on_replaced)) {
    if (options_.enabled && background == Background::kThreads)
        thread_ = std::thread([this] { run(); });
}

void Compactor::stop() {
    {
        const std::lock_guard guard(mutex_);
        stop_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void Compactor::indexed_below(std::uint64_t window) {
    {
        const std::lock_guard guard(mutex_);
        window_end_ = window;
        asked_ = true;
    }
    wake_.notify_all();
}

void Compactor::keep_frames_above(std::uint64_t number) noexcept {
    // relaxed: a window that is being merged at this moment had no such cursor when it was sealed.
    frame_max_.store(number, std::memory_order_relaxed);
}

void Compactor::do_chore() {
    {
        const std::lock_guard guard(mutex_);
        if (!options_.enabled || !std::exchange(asked_, false)) return;
    }
    (void)run_now();
}

Result<CompactReport> Compactor::run_now() {
    return pass([] { return true; });
}

Result<CompactReport> Compactor::pass(const std::function<bool()>& go_on) {
    const std::lock_guard one(pass_);
    CompactionTask task;
    task.encode = {.small = true, .zstd_level = options_.zstd_level};
    task.go_on = go_on;
    task.names = &names_;
    // relaxed: see keep_frames_above.
    task.last_frame_max = frame_max_.load(std::memory_order_relaxed);
    std::uint64_t end = 0;
    {
        const std::lock_guard guard(mutex_);
        end = window_end_;
    }
    auto report = compact_windows(folder_, end, task, left_alone_);
    // Of those that are gone nothing needs to be remembered.
    if (auto windows = folder_.windows(); windows && !windows->empty())
        left_alone_.erase(left_alone_.begin(), left_alone_.lower_bound(windows->front()));
    // Also after an error: some may have been replaced before it.
    on_replaced_();
    return report;
}

void Compactor::run() {
    // Of this thread alone: on Linux, 0 is the calling thread.
    (void)::setpriority(PRIO_PROCESS, 0, kLowestPriority);
    std::unique_lock lock(mutex_);
    while (!stop_) {
        wake_.wait(lock, [this] { return stop_ || asked_; });
        if (stop_) break;
        asked_ = false;
        lock.unlock();
        busy_ns_ = thread_cpu_ns();
        // What fails (no space, somebody else at it) is tried again when the next window is sealed.
        (void)pass([this] { return rest(); });
        lock.lock();
    }
}

/// Sleeps as long as the last piece of work asks for. False: stop.
bool Compactor::rest() {
    const std::int64_t worked = thread_cpu_ns() - busy_ns_;
    if (worked < kWorkNs) return true;
    const unsigned percent = std::clamp(options_.cpu_percent, 1u, 100u);
    const std::chrono::nanoseconds pause(worked * (100 - percent) / percent);
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, pause, [this] { return stop_; });
    busy_ns_ = thread_cpu_ns();
    return !stop_;
}

}  // namespace spanring::store
