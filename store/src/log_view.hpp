// A reader's picture of the log as of the last refresh: pieces in commit order (extents of the
// catalogue, then the tail that it does not hold yet), the spans that are open, losses. Windows
// that are retired meanwhile are skipped. Threads: one owner. Never writes, never locks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
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

class LogView {
public:
    explicit LogView(Folder folder) : folder_(std::move(folder)) {}

    /// `inside` runs, if there is a catalogue, in the transaction that its part was read in.
    [[nodiscard]] Result<void> refresh(
        const std::function<Result<void>(CatalogueReader&)>& inside = {});

    [[nodiscard]] const std::vector<Piece>& pieces() const noexcept { return pieces_; }
    [[nodiscard]] const codec::Batch& open_rows() const noexcept {
        return fold_.open_spans().batch();
    }
    /// Of the tail only: what the catalogue does not say yet.
    [[nodiscard]] const LossTotals& tail_losses() const noexcept { return tail_losses_; }
    [[nodiscard]] std::uint64_t newest_frame() const noexcept { return newest_; }
    [[nodiscard]] std::size_t window_count() const noexcept { return windows_.size(); }
    [[nodiscard]] const Folder& folder() const noexcept { return folder_; }
    [[nodiscard]] CatalogueReader* catalogue() noexcept {
        return catalogue_ ? &*catalogue_ : nullptr;
    }
    [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }
    void warn(std::string line);

    /// Visits the frames of a piece; false from the visitor stops, and is returned. What cannot be
    /// read is skipped with a warning.
    using FrameTaker = std::function<bool(const FramePlace&, const FrameView&, const std::string&)>;
    bool each_frame(const Piece& piece, const FrameTaker& take);

private:
    [[nodiscard]] Result<void> refresh_catalogue(
        const std::function<Result<void>(CatalogueReader&)>& inside);
    [[nodiscard]] Result<void> refresh_tail();
    [[nodiscard]] Result<void> scan_tail(std::uint64_t window, std::uint64_t void_from);
    [[nodiscard]] Result<void> refresh_open_spans();
    void drop_pieces_of_gone_windows();
    void add_to_tail(std::uint64_t window, const FramePlace& place);
    void forget_tail();
    /// -1: it is gone.
    [[nodiscard]] int window_fd(std::uint64_t window);

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
    std::uint64_t newest_{0};
    std::map<std::uint64_t, UniqueFd> fds_;
    std::vector<std::string> warnings_;
    std::set<std::string> warned_;
};

}  // namespace spanring::store
