// The writer: appends frames to windows. What needs time (durability, index, retirement,
// compaction) is left to three background threads.

#include <atomic>
#include <cerrno>
#include <chrono>
#include <mutex>

#include "compactor.hpp"
#include "indexer.hpp"
#include "new_window.hpp"
#include "recovery.hpp"
#include "reserve.hpp"
#include "retirement.hpp"
#include "spanring/base/clock.hpp"
#include "spanring/base/testpoint.hpp"
#include "spanring/store/database.hpp"
#include "window_log.hpp"

namespace spanring::store {
namespace {

std::uint64_t payload_bytes(const Frame& frame) {
    std::uint64_t bytes = frame.deferred.size();
    for (const auto& batch : frame.batches) bytes += batch.size();
    for (const auto& batch : frame.open_spans) bytes += batch.size();
    return bytes;
}

Error too_long(std::uint64_t bytes) {
    return {ErrorCode::kInvalidArgument,
            "a frame of " + std::to_string(bytes) + " bytes is too long"};
}

class WriterImpl final : public Writer {
public:
    WriterImpl(Folder folder, FolderLock lock, Recovery recovery, WriterOptions options)
        : options_(std::move(options)),
          folder_(std::move(folder)),
          lock_(std::move(lock)),
          recovered_(std::move(recovery.state)),
          next_window_(recovery.next_window),
          next_frame_(recovery.next_frame),
          reserve_(folder_),
          syncer_(folder_, options_.sync_interval, options_.background),
          compactor_(folder_, options_.compaction, options_.background, names_,
                     [this] { indexer_.windows_replaced(); }),
          indexer_(folder_, LogEnd{recovery.end_window, recovery.end_offset, recovery.last_frame},
                   {.new_window =
                        [this] {
                            (void)retire();
                            reserve_.keep_for(folder_.bytes_total());
                        },
                    .indexed_below = [this](std::uint64_t w) { compactor_.indexed_below(w); }},
                   options_.background) {}

    ~WriterImpl() override { compactor_.stop(); }
    WriterImpl(const WriterImpl&) = delete;
    WriterImpl& operator=(const WriterImpl&) = delete;

    [[nodiscard]] const RecoveredState& recovered() const noexcept override { return recovered_; }

    [[nodiscard]] bool wants_snapshot() const noexcept override {
        // acquire: pairs with the release in commit and close_window, so that a thread that builds
        // the next frame sees the state that the flag speaks of.
        return wants_snapshot_.load(std::memory_order_acquire) || window_is_old();
    }

    [[nodiscard]] Result<std::uint64_t> commit(const Frame& frame, const FrameSummary& summary,
                                               BatchFacts facts) override;

    [[nodiscard]] Result<void> sync() override { return syncer_.sync_now(); }
    void do_chore(Chore chore) override {
        switch (chore) {
            case Chore::kSync: (void)syncer_.sync_now(); break;  // a failure stays with the window
            case Chore::kIndex: indexer_.do_chore(); break;
            case Chore::kCompact: compactor_.do_chore(); break;
        }
    }
    [[nodiscard]] Result<void> index_now(
        std::optional<std::chrono::milliseconds> time_max) override {
        return indexer_.wait_for_all(time_max);
    }
    [[nodiscard]] Result<CompactReport> compact() override { return compactor_.run_now(); }
    void keep_frames_above(std::uint64_t number) override { compactor_.keep_frames_above(number); }
    [[nodiscard]] Result<std::uint64_t> retire() override {
        const std::lock_guard guard(names_);
        return retire_windows(folder_,
                              {options_.database_bytes_max, options_.retention, options_.now_ns()});
    }

private:
    void close_window() {
        window_.reset();
        // release: pairs with the acquire in wants_snapshot.
        wants_snapshot_.store(true, std::memory_order_release);
    }
    [[nodiscard]] Result<void> begin_window();
    [[nodiscard]] Result<void> append(std::span<const std::byte> bytes);
    /// Returns whether what is behind `good_bytes` is gone from the log.
    bool abandon_window(std::uint64_t good_bytes);
    /// A full disk heals by itself: the oldest window goes, for the next try; if it is the only
    /// one, the reserve.
    void make_room(const Error& cause) {
        if (cause.code != ErrorCode::kNoSpace) return;
        const std::lock_guard guard(names_);
        const auto retired = retire_oldest(folder_);
        if (!retired || !*retired) reserve_.give_up();
    }

    [[nodiscard]] bool window_is_old() const noexcept {
        // relaxed: only compared with the clock.
        const std::int64_t began = window_began_ns_.load(std::memory_order_relaxed);
        return options_.now_ns() - began >=
               std::chrono::nanoseconds(options_.window_age_max).count();
    }

    const WriterOptions options_;
    const Folder folder_;
    const FolderLock lock_;
    const RecoveredState recovered_;
    std::uint64_t next_window_;
    std::uint64_t next_frame_;
    std::shared_ptr<WindowLog> window_;  ///< null: closed, the next frame must begin one
    bool window_is_new_{false};          ///< its name is not durable yet
    std::atomic<bool> wants_snapshot_{true};
    std::atomic<std::int64_t> window_began_ns_{0};
    Reserve reserve_;
    std::mutex names_;  ///< of windows: held to retire one, and to put a new file in its place
    Syncer syncer_;
    // The indexer wakes the compactor, so it is made after it; the compactor's passes tell the
    // indexer, so they end before it does.
    Compactor compactor_;
    Indexer indexer_;
};

Result<void> WriterImpl::begin_window() {
    close_window();
    auto created = WindowLog::create(folder_, next_window_);
    // The number is used up even if that failed: a file of this name may exist now.
    ++next_window_;
    if (!created) return std::move(created).error();
    SPANRING_TESTPOINT("commit.window");
    window_ = std::move(*created);
    window_is_new_ = true;
    // relaxed: only compared with the clock.
    window_began_ns_.store(options_.now_ns(), std::memory_order_relaxed);
    return {};
}

Result<void> WriterImpl::append(std::span<const std::byte> bytes) {
    if (auto appended = window_->append(bytes); !appended) return appended;
    if (options_.durability == Durability::kInterval) {
        syncer_.add(window_, window_is_new_);
        return {};
    }
    if (auto synced = window_->sync(); !synced) return synced;
    return window_is_new_ ? folder_.sync_names() : Result<void>{};
}

// Nothing is tried twice: after a failed write or sync nobody knows what the file holds.
bool WriterImpl::abandon_window(std::uint64_t good_bytes) {
    const std::uint64_t number = window_->number();
    // Gone for good: after a power loss it would be there again, beside what is committed instead.
    const bool removed =
        good_bytes == 0 && folder_.remove_window(number).ok() && folder_.sync_names().ok();
    const bool gone = removed || (window_->cut(good_bytes).ok() && window_->sync().ok());
    close_window();
    return gone;
}

Result<std::uint64_t> WriterImpl::commit(const Frame& frame, const FrameSummary& summary,
                                         BatchFacts facts) {
    if (payload_bytes(frame) > kFramePayloadMax) return too_long(payload_bytes(frame));
    if (!reserve_.may_commit()) {
        close_window();
        return Error{ErrorCode::kNoSpace,
                     folder_.path() + ": no room but what is kept for queries"};
    }
    const auto bytes = encode(frame, summary, {next_frame_, options_.now_ns()});
    if (bytes.size() > SPANRING_FRAME_BYTES_MAX) return too_long(bytes.size());
    if (frame.snapshot && wants_snapshot()) {
        if (auto begun = begin_window(); !begun) {
            make_room(begun.error());
            return std::move(begun).error();
        }
    } else if (!window_) {
        return Error{ErrorCode::kInvalidArgument, "a window must begin with a snapshot"};
    }
    const std::uint64_t good_bytes = window_->bytes();
    SPANRING_TESTPOINT("commit.begun");
    if (auto appended = append(bytes); !appended) {
        const bool whole = window_->bytes() != good_bytes;
        // A follower may have passed a frame that was there whole, and would take another of its
        // number for known. Only if it cannot be cut off is the number used again: the first frame
        // of the next window then makes it void.
        if (abandon_window(good_bytes) && whole) ++next_frame_;
        make_room(appended.error());
        return std::move(appended).error();
    }
    SPANRING_TESTPOINT("commit.written");
    window_is_new_ = false;
    // release: pairs with the acquire in wants_snapshot.
    wants_snapshot_.store(window_->bytes() >= options_.window_bytes_max || window_->sync_failed(),
                          std::memory_order_release);
    indexer_.committed({window_->number(), window_->bytes(), next_frame_}, std::move(facts));
    return next_frame_++;
}

/// What a killed compaction left would keep its bytes until a window is compacted again. If
/// somebody compacts at this moment, it is theirs.
void remove_what_compaction_left(const Folder& folder) {
    auto left = folder.unfinished_windows();
    if (!left || left->empty()) return;
    if (auto lock = FolderLock::take_to_compact(folder); lock) remove_unfinished_windows(folder);
}

}  // namespace

Result<std::unique_ptr<Writer>> Writer::open(const std::string& path,
                                             const WriterOptions& options) {
    auto folder = Folder::open_or_create(path);
    if (!folder) return std::move(folder).error();
    auto lock = FolderLock::take_to_write(*folder);
    if (!lock) return std::move(lock).error();
    remove_what_compaction_left(*folder);
    auto recovery = recover(*folder);
    if (!recovery) return std::move(recovery).error();
    WriterOptions complete = options;
    if (!complete.now_ns) complete.now_ns = wall_clock_ns;
    return std::unique_ptr<Writer>(std::make_unique<WriterImpl>(
        std::move(*folder), std::move(*lock), std::move(*recovery), std::move(complete)));
}

}  // namespace spanring::store
