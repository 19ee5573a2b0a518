#include "log_view.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>

#include "recovery.hpp"
#include "spanring/base/os.hpp"

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
    const std::lock_guard guard(mutex_);
    if (warnings_.size() >= kWarningsMax || !warned_.insert(line).second) return;
    warnings_.push_back(std::move(line));
}

std::shared_ptr<const WindowFile> LogView::window_file(std::uint64_t window,
                                                       std::optional<bool> compacted) {
    std::shared_ptr<const WindowFile> other;
    {
        const std::lock_guard guard(mutex_);
        const auto found = files_.find(window);
        if (found != files_.end()) other = found->second;
    }
    if (other && (!compacted || other->compacted == *compacted)) return other;
    auto fd = folder_.open_window(window, O_RDONLY);
    if (!fd) {
        // Retired: as if it had never been there. Anything else is worth a line.
        if (fd.error().code != ErrorCode::kNotFound) warn(fd.error().message);
        return other;
    }
    auto file = std::make_shared<WindowFile>();
    file->name = folder_.file(window_name(window));
    auto merged = is_compacted(fd->get(), file->name);
    if (!merged) {
        warn(merged.error().message);
        return other;
    }
    file->compacted = *merged;
    file->fd = std::move(*fd);
    const std::lock_guard guard(mutex_);
    if (!other && files_.size() >= kOpenFilesMax) files_.clear();
    return files_[window] = std::move(file);
}

Result<void> LogView::refresh(const std::function<Result<void>(CatalogueReader&)>& inside) {
    // Windows are compacted once and one after the other: twice in a row is unlikely, more often
    // than this impossible but for a compactor that outruns a refresh, or a catalogue that lost
    // its end by a power loss, until the next writer makes it anew.
    constexpr int kTriesMax = 4;
    ++refreshes_;
    for (int i = 0; i <= kTriesMax; ++i) {
        if (i == kTriesMax) drop_catalogue("it does not know windows that were compacted");
        auto whole = refresh_once(inside, i != kTriesMax);
        if (!whole) return std::move(whole).error();
        if (*whole) return refresh_open_spans();
    }
    return Error{ErrorCode::kBusy, folder_.path() + ": its windows are replaced all the time"};
}

Result<bool> LogView::refresh_once(const std::function<Result<void>(CatalogueReader&)>& inside,
                                   bool with_catalogue) {
    auto windows = folder_.windows();
    if (!windows) return std::move(windows).error();
    // A new window may make the end of the one before void; and its catalogue is on its way.
    if (*windows != windows_) forget_tail();
    windows_ = std::move(*windows);
    if (with_catalogue)
        if (auto read = refresh_catalogue(inside); !read) return std::move(read).error();
    drop_pieces_of_gone_windows();
    auto whole = refresh_tail();
    if (!whole || !*whole) return whole;
    if (!pieces_.empty()) newest_ = std::max(newest_, pieces_.back().last_number);
    return true;
}

// The log was cut behind its back, by a power loss: the next writer makes it anew.
bool LogView::is_ahead(const LogEnd& position) {
    if (position.offset == 0) return false;
    const auto file = window_file(position.window, position.compacted);
    struct stat found {};
    return file && file->compacted == position.compacted &&
           os::stat_fd(file->fd.get(), &found) == 0 &&
           static_cast<std::uint64_t>(found.st_size) < position.offset;
}

// No catalogue, or one that cannot be read, costs time, not answers: then all is tail.
Result<void> LogView::refresh_catalogue(
    const std::function<Result<void>(CatalogueReader&)>& inside) {
    if (catalogue_ && !catalogue_->current(folder_)) catalogue_.reset();
    const bool anew = !catalogue_;
    if (anew) {
        auto opened = CatalogueReader::open(folder_);
        if (opened) catalogue_.emplace(std::move(*opened));
        // One that is missing or another's is the writer's to make.
        if (!opened && opened.error().code == ErrorCode::kCorrupt)
            warn_of_catalogue(opened.error().message);
        if (indexed_pieces_ != 0) forget_extents();
        if (!catalogue_) return {};
    }
    const LogEnd before = catalogue_->position();
    std::vector<Piece> fresh;
    auto read = catalogue_->begin();
    if (read) {
        read = catalogue_->load(fresh);
        if (read && is_ahead(catalogue_->position())) {
            read = Error{ErrorCode::kCorrupt, "it is ahead of the log"};
        }
        if (read && inside) read = inside(*catalogue_);
        catalogue_->end();
    }
    if (!read) {
        drop_catalogue(read.error().message);
        return {};
    }
    if (anew || !fresh.empty() || before.number != catalogue_->position().number ||
        before.window != catalogue_->position().window) {
        forget_tail();
        take_extents(std::move(fresh));
        tail_end_ = catalogue_->position();
    }
    return {};
}

void LogView::drop_catalogue(const std::string& cause) {
    warn_of_catalogue(cause);
    catalogue_.reset();
    forget_extents();
}

void LogView::warn_of_catalogue(const std::string& cause) {
    warn("the catalogue is not used: " + cause);
}

/// Another catalogue numbers its extents anew.
void LogView::forget_extents() {
    pieces_.clear();
    indexed_pieces_ = 0;
    ++extents_dropped_;
    forget_tail();
}

/// `pieces_` holds no tail now.
void LogView::take_extents(std::vector<Piece>&& fresh) {
    std::set<std::uint64_t> compacted;
    for (const Piece& piece : fresh)
        if (piece.compacted) compacted.insert(piece.window);
    const auto before = pieces_.size();
    pieces_.erase(std::remove_if(pieces_.begin(), pieces_.end(),
                                 [&](const Piece& piece) {
                                     return !piece.compacted && compacted.count(piece.window) != 0;
                                 }),
                  pieces_.end());
    if (pieces_.size() != before) ++extents_dropped_;
    pieces_.insert(pieces_.end(), std::make_move_iterator(fresh.begin()),
                   std::make_move_iterator(fresh.end()));
    if (!compacted.empty())
        std::stable_sort(pieces_.begin(), pieces_.end(), [](const Piece& a, const Piece& b) {
            return a.window != b.window ? a.window < b.window : a.offset < b.offset;
        });
    indexed_pieces_ = pieces_.size();
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
    files_.erase(files_.begin(), files_.lower_bound(oldest));
    if (gone != 0) ++extents_dropped_;
}

Result<bool> LogView::refresh_tail() {
    for (auto window = std::lower_bound(windows_.begin(), windows_.end(), tail_end_.window);
         window != windows_.end(); ++window) {
        auto end = void_from(folder_, windows_, *window);
        if (!end) return std::move(end).error();
        auto scanned = scan_tail(*window, *end);
        if (!scanned || !*scanned) return scanned;
    }
    return true;
}

Result<bool> LogView::scan_tail(std::uint64_t window, std::uint64_t void_from) {
    const bool goes_on = tail_end_.window == window && tail_end_.offset != 0;
    const auto file = goes_on ? window_file(window, tail_end_.compacted) : window_file(window);
    if (!file) return true;
    if (goes_on && file->compacted != tail_end_.compacted) {
        // The place where the last scan ended is one of a file that is gone. What the catalogue
        // says of its place will have changed as well.
        forget_tail();
        return false;
    }
    LogScanner scanner(file->fd.get(), file->name, goes_on ? tail_end_.offset : 0,
                       Verify::kPositions);
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
        add_to_tail(window, *file, place, meta ? meta->range(place.header) : MergedRange{});
        tail_end_ = {window, scanner.position(), place.header.number, file->compacted};
    }
    for (const Skipped& skipped : scanner.skipped()) warn(to_text(skipped, scanner.name()));
    return true;
}

void LogView::add_to_tail(std::uint64_t window, const WindowFile& file, const FramePlace& place,
                          const MergedRange& range) {
    const auto& header = place.header;
    Piece* last = pieces_.size() > indexed_pieces_ ? &pieces_.back() : nullptr;
    const bool joins = last != nullptr && last->window == window && last->spans < kPieceSpans &&
                       last->bytes < kPieceBytes;
    if (!joins) {
        Piece piece;
        piece.window = window;
        piece.offset = place.offset;
        piece.compacted = file.compacted;
        piece.first_number = range.first;
        piece.committed_ns_min = piece.committed_ns_max = header.committed_ns;
        pieces_.push_back(std::move(piece));
        last = &pieces_.back();
    }
    last->bytes = place.offset + place.bytes() - last->offset;
    last->last_number = range.last;
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
        open_batches_.reset();
        return {};
    }
    bool anew = fold_window_ == 0 || fold_window_ < windows_.front();
    // What a compacted window told of open spans is gone: a later snapshot tells it.
    for (auto w = std::lower_bound(windows_.begin(), end, fold_window_); w != end && !anew; ++w) {
        const auto file = window_file(*w, false);
        anew = file && file->compacted;
    }
    if (anew) {
        auto start = fold_start(folder_, {windows_.begin(), end});
        if (!start) return std::move(start).error();
        fold_window_ = *start;
        fold_offset_ = 0;
        fold_ = StateFold(StateFold::What::kOpenSpans);
        open_batches_.reset();
    }
    for (auto w = std::lower_bound(windows_.begin(), end, fold_window_); w != end; ++w) fold_on(*w);
    return {};
}

void LogView::fold_on(std::uint64_t window) {
    const auto file = window_file(window, false);
    if (!file) return;
    if (std::exchange(fold_window_, window) != window) fold_offset_ = 0;
    LogScanner scanner(file->fd.get(), file->name, fold_offset_, Verify::kPositions);
    if (window == tail_end_.window) scanner.limit(tail_end_.offset);
    FramePlace place;
    for (;;) {
        auto found = scanner.next(&place);
        if (!found || !*found) break;
        if (auto applied = fold_.apply(scanner, place); !applied) warn(applied.error().message);
        open_batches_.reset();
        fold_offset_ = scanner.position();
    }
    for (std::string& line : fold_.take_warnings()) warn(std::move(line));
}

std::shared_ptr<const LogView::EncodedBatches> LogView::open_batches() {
    if (!open_batches_) {
        auto encoded = fold_.open_spans().encoded();
        if (!encoded) warn("open spans are not shown: " + encoded.error().message);
        open_batches_ = std::make_shared<const EncodedBatches>(encoded ? std::move(*encoded)
                                                                       : EncodedBatches{});
    }
    return open_batches_;
}

std::optional<LogView::Frames> LogView::frames_of(const Piece& piece, Pass& pass) {
    auto file = window_file(piece.window, piece.compacted);
    if (!file) return std::nullopt;
    const bool replaced = file->compacted != piece.compacted;
    if (replaced && !pass.replaced_.insert(piece.window).second) return std::nullopt;
    Frames frames(std::move(file), replaced ? 0 : piece.offset);
    if (!replaced) frames.scanner_.limit(piece.offset + piece.bytes);
    return frames;
}

const FrameView* LogView::Frames::next(LogView& view) {
    while (!finished_) {
        auto found = scanner_.next(&place_);
        if (!found) view.warn(found.error().message);
        if (!found || !*found) {
            finish(view);
            break;
        }
        if (auto frame = scanner_.frame(place_); frame) {
            frame_ = std::move(*frame);
            return &frame_;
        } else {
            view.warn(file() + ": skipped a frame at " + std::to_string(place_.offset) + ": " +
                      frame.error().message);
        }
    }
    return nullptr;
}

void LogView::Frames::finish(LogView& view) {
    finished_ = true;
    for (const Skipped& skipped : scanner_.skipped()) view.warn(to_text(skipped, file()));
    if (scanner_.tail_bytes() != 0)
        view.warn(file() + ": skipped " + std::to_string(scanner_.tail_bytes()) + " bytes at " +
                  std::to_string(scanner_.position()) + ": not what the catalogue says");
}

bool LogView::each_frame(Frames frames, const FrameTaker& take) {
    while (const FrameView* frame = frames.next(*this))
        if (!take(frames.place(), *frame, frames.file())) return false;
    return true;
}

bool LogView::each_frame(const Piece& piece, Pass& pass, const FrameTaker& take) {
    auto frames = frames_of(piece, pass);
    if (!frames) return true;
    visited_window_ = piece.window;
    visited_file_ = frames->file_;
    return each_frame(std::move(*frames), take);
}

LogView::Mark LogView::mark_behind(const FramePlace& place) const {
    return {visited_file_, visited_window_, place.offset + place.bytes(), place.header.number};
}

LogView::Mark LogView::mark_at_end() {
    if (tail_end_.offset == 0) return {};
    auto file = window_file(tail_end_.window, tail_end_.compacted);
    if (!file || file->compacted != tail_end_.compacted) return {};
    return {std::move(file), tail_end_.window, tail_end_.offset, tail_end_.number};
}

bool LogView::is_replaced(const Mark& mark) {
    const auto piece =
        std::lower_bound(pieces_.begin(), pieces_.end(), mark.window,
                         [](const Piece& p, std::uint64_t window) { return p.window < window; });
    if (piece != pieces_.end() && piece->window == mark.window &&
        piece->compacted != mark.file->compacted)
        return true;
    const auto file = window_file(mark.window, mark.file->compacted);
    return file && file->compacted != mark.file->compacted;
}

bool LogView::each_frame_behind(const Mark& mark, const FrameTaker& take) {
    visited_window_ = mark.window;
    visited_file_ = mark.file;
    const auto end = void_from(folder_, windows_, mark.window);
    return each_frame(
        Frames(mark.file, mark.offset),
        [&](const FramePlace& place, const FrameView& frame, const std::string& name) {
            if (end && place.header.number >= *end) return true;
            return take(place, frame, name);
        });
}

}  // namespace spanring::store
