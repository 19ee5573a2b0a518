// Compacts sealed windows: as a thread in the background, of low priority and with pauses, or at
// once on somebody's own. Threads: any; the passes of one database come one after the other.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include "compaction.hpp"
#include "folder.hpp"
#include "spanring/base/background.hpp"
#include "spanring/base/result.hpp"

namespace spanring::store {

/// Compacts the windows below `window_end` that nobody's recovery needs, oldest first. `left_alone`
/// names those that need no further look, and grows. Errors: kBusy, kNoSpace, kIo.
[[nodiscard]] Result<CompactReport> compact_windows(const Folder& folder, std::uint64_t window_end,
                                                    const CompactionTask& task,
                                                    std::set<std::uint64_t>& left_alone);

class Compactor {
public:
    /// `names`: see CompactionTask. `on_replaced` is called after each pass: windows may have new
    /// files. The thread makes none before indexed_below was called.
    Compactor(const Folder& folder, const CompactionOptions& options, Background background,
              std::mutex& names, std::function<void()> on_replaced);
    ~Compactor() { stop(); }
    Compactor(const Compactor&) = delete;
    Compactor& operator=(const Compactor&) = delete;

    /// Ends the thread. What it was at stays as it was.
    void stop();
    /// Windows below `window` are in the catalogue. Wakes the thread.
    void indexed_below(std::uint64_t window);
    /// For Background::kCaller: a pass, without pauses, if the thread would make one.
    void do_chore();
    /// Now, on the caller's thread, without pauses.
    [[nodiscard]] Result<CompactReport> run_now();
    void keep_frames_above(std::uint64_t number) noexcept;

private:
    void run();
    [[nodiscard]] Result<CompactReport> pass(const std::function<bool()>& go_on);
    [[nodiscard]] bool rest();

    const Folder& folder_;
    const CompactionOptions options_;
    std::mutex& names_;
    const std::function<void()> on_replaced_;
    std::atomic<std::uint64_t> frame_max_{UINT64_MAX};
    std::mutex pass_;                     ///< one pass at a time
    std::set<std::uint64_t> left_alone_;  ///< under pass_
    std::mutex mutex_;
    std::condition_variable wake_;
    std::uint64_t window_end_{0};
    bool asked_{false};
    bool stop_{false};
    std::int64_t busy_ns_{0};  ///< of the thread, at its last rest
    std::thread thread_;
};

}  // namespace spanring::store
