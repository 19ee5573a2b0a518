// A reader's picture of the log as of the last refresh: pieces in commit order (extents of the
// catalogue, then the tail that it does not hold yet), the spans that are open, losses. Windows
// that are retired meanwhile are skipped. A window that is compacted meanwhile is read from its old
// file if that is open here, else from the new one as a whole, never in part from both. Threads:
// one owner, but where it says so. Never writes, never locks a file.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "catalogue_reader.hpp"
#include "folder.hpp"
#include "log_scanner.hpp"
#include "loss_totals.hpp"
#include "open_spans.hpp"
#include "state_fold.hpp"

namespace spanring::store {

/// A window's file, held open: it stays readable when it is replaced or retired.
struct WindowFile {
    UniqueFd fd;
    std::string name;
    bool compacted{false};
};

class LogView {
public:
    explicit LogView(Folder folder) : folder_(std::move(folder)) {}

    /// `inside` runs, if there is a catalogue, in the transaction that its part was read in.
    [[nodiscard]] Result<void> refresh(
        const std::function<Result<void>(CatalogueReader&)>& inside = {});

    [[nodiscard]] const std::vector<Piece>& pieces() const noexcept { return pieces_; }
    /// The spans that are open, encoded as finished ones are, but unfinished.
    using EncodedBatches = std::vector<std::vector<std::byte>>;
    [[nodiscard]] std::shared_ptr<const EncodedBatches> open_batches();
    /// Of the tail only: what the catalogue does not say yet.
    [[nodiscard]] const LossTotals& tail_losses() const noexcept { return tail_losses_; }
    [[nodiscard]] std::uint64_t newest_frame() const noexcept { return newest_; }
    [[nodiscard]] std::size_t window_count() const noexcept { return windows_.size(); }
    [[nodiscard]] const Folder& folder() const noexcept { return folder_; }
    [[nodiscard]] CatalogueReader* catalogue() noexcept {
        return catalogue_ ? &*catalogue_ : nullptr;
    }
    [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }
    void warn(std::string line);  ///< any thread

    /// One walk over pieces: of a window that has been compacted since the refresh, the first piece
    /// that is visited stands for all.
    class Pass {
        friend class LogView;
        std::set<std::uint64_t> replaced_;  ///< visited as a whole
    };
    /// Frames of one file, one after the other. What cannot be read is skipped with a warning.
    class Frames {
    public:
        /// Null: there is none left. Valid until the next call.
        [[nodiscard]] const FrameView* next(LogView& view);
        [[nodiscard]] const FramePlace& place() const noexcept { return place_; }
        [[nodiscard]] const std::string& file() const noexcept { return scanner_.name(); }
        [[nodiscard]] bool is_compacted() const noexcept { return file_->compacted; }

    private:
        friend class LogView;
        Frames(std::shared_ptr<const WindowFile> file, std::uint64_t from)
            : file_(std::move(file)),
              scanner_(file_->fd.get(), file_->name, from, Verify::kPositions) {}
        void finish(LogView& view);

        std::shared_ptr<const WindowFile> file_;
        LogScanner scanner_;
        FramePlace place_;
        FrameView frame_;
        bool finished_{false};
    };
    /// None: the piece is gone, or was visited in this pass. Any thread, while nobody refreshes.
    [[nodiscard]] std::optional<Frames> frames_of(const Piece& piece, Pass& pass);
    /// Visits the frames of a piece; false from the visitor stops, and is returned.
    using FrameTaker = std::function<bool(const FramePlace&, const FrameView&, const std::string&)>;
    bool each_frame(const Piece& piece, Pass& pass, const FrameTaker& take);

    /// A place in a window's file: behind a frame that was visited.
    struct Mark {
        std::shared_ptr<const WindowFile> file;  ///< null: none
        std::uint64_t window{0};
        std::uint64_t offset{0};
        std::uint64_t number{0};  ///< of that frame
    };
    /// Behind `place`, which each_frame is visiting now.
    [[nodiscard]] Mark mark_behind(const FramePlace& place) const;
    /// Behind the newest frame as of the last refresh.
    [[nodiscard]] Mark mark_at_end();
    /// Whether the window's frames are to be had only in another file than the mark's.
    [[nodiscard]] bool is_replaced(const Mark& mark);
    /// Visits the frames behind the mark, in its file.
    bool each_frame_behind(const Mark& mark, const FrameTaker& take);
    /// Counts how often extents were forgotten: what is cached by their ids is of no use then.
    [[nodiscard]] std::uint64_t extents_dropped() const noexcept { return extents_dropped_; }
    /// Counts the refreshes: pieces are the same while it is.
    [[nodiscard]] std::uint64_t refreshes() const noexcept { return refreshes_; }

private:
    [[nodiscard]] Result<void> refresh_catalogue(
        const std::function<Result<void>(CatalogueReader&)>& inside);
    /// False: a window was replaced on the way, everything has to be looked at again.
    [[nodiscard]] Result<bool> refresh_once(
        const std::function<Result<void>(CatalogueReader&)>& inside, bool with_catalogue);
    void drop_catalogue(const std::string& cause);
    [[nodiscard]] Result<bool> refresh_tail();
    [[nodiscard]] Result<bool> scan_tail(std::uint64_t window, std::uint64_t void_from);
    [[nodiscard]] Result<void> refresh_open_spans();
    void fold_on(std::uint64_t window);
    void take_extents(std::vector<Piece>&& fresh);
    void drop_pieces_of_gone_windows();
    void add_to_tail(std::uint64_t window, const WindowFile& file, const FramePlace& place,
                     const MergedRange& range);
    void forget_tail();
    void forget_extents();
    void warn_of_catalogue(const std::string& cause);
    /// Null: it is gone. One that is open already is preferred if it is as `compacted` says.
    [[nodiscard]] bool is_ahead(const LogEnd& position);
    [[nodiscard]] std::shared_ptr<const WindowFile> window_file(std::uint64_t window,
                                                                std::optional<bool> compacted = {});
    bool each_frame(Frames frames, const FrameTaker& take);

    Folder folder_;
    std::optional<CatalogueReader> catalogue_;
    std::vector<std::uint64_t> windows_;
    std::vector<Piece> pieces_;
    std::size_t indexed_pieces_{0};  ///< how many of them, in front, are the catalogue's
    LogEnd tail_end_;
    LossTotals tail_losses_;
    StateFold fold_{StateFold::What::kOpenSpans};
    std::uint64_t fold_window_{0};
    std::uint64_t fold_offset_{0};
    std::shared_ptr<const EncodedBatches> open_batches_;  ///< of fold_ as it is now; or null
    std::uint64_t newest_{0};
    std::map<std::uint64_t, std::shared_ptr<const WindowFile>> files_;
    std::uint64_t visited_window_{0};  ///< by each_frame, now
    std::shared_ptr<const WindowFile> visited_file_;
    std::uint64_t extents_dropped_{0};
    std::uint64_t refreshes_{0};
    std::mutex mutex_;  ///< of files_ and warnings, while several threads visit
    std::vector<std::string> warnings_;
    std::set<std::string> warned_;
};

}  // namespace spanring::store
