#include "batch_cursor.hpp"

namespace spanring::store {

BatchCursorImpl::BatchCursorImpl(LogView& view, Matcher matcher, std::vector<Piece> pieces,
                                 WithOpen with_open, const VisitOptions& options)
    : view_(view), matcher_(std::move(matcher)), pieces_(std::move(pieces)), options_(options) {
    if (with_open == WithOpen::kNo) open_ = std::make_shared<const LogView::EncodedBatches>();
    for (const Piece& piece : pieces_) bytes_total_ += piece.bytes;
}

bool BatchCursorImpl::next() {
    while (next_encoded()) {
        auto batch = codec::BatchView::open(encoded_[next_encoded_++]);
        if (!batch) {
            refuse(batch.error());
            continue;
        }
        batch_.emplace(std::move(*batch));
        auto matching = matcher_.select(*batch_);
        if (!matching) {
            refuse(matching.error());
        } else if (!matching->none()) {
            matching_.emplace(std::move(*matching));
            return true;
        }
    }
    return false;
}

bool BatchCursorImpl::next_encoded() {
    while (next_encoded_ == encoded_.size()) {
        const FrameView* frame = frames_ ? frames_->next(view_) : nullptr;
        if (frame == nullptr) {
            part_is_done();
            if (!next_part()) return false;
            continue;
        }
        encoded_ = frame->batches;
        next_encoded_ = 0;
    }
    return true;
}

void BatchCursorImpl::part_is_done() {
    if (!frames_) return;
    frames_.reset();
    bytes_done_ += pieces_[next_piece_ - 1].bytes;
    if (options_.progress) options_.progress(bytes_done_, bytes_total_);
}

bool BatchCursorImpl::next_part() {
    if (!open_ && newest_first()) return open_spans_part();
    for (; next_piece_ < pieces_.size() && !stopped_; ++next_piece_) {
        const Piece& piece = pieces_[next_piece_];
        stopped_ = options_.go_on && !options_.go_on(piece.latest_start());
        if (stopped_) break;
        if (auto frames = view_.frames_of(piece, pass_)) {
            frames_.emplace(std::move(*frames));
            ++next_piece_;
            return true;
        }
    }
    return !stopped_ && !open_ && open_spans_part();
}

bool BatchCursorImpl::open_spans_part() {
    stopped_ = options_.go_on && !options_.go_on(kNoStartMax);
    if (stopped_) return false;
    open_ = view_.open_batches();
    encoded_.assign(open_->begin(), open_->end());
    next_encoded_ = 0;
    return true;
}

BatchPlace BatchCursorImpl::place() const {
    const auto index = static_cast<std::uint32_t>(next_encoded_ - 1);
    if (!frames_) return {0, 0, false, index};
    return {pieces_[next_piece_ - 1].window, frames_->place().offset, frames_->is_compacted(),
            index};
}

std::int64_t BatchCursorImpl::later_start_ns_max() const {
    if (frames_) return pieces_[next_piece_ - 1].latest_start();
    if (next_encoded_ < encoded_.size() || !open_) return kNoStartMax;
    return next_piece_ < pieces_.size() && !stopped_ ? pieces_[next_piece_].latest_start()
                                                     : std::numeric_limits<std::int64_t>::min();
}

void BatchCursorImpl::refuse(const Error& error) {
    view_.warn(frames_ ? frames_->file() + ": skipped a batch of the frame at " +
                             std::to_string(frames_->place().offset) + ": " + error.message
                       : "skipped spans that are open: " + error.message);
}

}  // namespace spanring::store
