// The window that the writer appends to, and the thread that makes it durable. Threads: append and
// abandon from the committing thread; sync from any. Syncer owns a thread; it never touches the
// committed bytes and never holds up a commit.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "folder.hpp"
#include "spanring/base/background.hpp"
#include "spanring/base/result.hpp"

namespace spanring::store {

class WindowLog {
public:
    /// Creates window `number`, which must not exist.
    [[nodiscard]] static Result<std::shared_ptr<WindowLog>> create(const Folder& folder,
                                                                   std::uint64_t number);

    /// Writes all the bytes at the end. Errors: kNoSpace (also for a short write), kIo; then call
    /// abandon().
    [[nodiscard]] Result<void> append(std::span<const std::byte> bytes);
    /// fdatasync. A failure is remembered: the kernel forgets it, so a second call proves nothing.
    [[nodiscard]] Result<void> sync();
    /// Cuts off everything behind the first `bytes`. Errors: then a torn or whole frame stays
    /// there, which the number of the next window's first frame makes void.
    [[nodiscard]] Result<void> cut(std::uint64_t bytes);

    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
    [[nodiscard]] bool sync_failed() const noexcept;

private:
    WindowLog(UniqueFd fd, std::uint64_t number, std::string name)
        : fd_(std::move(fd)), number_(number), name_(std::move(name)) {}

    UniqueFd fd_;
    std::uint64_t number_;
    std::string name_;
    std::uint64_t bytes_{0};
    std::atomic<bool> sync_failed_{false};
};

/// Calls sync() on windows with new bytes every interval (Background::kCaller: only when told to),
/// and makes new names durable.
class Syncer {
public:
    Syncer(const Folder& folder, std::chrono::milliseconds interval, Background background);
    ~Syncer();
    Syncer(const Syncer&) = delete;
    Syncer& operator=(const Syncer&) = delete;

    /// This window has bytes that are not durable. Cheap; called at each commit.
    void add(const std::shared_ptr<WindowLog>& window, bool new_name);
    /// Syncs everything added so far, now, on the caller's thread.
    [[nodiscard]] Result<void> sync_now();

private:
    void run();

    const Folder& folder_;
    std::chrono::milliseconds interval_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<std::shared_ptr<WindowLog>> dirty_;
    bool names_dirty_{false};
    bool stop_{false};
    std::thread thread_;
};

}  // namespace spanring::store
