// Segment: what goes into a frame, and what its commit brings back to the producer.
#include <algorithm>
#include <utility>

#include "segment.hpp"
#include "spanring/abi/page_layout.h"
#include "spanring/base/testpoint.hpp"

namespace spanring::consumer {

bool Segment::fill_delta(bool whole, store::InstanceDelta& delta) {
    delta.id = identity().instance;
    delta.pid = identity().pid;
    delta.process_name = identity().process_name;
    const std::uint64_t tracepoints = assembler_.counts().tracepoints;
    delta.tracepoints = tracepoints - tracepoints_reported + tracepoints_parked;
    tracepoints_reported = tracepoints;
    tracepoints_parked = 0;
    if (whole) {
        for (std::uint32_t page = 0; page < positions_.size(); ++page) {
            const Position& at = positions_[page];
            if (at.bytes != 0) delta.pages.push_back({page, at.generation, at.bytes});
        }
        released_pages_.clear();
    } else {
        for (const std::uint32_t page : changed_pages_) {
            const Position& at = positions_[page];
            delta.pages.push_back({page, at.generation, at.bytes});
        }
        delta.pages_released = std::exchange(released_pages_, {});
        // A page that was released and is in use again has a position, and must keep it.
        std::erase_if(delta.pages_released, [&](std::uint32_t page) {
            return std::any_of(delta.pages.begin(), delta.pages.end(),
                               [&](const auto& position) { return position.page == page; });
        });
    }
    assembler_.export_streams(whole, delta.streams);
    for (std::size_t i = 0; i < losses_.size(); ++i) {
        if (whole || losses_changed_[i]) delta.losses.push_back(losses_[i]);
    }
    losses_changed_.assign(losses_.size(), false);
    return whole || delta.tracepoints != 0 || !delta.pages.empty() || !delta.streams.empty() ||
           !delta.losses.empty();
}

SegmentMarks Segment::take_marks() {
    SegmentMarks marks;
    marks.segment = number_;
    marks.pages.reserve(changed_pages_.size());
    for (const std::uint32_t page : changed_pages_) {
        Position& at = positions_[page];
        at.changed = false;
        marks.pages.push_back({page, at.generation, at.bytes, at.released});
    }
    if (!changed_pages_.empty()) ++turn_;
    changed_pages_.clear();
    if (!assembler_.has_deferred()) settled_ = turn_;
    marks.turn = turn_;
    marks.settled = settled_;
    marks.tells = !marks.pages.empty() || settled_ != settled_said_;
    settled_said_ = settled_;
    return marks;
}

Result<void> Segment::commit(const SegmentMarks& marks) {
    if (marks.turn > turn_told_) {
        turn_told_ = marks.turn;
        if (auto told = reader_.set_turn_stored(turn_told_); !told) return told;
    }
    SPANRING_TESTPOINT("tell.turn");
    for (const PageMark& mark : marks.pages) {
        auto stored = reader_.set_stored(mark.page, mark.generation, mark.bytes);
        if (!stored) return stored;
        if (!mark.release) continue;
        auto released = reader_.release(mark.page, mark.generation);
        if (!released) return released;
        released_pages_.push_back(mark.page);
        Position& at = positions_[mark.page];
        // The producer may have the page again already, but nobody has read of that life yet.
        if (at.generation == mark.generation) at = {.generation = mark.generation};
    }
    if (marks.settled > settled_told_) {
        settled_told_ = marks.settled;
        return reader_.set_turn_settled(settled_told_);
    }
    return {};
}

std::size_t Segment::take_idle_pages() {
    // Worth it only when others may need them: three quarters of the ring are in use.
    const auto fill = reader_.fill();
    if (!fill || fill->declared_bytes < fill->max_bytes ||
        fill->used_bytes * 4 < fill->declared_bytes * 3) {
        return 0;
    }
    if (!reader_.peek_all(&views_)) return 0;
    std::vector<shm::PageView> quiet;
    std::vector<Position> seen(positions_.size());
    for (const shm::PageView& view : views_) {
        if (view.state != SPANRING_PAGE_WRITING || view.page >= positions_.size()) continue;
        const Position& at = positions_[view.page];
        const bool read = at.generation == view.generation && at.bytes == view.committed;
        if (!read || view.committed <= SPANRING_PAGE_DATA) continue;
        seen[view.page] = at;
        const bool same = view.page < quiet_before_.size() &&
                          quiet_before_[view.page].generation == at.generation &&
                          quiet_before_[view.page].bytes == at.bytes;
        if (same) quiet.push_back(view);
    }
    quiet_before_ = std::move(seen);
    for (const shm::PageView& view : quiet) {
        if (!reader_.revoke_slot(view.stream)) return 0;
    }
    if (quiet.empty() || !reader_.take_barrier()) return 0;
    std::size_t taken = 0;
    for (const shm::PageView& view : quiet) {
        const auto took = reader_.try_take(view);
        if (took && *took) ++taken;
    }
    return taken;
}

}  // namespace spanring::consumer
