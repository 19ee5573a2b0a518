#include "log_view.hpp"

#include <fcntl.h>

#include <algorithm>
#include <limits>

#include "recovery.hpp"

namespace spanring::store {
namespace {

// As the catalogue's extents: see catalogue_writer.cpp.
constexpr std::uint64_t kPieceSpans = codec::kBatchSpansMax;
constexpr std::uint64_t kPieceBytes = 1u << 20;
// Open files of windows that are kept: 10 GiB of windows of 256 MiB are 40.
constexpr std::size_t kOpenFilesMax = 64;
// One line per thing skipped; a ruined disk does not fill the memory.
constexpr std::size_t kWarningsMax = 1000;

}  // namespace

void LogView::warn(std::string line) {
    if (warnings_.size() >= kWarningsMax || !warned_.insert(line).second) return;
    warnings_.push_back(std::move(line));
}

int LogView::window_fd(std::uint64_t window) {
    const auto found = fds_.find(window);
    if (found != fds_.end()) return found->second.get();
    if (fds_.size() >= kOpenFilesMax) fds_.clear();
    auto fd = folder_.open_window(window, O_RDONLY);
    if (!fd) {
        // Retired: as if it had never been there. Anything else is worth a line.
        if (fd.error().code != ErrorCode::kNotFound) warn(fd.error().message);
        return -1;
    }
    return (fds_[window] = std::move(*fd)).get();
}

Result<void> LogView::refresh(const std::function<Result<void>(CatalogueReader&)>& inside) {
    auto windows = folder_.windows();
    if (!windows) return std::move(windows).error();
    // A new window may make the end of the one before void; and its catalogue is on its way.
    if (*windows != windows_) forget_tail();
    windows_ = std::move(*windows);
    if (auto read = refresh_catalogue(inside); !read) return read;
    drop_pieces_of_gone_windows();
    if (auto read = refresh_tail(); !read) return read;
    newest_ = pieces_.empty() ? newest_ : std::max(newest_, pieces_.back().last_number);
    return refresh_open_spans();
}

// No catalogue, or one that cannot be read, costs time, not answers: then all is tail.
Result<void> LogView::refresh_catalogue(
    const std::function<Result<void>(CatalogueReader&)>& inside) {
    if (catalogue_ && !catalogue_->current(folder_)) catalogue_.reset();
    const bool anew = !catalogue_;
    if (anew) {
        auto opened = CatalogueReader::open(folder_);
        if (opened) catalogue_.emplace(std::move(*opened));
        if (indexed_pieces_ != 0) {
            pieces_.clear();
            indexed_pieces_ = 0;
            forget_tail();
        }
        if (!catalogue_) return {};
    }
    const LogEnd before = catalogue_->position();
    std::vector<Piece> fresh;
    auto read = catalogue_->begin();
    if (read) {
        read = catalogue_->load(fresh);
        if (read && inside) read = inside(*catalogue_);
        catalogue_->end();
    }
    if (!read) {
        warn("the catalogue is not used: " + read.error().message);
        catalogue_.reset();
        pieces_.clear();
        indexed_pieces_ = 0;
        forget_tail();
        return {};
    }
    if (anew || before.number != catalogue_->position().number ||
        before.window != catalogue_->position().window) {
        forget_tail();
        pieces_.insert(pieces_.end(), std::make_move_iterator(fresh.begin()),
                       std::make_move_iterator(fresh.end()));
        indexed_pieces_ = pieces_.size();
        tail_end_ = catalogue_->position();
    }
    return {};
}

void LogView::forget_tail() {
    pieces_.resize(indexed_pieces_);
    tail_losses_ = {};
    tail_end_ = catalogue_ ? catalogue_->position() : LogEnd{};
}

void LogView::drop_pieces_of_gone_windows() {
    const std::uint64_t oldest =
        windows_.empty() ? std::numeric_limits<std::uint64_t>::max() : windows_.front();
    const auto kept = std::find_if(pieces_.begin(), pieces_.end(),
                                   [&](const Piece& piece) { return piece.window >= oldest; });
    const auto gone = static_cast<std::size_t>(kept - pieces_.begin());
    pieces_.erase(pieces_.begin(), kept);
    indexed_pieces_ -= std::min(indexed_pieces_, gone);
    fds_.erase(fds_.begin(), fds_.lower_bound(oldest));
}

Result<void> LogView::refresh_tail() {
    for (auto window = std::lower_bound(windows_.begin(), windows_.end(), tail_end_.window);
         window != windows_.end(); ++window) {
        std::uint64_t void_from = std::numeric_limits<std::uint64_t>::max();
        if (std::next(window) != windows_.end()) {
            spanring_frame_header header{};
            auto found = first_frame(folder_, *std::next(window), &header);
            if (found && *found) void_from = header.number;
        }
        if (auto scanned = scan_tail(*window, void_from); !scanned) return scanned;
    }
    return {};
}

Result<void> LogView::scan_tail(std::uint64_t window, std::uint64_t void_from) {
    const int fd = window_fd(window);
    if (fd < 0) return {};
    const std::uint64_t from = tail_end_.window == window ? tail_end_.offset : 0;
    LogScanner scanner(fd, folder_.file(window_name(window)), from, Verify::kPositions);
    FramePlace place;
    for (;;) {
        auto found = scanner.next(&place);
        if (!found) {
            // The rest of this window cannot be read; what was found stays.
            warn(found.error().message);
            break;
        }
        if (!*found || place.header.number >= void_from) break;
        auto meta = scanner.meta(place);
        auto deltas = meta ? decode_instances(meta->instances)
                           : Result<std::vector<InstanceDelta>>(meta.error());
        if (deltas) tail_losses_.apply(*deltas);
        add_to_tail(window, place);
        tail_end_ = {window, scanner.position(), place.header.number};
    }
    for (const Skipped& skipped : scanner.skipped()) warn(to_text(skipped, scanner.name()));
    return {};
}

void LogView::add_to_tail(std::uint64_t window, const FramePlace& place) {
    const auto& header = place.header;
    Piece* last = pieces_.size() > indexed_pieces_ ? &pieces_.back() : nullptr;
    const bool joins = last != nullptr && last->window == window && last->spans < kPieceSpans &&
                       last->bytes < kPieceBytes;
    if (!joins) {
        Piece piece;
        piece.window = window;
        piece.offset = place.offset;
        piece.first_number = header.number;
        piece.committed_ns_min = piece.committed_ns_max = header.committed_ns;
        pieces_.push_back(std::move(piece));
        last = &pieces_.back();
    }
    last->bytes = place.offset + place.bytes() - last->offset;
    last->last_number = header.number;
    last->committed_ns_min = std::min(last->committed_ns_min, header.committed_ns);
    last->committed_ns_max = std::max(last->committed_ns_max, header.committed_ns);
    last->spans += header.spans;
    ++last->frames;
}

// Never beyond tail_end_: a span that ended later would be in neither.
Result<void> LogView::refresh_open_spans() {
    if (tail_end_.window == 0) return {};
    const auto end = std::upper_bound(windows_.begin(), windows_.end(), tail_end_.window);
    if (end == windows_.begin()) {
        // All that the catalogue knows is gone, and what came since has no frame yet.
        fold_window_ = 0;
        fold_ = StateFold(StateFold::What::kOpenSpans);
        return {};
    }
    if (fold_window_ == 0 || fold_window_ < *windows_.begin()) {
        auto start = fold_start(folder_, {windows_.begin(), end});
        if (!start) return std::move(start).error();
        fold_window_ = *start;
        fold_offset_ = 0;
        fold_ = StateFold(StateFold::What::kOpenSpans);
    }
    for (auto window = std::lower_bound(windows_.begin(), end, fold_window_); window != end;
         ++window) {
        const int fd = window_fd(*window);
        if (fd < 0) continue;
        if (std::exchange(fold_window_, *window) != *window) fold_offset_ = 0;
        LogScanner scanner(fd, folder_.file(window_name(*window)), fold_offset_,
                           Verify::kPositions);
        if (*window == tail_end_.window) scanner.limit(tail_end_.offset);
        FramePlace place;
        for (;;) {
            auto found = scanner.next(&place);
            if (!found || !*found) break;
            if (auto applied = fold_.apply(scanner, place); !applied) warn(applied.error().message);
            fold_offset_ = scanner.position();
        }
        for (std::string& line : fold_.take_warnings()) warn(std::move(line));
    }
    return {};
}

bool LogView::each_frame(const Piece& piece, const FrameTaker& take) {
    const int fd = window_fd(piece.window);
    if (fd < 0) return true;
    LogScanner scanner(fd, folder_.file(window_name(piece.window)), piece.offset,
                       Verify::kPositions);
    scanner.limit(piece.offset + piece.bytes);
    FramePlace place;
    bool go_on = true;
    while (go_on) {
        auto found = scanner.next(&place);
        if (!found) {
            warn(found.error().message);
            break;
        }
        if (!*found) break;
        auto frame = scanner.frame(place);
        if (!frame) {
            warn(scanner.name() + ": skipped a frame at " + std::to_string(place.offset) + ": " +
                 frame.error().message);
            continue;
        }
        go_on = take(place, *frame, scanner.name());
    }
    for (const Skipped& skipped : scanner.skipped()) warn(to_text(skipped, scanner.name()));
    if (go_on && scanner.tail_bytes() != 0)
        warn(scanner.name() + ": skipped " + std::to_string(scanner.tail_bytes()) + " bytes at " +
             std::to_string(scanner.position()) + ": not what the catalogue says");
    return go_on;
}

}  // namespace spanring::store
