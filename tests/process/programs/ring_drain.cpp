#include "ring_drain.hpp"

#include <utility>

#include "spanring/codec/jsonl.hpp"

namespace spanring::test {

using consumer::Segment;

Result<std::unique_ptr<Segment>> RingDrain::attach() {
    const auto files = directory_.segments();
    if (!files) return Error(files.error());
    if (files->empty()) return std::unique_ptr<Segment>();
    auto reader = shm::SegmentReader::attach(directory_, files->front(),
                                             shm::SegmentReader::Mode::kReadWrite);
    if (!reader) return std::move(reader).error();
    auto& clock = clocks_.of(reader->identity().clock_kind);
    return std::make_unique<Segment>(std::move(*reader), 1, clock, consumer::Limits{});
}

Result<void> RingDrain::take_rows() {
    for (const auto& batch : rows_.take()) {
        auto bytes = codec::encode(*batch);
        if (!bytes) return std::move(bytes).error();
        auto read = codec::decode(*bytes);
        if (!read) return std::move(read).error();
        for (std::size_t i = 0; i < read->rows.size(); ++i) {
            auto span = read->span(i);
            if (!span) return std::move(span).error();
            lines_ << codec::to_jsonl(*span) << '\n';
        }
    }
    return {};
}

Result<bool> RingDrain::drain() {
    if (!segment_) {
        auto attached = attach();
        if (!attached) return std::move(attached).error();
        segment_ = std::move(*attached);
        if (!segment_) return true;
    }
    if (auto resource = segment_->refresh_resource(); !resource) return Error(resource.error());
    auto drained = segment_->drain(rows_, budget_);
    if (!drained) return std::move(drained).error();
    if (auto ended = segment_->end_turn(*drained, rows_); !ended) return Error(ended.error());
    if (auto taken = take_rows(); !taken) return Error(taken.error());
    return drained->complete && drained->at_once && drained->bytes == 0;
}

Result<bool> RingDrain::turn_once() {
    auto all = drain();
    if (!all || !segment_) return all;
    store::InstanceDelta delta;
    (void)segment_->fill_delta(false, delta);
    auto marks = segment_->take_marks();
    if (lags_) std::swap(marks, untold_);
    if (auto told = segment_->commit(marks); !told) return Error(told.error());
    return *all && !holds_back();
}

Result<void> RingDrain::turn() {
    auto turned = turn_once();
    if (!turned) return std::move(turned).error();
    return {};
}

Result<void> RingDrain::catch_up() {
    for (;;) {
        auto all = turn_once();
        if (!all) return std::move(all).error();
        if (*all) return {};
    }
}

bool RingDrain::holds_back() const {
    return segment_ != nullptr && segment_->assembler().has_deferred();
}

Result<void> RingDrain::restart(bool told) {
    if (auto drained = drain(); !drained) return std::move(drained).error();
    if (!segment_) return {};
    consumer::RowSink open_sink;
    open_sink.set_rows_max(codec::kBatchSpansLimit);
    if (auto exported = segment_->assembler().export_open(true, open_sink); !exported) {
        return exported;
    }
    store::Frame frame;
    frame.snapshot = true;
    frame.instances.resize(1);
    (void)segment_->fill_delta(true, frame.instances.front());
    segment_->assembler().export_deferred(frame.deferred);
    codec::Batch open;
    for (const auto& batch : open_sink.take()) open = *codec::decode(*codec::encode(*batch));
    const auto read = store::decode_frame(store::encode(frame, {}), nullptr);
    if (!read) return Error(read.error());
    const auto marks = segment_->take_marks();
    const auto before = std::exchange(untold_, {});
    if (told) {
        if (auto committed = segment_->commit(before); !committed) return committed;
        if (auto committed = segment_->commit(marks); !committed) return committed;
    }
    segment_.reset();
    auto attached = attach();
    if (!attached) return std::move(attached).error();
    segment_ = std::move(*attached);
    if (auto resource = segment_->refresh_resource(); !resource) return resource;
    std::vector<std::size_t> rows(open.rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i;
    return segment_->restore(read->instances.front(), open, rows, read->deferred);
}

Result<void> RingDrain::close() {
    if (auto done = catch_up(); !done || !segment_) return done;
    segment_->assembler().close(rows_);
    return take_rows();
}

}  // namespace spanring::test
