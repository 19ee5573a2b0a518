// A segment of fuzz bytes, drained as the consumer drains it. Whatever it holds: no crash, errors
// that quarantine, bounded work.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "segment_file.hpp"

namespace spanring::fuzz {

/// One page more than this may be copied in a turn.
inline constexpr std::size_t kBudget = 2 * kPageBytes;
inline constexpr int kStepsMax = 200;

class SegmentRun {
public:
    SegmentRun(FuzzedDataProvider& in, SegmentFile& file) : in_(in), file_(file) { file_.renew(); }

    /// Calls before_step(0) and attaches; then before_step(i) and one step, again and again.
    template <typename BeforeStep>
    void go(const BeforeStep& before_step) {
        // Before the attach only a few: hardly any random header is accepted.
        for (std::uint32_t i = in_.ConsumeIntegralInRange<std::uint32_t>(0, 4); i > 0; --i) {
            write();
        }
        before_step(0);
        auto reader = file_.attach();
        if (!reader) return;
        segment_ = std::make_unique<consumer::Segment>(
            std::move(*reader), 1, clocks_.of(SPANRING_CLOCK_MONOTONIC), consumer::Limits{});
        bool good = true;
        for (int i = 1; i <= kStepsMax && good && in_.remaining_bytes() != 0; ++i) {
            before_step(i);
            good = step();
        }
        segment_->assembler().close(rows_);
        require(segment_->assembler().open_spans() == 0, "nothing is open after close");
        take();
    }

private:
    bool step() {
        switch (in_.ConsumeIntegralInRange<int>(0, 9)) {
            case 0:
            case 1:
            case 2: publish(); return true;
            case 3: write(); return true;
            case 4: return commit();
            case 5: return look_around();
            default: return turn();
        }
    }
    /// Any word of the file, the header's included.
    void write() {
        auto* words = reinterpret_cast<std::uint64_t*>(&file_.image());
        const auto at = in_.ConsumeIntegralInRange<std::size_t>(0, sizeof(Image) / 8 - 1);
        words[at] = in_.ConsumeBool() ? in_.ConsumeIntegral<std::uint64_t>()
                                      : in_.ConsumeIntegralInRange<std::uint64_t>(0, 2048);
        file_.put(words + at, 8);
    }
    /// What a producer does, well or badly: a page of records, its header and its state.
    void publish() {
        Image& image = file_.image();
        const auto page = in_.ConsumeIntegralInRange<std::uint32_t>(0, kPages - 1);
        auto& header = *reinterpret_cast<spanring_page_header*>(image.pages[page]);
        std::vector<std::byte> records;
        for (int i = in_.ConsumeIntegralInRange<int>(0, 12); i > 0; --i) {
            in_.ConsumeIntegralInRange<int>(0, 9) == 0 ? put_raw(in_, records)
                                                       : put_record(in_, records);
        }
        const bool goes_on = in_.ConsumeBool();
        if (!goes_on) {
            header.generation += 1;
            header.stream = in_.ConsumeIntegralInRange<std::uint32_t>(0, kStreams - 1);
            header.sequence = in_.ConsumeIntegralInRange<std::uint64_t>(0, 9);
            header.base_ticks = in_.ConsumeIntegral<std::uint32_t>();
            header.first_ordinal = in_.ConsumeIntegralInRange<std::uint64_t>(1, 30);
            header.committed = spanring_page_mark(header.generation, SPANRING_PAGE_DATA);
        }
        const std::uint32_t from = spanring_page_mark_bytes(header.committed);
        if (from < SPANRING_PAGE_DATA || from > kPageBytes) return;
        const std::size_t room = std::min<std::size_t>(records.size(), kPageBytes - from);
        if (room != 0) std::memcpy(image.pages[page] + from, records.data(), room);
        header.committed =
            spanring_page_mark(header.generation, from + static_cast<std::uint32_t>(room));
        image.states[page] =
            spanring_page_state(header.generation, header.stream,
                                in_.ConsumeBool() ? SPANRING_PAGE_WRITING : SPANRING_PAGE_FULL);
        file_.put(image.pages[page], kPageBytes);
        file_.put(&image.states[page], sizeof image.states[page]);
    }
    bool turn() {
        (void)segment_->has_news();
        const auto drained = segment_->drain(rows_, kBudget);
        if (!drained) return false;
        require(drained->bytes <= kBudget + kPageBytes, "a turn copies no more than its budget");
        if (!segment_->end_turn(*drained, rows_)) return false;
        store::InstanceDelta delta;
        (void)segment_->fill_delta(in_.ConsumeBool(), delta);
        require(delta.pages.size() <= segment_->identity().pages_max, "a position for each page");
        marks_.push_back(segment_->take_marks());
        take();
        return true;
    }
    /// Later than the turns: they are on their way through the database.
    bool commit() {
        for (const consumer::SegmentMarks& marks : std::exchange(marks_, {})) {
            if (!segment_->commit(marks)) return false;
        }
        return true;
    }
    bool look_around() {
        (void)segment_->refresh_losses();
        (void)segment_->take_idle_pages();
        (void)segment_->reader().count_pending();
        return segment_->refresh_resource().ok();
    }
    void take() {
        for (const auto& batch : rows_.take()) {
            const auto bytes = codec::encode(*batch);
            require(bytes.ok(), "rows encode");
            const auto read = codec::decode(*bytes);
            require(read.ok() && read->rows.size() == batch->rows.size(), "rows decode");
        }
    }

    FuzzedDataProvider& in_;
    SegmentFile& file_;
    consumer::Clocks clocks_;
    consumer::RowSink rows_;
    std::unique_ptr<consumer::Segment> segment_;
    std::vector<consumer::SegmentMarks> marks_;
};

}  // namespace spanring::fuzz
