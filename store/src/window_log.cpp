#include "window_log.hpp"

#include <fcntl.h>

#include <cerrno>

#include "spanring/base/os.hpp"
#include "spanring/base/testpoint.hpp"

namespace spanring::store {

Result<std::shared_ptr<WindowLog>> WindowLog::create(const Folder& folder, std::uint64_t number) {
    auto fd = folder.open_window(number, O_WRONLY | O_CREAT | O_EXCL);
    if (!fd) return std::move(fd).error().in("cannot create a window");
    return std::shared_ptr<WindowLog>(
        new WindowLog(std::move(*fd), number, folder.file(window_name(number))));
}

Result<void> WindowLog::append(std::span<const std::byte> bytes) {
    const ssize_t put =
        os::write_at(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(bytes_));
    if (put < 0) return os_error(errno, name_);
    if (static_cast<std::size_t>(put) != bytes.size())
        return Error{ErrorCode::kNoSpace, name_ + ": only " + std::to_string(put) + " of " +
                                              std::to_string(bytes.size()) +
                                              " bytes could be written"};
    bytes_ += bytes.size();
    return {};
}

Result<void> WindowLog::sync() {
    SPANRING_TESTPOINT("sync.begun");
    if (os::sync_data(fd_.get()) == 0) return {};
    const int cause = errno;
    // relaxed: a hint to begin a new window; nothing is read on the strength of it.
    sync_failed_.store(true, std::memory_order_relaxed);
    return os_error(cause, name_ + ": fdatasync");
}

bool WindowLog::sync_failed() const noexcept {
    // relaxed: see sync().
    return sync_failed_.load(std::memory_order_relaxed);
}

Result<void> WindowLog::cut(std::uint64_t bytes) {
    if (os::truncate(fd_.get(), static_cast<off_t>(bytes)) != 0)
        return os_error(errno, name_ + ": cannot be cut back");
    bytes_ = bytes;
    return {};
}

Syncer::Syncer(const Folder& folder, std::chrono::milliseconds interval, Background background)
    : folder_(folder), interval_(interval) {
    if (background == Background::kThreads) thread_ = std::thread([this] { run(); });
}

Syncer::~Syncer() {
    {
        const std::lock_guard guard(mutex_);
        stop_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void Syncer::add(const std::shared_ptr<WindowLog>& window, bool new_name) {
    bool idle = false;
    {
        const std::lock_guard guard(mutex_);
        idle = dirty_.empty();
        names_dirty_ = names_dirty_ || new_name;
        if (dirty_.empty() || dirty_.back() != window) dirty_.push_back(window);
    }
    if (idle) wake_.notify_one();
}

Result<void> Syncer::sync_now() {
    std::vector<std::shared_ptr<WindowLog>> windows;
    bool names = false;
    {
        const std::lock_guard guard(mutex_);
        windows.swap(dirty_);
        names = std::exchange(names_dirty_, false);
    }
    Result<void> result;
    for (const auto& window : windows)
        if (auto synced = window->sync(); !synced) result = std::move(synced);
    if (names)
        if (auto synced = folder_.sync_names(); !synced) result = std::move(synced);
    return result;
}

void Syncer::run() {
    std::unique_lock lock(mutex_);
    while (!stop_) {
        wake_.wait(lock, [this] { return stop_ || !dirty_.empty(); });
        wake_.wait_for(lock, interval_, [this] { return stop_; });
        lock.unlock();
        // A failure stays with the window (sync_failed), where the writer sees it.
        (void)sync_now();
        lock.lock();
    }
}

}  // namespace spanring::store
