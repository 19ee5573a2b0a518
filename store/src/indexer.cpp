#include "indexer.hpp"

#include <string>
#include <utility>

#include "catalogue_writer.hpp"
#include "facts.hpp"

namespace spanring::store {
namespace {

// Frames are gathered this long into one transaction: at 1,000 commits a second, 200 of them.
// Readers read what is not indexed from the log, so only their speed depends on it.
constexpr std::chrono::milliseconds kGatherTime{200};
// Facts wait for the thread up to so many spans, of 16 bytes each at most: a turn's worth at any
// rate that it keeps up with.
constexpr std::uint64_t kFactsSpansMax = 2u << 20;

}  // namespace

Indexer::Indexer(const Folder& folder, LogEnd end, Events events, Background background)
    : folder_(folder), events_(std::move(events)), start_(end), end_(end) {
    if (background == Background::kThreads) thread_ = std::thread([this] { run(); });
}

Indexer::~Indexer() {
    {
        const std::lock_guard guard(mutex_);
        stop_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void Indexer::committed(LogEnd end, BatchFacts facts) {
    bool idle = false;
    std::uint64_t spans = 0;
    for (const auto& of_batch : facts) spans += of_batch->spans;
    {
        const std::lock_guard guard(mutex_);
        end_ = end;
        if (!facts.empty() && facts_spans_ + spans <= kFactsSpansMax) {
            facts_spans_ += spans;
            facts_.emplace(end.number, std::move(facts));
        }
        idle = idle_;
    }
    if (idle) wake_.notify_all();
}

// Takes the facts of the frame, and forgets those of frames before it.
BatchFacts Indexer::facts_of_frame(std::uint64_t number) {
    const std::lock_guard guard(mutex_);
    BatchFacts found;
    while (!facts_.empty() && facts_.begin()->first <= number) {
        for (const auto& of_batch : facts_.begin()->second) facts_spans_ -= of_batch->spans;
        if (facts_.begin()->first == number) found = std::move(facts_.begin()->second);
        facts_.erase(facts_.begin());
    }
    return found;
}

void Indexer::windows_replaced() {
    {
        const std::lock_guard guard(mutex_);
        replaced_ = true;
    }
    wake_.notify_all();
}

Result<void> Indexer::wait_for_all(std::optional<std::chrono::milliseconds> time_max) {
    std::unique_lock lock(mutex_);
    // A turn that is under way may have begun before the last commit: only one that begins now
    // counts.
    const std::uint64_t mine = ++asked_;
    wake_.notify_all();
    const auto answered = [&] { return stop_ || answered_ >= mine; };
    if (!thread_.joinable()) {
        turn(lock);
    } else if (!time_max) {
        done_.wait(lock, answered);
    } else if (!done_.wait_for(lock, *time_max, answered)) {
        return Error{ErrorCode::kTimeout,
                     "not all is indexed after " + std::to_string(time_max->count()) + " ms"};
    }
    if (answered_ < mine) return Error{ErrorCode::kUnavailable, "the indexer was stopped"};
    return error_ ? Result<void>(*error_) : Result<void>();
}

void Indexer::do_chore() {
    std::unique_lock lock(mutex_);
    if (has_work()) turn(lock);
}

void Indexer::run() {
    std::unique_lock lock(mutex_);
    // The first turn looks at what the last writer left.
    turn(lock);
    while (!stop_) {
        idle_ = true;
        wake_.wait(lock, [&] { return stop_ || has_work(); });
        idle_ = false;
        wake_.wait_for(lock, kGatherTime, [&] { return stop_ || asked_ > answered_; });
        if (!stop_) turn(lock);
    }
    done_.notify_all();
}

/// Indexes up to where the log ends now. Called and left with the lock held; works without.
void Indexer::turn(std::unique_lock<std::mutex>& lock) {
    const LogEnd end = end_;
    const std::uint64_t asked = asked_;
    const bool new_window = std::exchange(window_seen_, end.window) != end.window;
    // At a new window too: another process may have compacted some.
    const bool replaced = std::exchange(replaced_, false) || new_window;
    lock.unlock();
    if (new_window) events_.new_window();
    auto error = index_until(end, replaced);
    if (new_window && !error) events_.indexed_below(end.window);
    lock.lock();
    if (error) window_seen_ = 0;  // what depends on the index is to be done by the next turn
    if (!error) indexed_ = end.number;
    error_ = std::move(error);
    answered_ = asked;
    done_.notify_all();
}

std::optional<Error> Indexer::index_until(const LogEnd& end, bool replaced) {
    for (auto start = CatalogueWriter::Start::kGoOn;;) {
        {
            const std::lock_guard guard(mutex_);
            if (stop_) return Error{ErrorCode::kUnavailable, "the indexer was stopped"};
        }
        if (!catalogue_) {
            // What was committed since must not hide that the log had been cut behind its back.
            auto opened = CatalogueWriter::open(
                folder_, checked_ ? end : start_,
                [this](auto number) { return facts_of_frame(number); }, start);
            if (!opened) return std::move(opened).error();
            catalogue_ = std::move(*opened);
            checked_ = true;
        }
        auto advanced = catalogue_->advance(end);
        if (advanced && !*advanced) continue;
        Result<void> taken;
        if (advanced && replaced) taken = catalogue_->take_compacted();
        if (advanced && taken) return std::nullopt;
        if (advanced) advanced = std::move(taken).error();
        catalogue_.reset();
        if (advanced.error().code != ErrorCode::kCorrupt || start == CatalogueWriter::Start::kAnew)
            return std::move(advanced).error();
        start = CatalogueWriter::Start::kAnew;
    }
}

}  // namespace spanring::store
