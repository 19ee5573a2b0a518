#include "reader.hpp"

#include <algorithm>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace spanring::store {
namespace {

// Of trace filters held in memory: those of about 600 M spans in foreign traces of five, and of far
// more in native ones. The others are fetched one by one.
constexpr std::size_t kFilterBytesMax = 256u << 20;

}  // namespace

Result<std::unique_ptr<Reader>> Reader::open(const std::string& path) {
    auto folder = Folder::open(path);
    if (!folder) return std::move(folder).error();
    auto reader = std::make_unique<ReaderImpl>(std::move(*folder));
    if (auto read = reader->refresh(); !read) return std::move(read).error();
    return std::unique_ptr<Reader>(std::move(reader));
}

bool ReaderImpl::each_batch(BatchCursor& cursor, const BatchVisitor& take) {
    while (cursor.next()) {
        const auto taken = take(cursor.batch(), cursor.matching());
        if (!taken) {
            cursor.refuse(taken.error());
        } else if (!*taken) {
            return false;
        }
    }
    return true;
}

bool ReaderImpl::materialise(const codec::Batch& batch, std::size_t index, codec::Span* span) {
    auto built = batch.span(index);
    if (!built) {
        view_.warn("skipped a span: " + built.error().message);
        return false;
    }
    *span = std::move(*built);
    if (!span->resource) span->resource = std::make_shared<const codec::Attributes>();
    return true;
}

WantedTraces ReaderImpl::wanted_of(const std::vector<TraceId>& ids) {
    std::vector<TraceKey> all;
    const std::set<Key128> host_keys =
        view_.catalogue() != nullptr ? view_.catalogue()->host_keys() : std::set<Key128>{};
    for (const TraceId& id : ids)
        for (const TraceKey& key : keys_of(id, host_keys)) all.push_back(key);
    return WantedTraces(all);
}

// Without a filter an extent's spans are looked at: that costs time, not answers.
void ReaderImpl::warn_of_filters(const Error& error) {
    view_.warn("the catalogue's filters are not used: " + error.message);
}

void ReaderImpl::load_filters() {
    if (std::exchange(filters_as_of_, view_.refreshes()) == view_.refreshes()) return;
    read_filters();
    filter_of_piece_.clear();
    for (const Piece& piece : view_.pieces()) {
        const auto held = filters_.find(piece.id);
        filter_of_piece_.push_back(held == filters_.end() ? nullptr : &held->second->filter);
    }
}

void ReaderImpl::read_filters() {
    CatalogueReader* catalogue = view_.catalogue();
    if (std::exchange(filters_of_, view_.extents_dropped()) != view_.extents_dropped()) {
        filters_.clear();
        filters_loaded_ = 0;
        filter_bytes_ = 0;
    }
    if (catalogue == nullptr || filter_bytes_ >= kFilterBytesMax) return;
    const auto read = catalogue->filters_after(filters_loaded_, [&](std::int64_t id, auto filter) {
        filters_[id] = std::make_unique<const HeldFilter>(filter);
        filter_bytes_ += filter.size();
        filters_loaded_ = id;
        return filter_bytes_ < kFilterBytesMax;
    });
    if (!read) warn_of_filters(read.error());
}

bool ReaderImpl::filter_allows(const Piece& piece, const TraceFilter* held,
                               const WantedTraces& wanted) {
    if (!piece.indexed() || view_.catalogue() == nullptr) return true;
    if (held != nullptr) return held->may_contain(wanted);
    std::vector<std::byte> fetched;
    const auto found = view_.catalogue()->filter_of(piece.id, &fetched);
    if (!found) warn_of_filters(found.error());
    return !found || !*found || may_contain(fetched, wanted);
}

WantedTraces ReaderImpl::wanted_by(const ConditionBounds& bounds) {
    if (!bounds.traces) return {};
    load_filters();
    return wanted_of({bounds.traces->begin(), bounds.traces->end()});
}

bool ReaderImpl::may_match(const Piece& piece, const ConditionBounds& bounds) {
    if (bounds.nothing) return false;
    if (!piece.indexed()) return true;
    if (bounds.has_start &&
        (piece.start_ns_max < bounds.start_ns_min || piece.start_ns_min > bounds.start_ns_max))
        return false;
    if (bounds.services && view_.catalogue() != nullptr) {
        const bool has_one = std::ranges::any_of(*bounds.services, [&](const std::string& name) {
            const auto service = view_.catalogue()->service_id(name);
            return service && std::ranges::binary_search(piece.services, *service);
        });
        if (!has_one) return false;
    }
    return true;
}

std::vector<Piece> ReaderImpl::pieces_for(const ConditionBounds& bounds,
                                          VisitOptions::Order order) {
    const WantedTraces wanted = wanted_by(bounds);
    const auto& all = view_.pieces();
    std::vector<Piece> pieces;
    // Thousands of filters, a cache line of each: the memory is asked for them in time.
    constexpr std::size_t kAhead = 16;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (bounds.traces) {
            if (i + kAhead < all.size() && filter_of_piece_[i + kAhead] != nullptr)
                filter_of_piece_[i + kAhead]->prefetch(wanted);
            if (!filter_allows(all[i], filter_of_piece_[i], wanted)) continue;
        }
        if (may_match(all[i], bounds)) pieces.push_back(all[i]);
    }
    if (order == VisitOptions::Order::kNewest)
        std::ranges::stable_sort(pieces, std::greater(), &Piece::latest_start);
    return pieces;
}

Result<std::unique_ptr<BatchCursor>> ReaderImpl::select(const Condition& condition,
                                                        const VisitOptions& options) {
    auto matcher = Matcher::make(condition);
    if (!matcher) return std::move(matcher).error();
    return std::unique_ptr<BatchCursor>(std::make_unique<BatchCursorImpl>(
        view_, std::move(*matcher), pieces_for(bounds_of(condition), options.order), WithOpen::kYes,
        options));
}

std::unique_ptr<BatchCursor> ReaderImpl::every_batch(std::vector<Piece> pieces,
                                                     WithOpen with_open) {
    auto matcher = Matcher::make({});  // which cannot fail
    return std::make_unique<BatchCursorImpl>(view_, std::move(*matcher), std::move(pieces),
                                             with_open, VisitOptions{});
}

Result<void> ReaderImpl::visit_batches(const Condition& condition, const BatchVisitor& visitor,
                                       const VisitOptions& options) {
    auto cursor = select(condition, options);
    if (!cursor) return std::move(cursor).error();
    (void)each_batch(**cursor, visitor);
    return {};
}

unsigned visitors_max() noexcept {
    constexpr unsigned kMax = 8;
    return std::clamp(std::thread::hardware_concurrency(), 1u, kMax);
}

namespace {

/// The options for one of several threads: what they call is called by one at a time. Who is told
/// not to go on stops alone: the others may be at newer parts of the log.
class TogetherOptions {
public:
    TogetherOptions(const VisitOptions& options, std::uint64_t bytes_total)
        : options_(options), total_(bytes_total) {}

    VisitOptions of_thread() {
        VisitOptions mine;
        mine.order = options_.order;
        mine.go_on = [this](std::int64_t start_ns_max) {
            const std::lock_guard guard(mutex_);
            return !stopped_ && (!options_.go_on || options_.go_on(start_ns_max));
        };
        if (options_.progress)
            mine.progress = [this, before = std::uint64_t{0}](std::uint64_t done,
                                                              std::uint64_t) mutable {
                const std::lock_guard guard(mutex_);
                done_ += done - before;
                before = done;
                options_.progress(done_, total_);
            };
        return mine;
    }
    void stop() {
        const std::lock_guard guard(mutex_);
        stopped_ = true;
    }

private:
    const VisitOptions& options_;
    std::mutex mutex_;
    bool stopped_{false};
    std::uint64_t done_{0};
    const std::uint64_t total_;
};

}  // namespace

Result<void> ReaderImpl::visit_batches_together(const Condition& condition,
                                                const std::vector<BatchVisitor>& visitors,
                                                const VisitOptions& options) {
    // Fewer pieces than this for each are not worth a thread.
    constexpr std::size_t kPiecesMin = 2;
    const auto pieces = pieces_for(bounds_of(condition), options.order);
    const std::size_t threads =
        std::clamp(pieces.size() / kPiecesMin, std::size_t{1}, visitors.size());
    std::uint64_t bytes_total = 0;
    for (const Piece& piece : pieces) bytes_total += piece.bytes;
    TogetherOptions together(options, bytes_total);
    std::vector<std::unique_ptr<BatchCursor>> cursors;
    for (std::size_t t = 0; t < threads; ++t) {
        auto matcher = Matcher::make(condition);
        if (!matcher) return std::move(matcher).error();
        std::vector<Piece> share;
        for (std::size_t i = t; i < pieces.size(); i += threads) share.push_back(pieces[i]);
        cursors.push_back(std::make_unique<BatchCursorImpl>(
            view_, std::move(*matcher), std::move(share), t == 0 ? WithOpen::kYes : WithOpen::kNo,
            together.of_thread()));
    }
    const auto run = [&](std::size_t t) {
        if (!each_batch(*cursors[t], visitors[t])) together.stop();
    };
    std::vector<std::thread> others;
    std::size_t started = 1;
    try {
        for (; started < threads; ++started) others.emplace_back(run, started);
    } catch (const std::system_error&) {
        // No thread is to be had: what is left is done here.
    }
    run(0);
    for (; started < threads; ++started) run(started);
    for (std::thread& other : others) other.join();
    return {};
}

Result<void> ReaderImpl::visit(const Condition& condition, const SpanVisitor& visitor,
                               const Progress& progress) {
    codec::Span span;
    VisitOptions options;
    options.progress = progress;
    return visit_batches(
        condition,
        [&](codec::BatchView& batch, const RowMask& matching) -> Result<bool> {
            const auto rows = batch.rows(matching.numbers());
            if (!rows) return rows.error();
            for (std::size_t i = 0; i < rows->rows.size(); ++i)
                if (materialise(*rows, i, &span) && !visitor(span)) return false;
            return true;
        },
        options);
}

CommittedFrame ReaderImpl::committed(const FramePlace& place, const FrameView& view,
                                     const std::string& file) {
    CommittedFrame frame;
    frame.number = place.header.number;
    frame.committed_ns = place.header.committed_ns;
    frame.bytes = view.bytes;
    if (auto deltas = decode_instances(view.meta.instances); deltas) {
        for (const InstanceDelta& delta : *deltas) {
            frame.tracepoints += delta.tracepoints;
            if (delta.tracepoints != 0)
                frame.instance_tracepoints.emplace_back(delta.id, delta.tracepoints);
        }
    }
    for (const auto encoded : view.batches) {
        auto batch = codec::decode(encoded);
        if (batch) {
            frame.batches.push_back(std::move(*batch));
        } else {
            view_.warn(file + ": skipped a batch of the frame at " + std::to_string(place.offset) +
                       ": " + batch.error().message);
        }
    }
    return frame;
}

Result<std::uint64_t> ReaderImpl::visit_frames_after(std::uint64_t after,
                                                     const FrameVisitor& visitor) {
    std::uint64_t seen = after;
    const bool marked = cursor_.file != nullptr && cursor_.number == after;
    const auto take = [&](const FramePlace& place, const FrameView& view, const std::string& file) {
        // A number that is none of a merged frame's own says nothing of which of its spans are
        // known: rather all of them again than one of them never.
        const bool exact = !view.meta.merged || (marked && cursor_.file->compacted);
        if ((exact ? place.header.number : view.meta.merged->last) <= after) return true;
        const CommittedFrame frame = committed(place, view, file);
        seen = std::max(seen, frame.number);
        const bool go_on = visitor(frame);
        cursor_ = view_.mark_behind(place);
        return go_on;
    };
    LogView::Pass pass;
    std::uint64_t done_window = 0;
    if (marked && view_.is_replaced(cursor_)) {
        const LogView::Mark mark = cursor_;
        done_window = mark.window;
        if (!view_.each_frame_behind(mark, take)) return seen;
    }
    // Pieces are in the order of their numbers.
    auto piece = std::partition_point(view_.pieces().begin(), view_.pieces().end(),
                                      [after](const Piece& p) { return p.last_number <= after; });
    for (; piece != view_.pieces().end(); ++piece) {
        if (piece->window <= done_window) continue;
        if (!view_.each_frame(*piece, pass, take)) return seen;
        if (!piece->compacted) seen = std::max(seen, piece->last_number);
    }
    if (seen == after && after == view_.newest_frame() && !marked) cursor_ = view_.mark_at_end();
    return seen;
}

Result<std::uint64_t> ReaderImpl::visit_after(std::uint64_t after, const SpanVisitor& visitor) {
    codec::Span span;
    return visit_frames_after(after, [&](const CommittedFrame& frame) {
        for (const codec::Batch& batch : frame.batches)
            for (std::size_t i = 0; i < batch.rows.size(); ++i)
                if (materialise(batch, i, &span) && !visitor(span)) return false;
        return true;
    });
}

Result<std::vector<codec::Span>> ReaderImpl::trace(const TraceId& id) {
    auto spans = std::move(collect({id}).front());
    if (spans.empty())
        return Error{ErrorCode::kNotFound,
                     "no trace " + to_hex(id) + " in " + view_.folder().path()};
    return spans;
}

}  // namespace spanring::store
