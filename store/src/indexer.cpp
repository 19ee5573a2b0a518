#include "indexer.hpp"

#include <chrono>
#include <utility>

#include "catalogue_writer.hpp"

namespace spanring::store {
namespace {

// Frames are gathered this long into one transaction: at 1,000 commits a second, 200 of them.
// Readers read what is not indexed from the log, so only their speed depends on it.
constexpr std::chrono::milliseconds kGatherTime{200};

}  // namespace

Indexer::Indexer(const Folder& folder, LogEnd end, std::function<void()> on_new_window)
    : folder_(folder), on_new_window_(std::move(on_new_window)), end_(end) {
    thread_ = std::thread([this] { run(); });
}

Indexer::~Indexer() {
    {
        const std::lock_guard guard(mutex_);
        stop_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

void Indexer::committed(LogEnd end) {
    bool idle = false;
    {
        const std::lock_guard guard(mutex_);
        end_ = end;
        idle = idle_;
    }
    if (idle) wake_.notify_all();
}

Result<void> Indexer::wait_for_all() {
    std::unique_lock lock(mutex_);
    const std::uint64_t wanted = end_.number;
    const std::uint64_t turn_now = turns_;
    hurry_ = true;
    wake_.notify_all();
    // A turn that was under way when we came may have begun before the last commit; the one after
    // it has not.
    done_.wait(lock, [&] {
        return stop_ || (indexed_ >= wanted && turns_ > 0) ||
               (error_.has_value() && turns_ >= turn_now + 2);
    });
    if (indexed_ >= wanted) return {};
    return error_.value_or(Error{ErrorCode::kUnavailable, "the indexer was stopped"});
}

void Indexer::run() {
    std::unique_lock lock(mutex_);
    std::uint64_t window_seen = end_.window;
    // The first turn looks at what the last writer left.
    turn(lock);
    while (!stop_) {
        idle_ = true;
        wake_.wait(lock, [&] { return stop_ || hurry_ || indexed_ < end_.number; });
        idle_ = false;
        wake_.wait_for(lock, kGatherTime, [&] { return stop_ || hurry_; });
        if (stop_) break;
        if (std::exchange(window_seen, end_.window) != end_.window) {
            lock.unlock();
            on_new_window_();
            lock.lock();
        }
        turn(lock);
    }
    done_.notify_all();
}

/// Indexes up to where the log ends now. Called and left with the lock held; works without.
void Indexer::turn(std::unique_lock<std::mutex>& lock) {
    const LogEnd end = end_;
    hurry_ = false;
    lock.unlock();
    std::optional<Error> error;
    bool reached = false;
    while (!reached && !error) {
        if (!catalogue_) {
            auto opened = CatalogueWriter::open(folder_, end);
            if (opened) {
                catalogue_ = std::move(*opened);
            } else {
                error = std::move(opened).error();
                break;
            }
        }
        auto advanced = catalogue_->advance(end);
        if (advanced) {
            reached = *advanced;
        } else {
            error = std::move(advanced).error();
            catalogue_.reset();
            if (error->code == ErrorCode::kCorrupt) CatalogueWriter::discard(folder_);
        }
        lock.lock();
        const bool stop = stop_;
        lock.unlock();
        if (stop) break;
    }
    lock.lock();
    if (reached) indexed_ = end.number;
    error_ = std::move(error);
    if (error_ && !stop_) hurry_ = false;
    ++turns_;
    done_.notify_all();
}

}  // namespace spanring::store
