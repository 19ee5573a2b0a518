// Consumer: from what a turn has read to a committed frame, and back to the producers.
#include <algorithm>
#include <utility>

#include "consumer.hpp"

namespace spanring::consumer {
namespace {

using std::chrono::milliseconds;

/// A full disk is asked again this often.
constexpr milliseconds kRetry{200};

}  // namespace

void Consumer::commit_turn() {
    const bool carried = !carried_.empty();
    bool whole = carried || writer_->wants_snapshot();
    if (whole) {
        // A snapshot says everything as of this turn, so nothing may be on its way before it.
        wait_for_all();
        if (failing_ && !carried) return;
    }
    auto turn = build(whole);
    if (!turn) return;
    anything_ = anything_ || turn->spans != 0;
    for (const auto* batches : {&turn->batches, &turn->open_spans}) {
        for (const auto& batch : *batches) turn->bytes += RowSink::bytes_of(*batch);
    }
    bytes_in_flight_ += turn->bytes;
    pipeline_->submit(std::move(turn));
}

std::unique_ptr<Turn> Consumer::build(bool whole) {
    auto turn = std::make_unique<Turn>();
    deferred_.clear();
    // Before the streams, whose export forgets what has changed, and before the rows are taken: a
    // segment that is found bad ends in this frame, together with its last rows.
    bool content = add_open_spans(whole, *turn);
    turn->batches = rows_.take();
    for (const auto& batch : turn->batches) turn->spans += batch->rows.size();
    for (auto& [number, segment] : segments_) {
        content = add_segment(*segment, whole, *turn) || content;
    }
    if (whole && recovered_) recovered_->export_instances(turn->frame.instances);
    if (recovered_) recovered_->export_deferred(deferred_);
    content = content || !turn->batches.empty() || !gone_.empty() || !carried_.empty();
    std::move(gone_.begin(), gone_.end(), std::back_inserter(turn->frame.instances));
    gone_.clear();
    add_carried(*turn);
    // A snapshot ends what the fold knew: files that could not be removed must stay known.
    for (const InstanceId& id : ended_) {
        if (!whole) break;
        store::InstanceDelta delta;
        delta.id = id;
        delta.ended = true;
        turn->frame.instances.push_back(std::move(delta));
    }
    // A window begins with the first content, not with an empty turn.
    if (!content) return nullptr;
    turn->frame.deferred = deferred_;
    turn->frame.snapshot = whole;
    for (const SegmentMarks& marks : turn->marks) {
        if (const auto at = segments_.find(marks.segment); at != segments_.end()) {
            ++at->second->turns_in_flight;
        }
    }
    return turn;
}

bool Consumer::add_open_spans(bool whole, Turn& turn) {
    for (auto& [number, segment] : segments_) {
        if (segment->life == Segment::Life::kEnded) continue;
        const RowSink::Mark before = open_rows_.mark();
        auto exported = segment->assembler().export_open(whole, open_rows_);
        if (exported) continue;
        // What was open is finished now: it must not stand here too.
        open_rows_.rewind(before);
        quarantine(*segment, exported.error());
    }
    if (whole && recovered_) recovered_->export_open(open_rows_);
    turn.open_spans = open_rows_.take();
    return !turn.open_spans.empty();
}

// Returns whether the frame says something of the segment that the last one did not.
bool Consumer::add_segment(Segment& segment, bool whole, Turn& turn) {
    const bool ended = segment.life == Segment::Life::kEnded;
    if (segment.end_said) return false;  // in a turn that is on its way, or was carried over
    segment.end_said = ended;
    store::InstanceDelta delta;
    bool changed = segment.fill_delta(whole, delta);
    if (ended) {
        delta.ended = true;
        delta.pages.clear();
        delta.streams.clear();
        changed = true;
    } else {
        std::vector<std::byte> held_back;
        segment.assembler().export_deferred(held_back);
        append_deferred(segment.identity().instance, held_back, deferred_);
    }
    auto marks = segment.take_marks();
    if (changed) turn.frame.instances.push_back(std::move(delta));
    marks.ended = ended;
    const bool tells = marks.tells || ended;
    if (tells) turn.marks.push_back(std::move(marks));
    // Of a snapshot, which always says something, only what is new makes a frame.
    return tells || (changed && (!whole || segment.assembler().has_deferred()));
}

// What came back uncommitted goes into this frame, which is a snapshot: positions as of now, and
// the spans of all turns that led here.
void Consumer::add_carried(Turn& turn) {
    std::vector<SegmentMarks> older;
    for (auto& old : carried_) {
        std::move(old->encoded.begin(), old->encoded.end(), std::back_inserter(turn.encoded));
        turn.spans += old->spans;
        for (auto& delta : old->frame.instances) {
            if (delta.ended) turn.frame.instances.push_back(std::move(delta));
        }
        std::move(old->marks.begin(), old->marks.end(), std::back_inserter(older));
    }
    // Told in their order: what is known of a page only grows.
    turn.marks.insert(turn.marks.begin(), std::make_move_iterator(older.begin()),
                      std::make_move_iterator(older.end()));
    carried_.clear();
}

void Consumer::wait_for_all() {
    while (pipeline_->in_flight() != 0) take_back(pipeline_->wait(milliseconds(100)));
}

void Consumer::take_back(std::vector<std::unique_ptr<Turn>> done) {
    for (auto& turn : done) {
        bytes_in_flight_ -= turn->bytes;
        if (const auto count = std::exchange(turn->spans_unstorable, 0); count != 0) {
            control_.add_counts({.spans_unstorable = count});
            log_.error(std::to_string(count) +
                       " spans could not be encoded and are lost: " + turn->unstorable_problem);
        }
        for (const SegmentMarks& marks : turn->marks) {
            const auto at = segments_.find(marks.segment);
            if (at != segments_.end() && at->second->turns_in_flight != 0) {
                --at->second->turns_in_flight;
            }
        }
        recycle(*turn);
        if (turn->outcome == Turn::Outcome::kCommitted) {
            committed(*turn);
        } else {
            parked(std::move(turn));
        }
    }
}

void Consumer::recycle(Turn& turn) {
    for (auto& batch : turn.batches) rows_.recycle(std::move(batch));
    turn.batches.clear();
    for (auto& batch : turn.open_spans) open_rows_.recycle(std::move(batch));
    turn.open_spans.clear();
}

void Consumer::committed(Turn& turn) {
    if (failing_) {
        failing_ = false;
        notices_->degraded("");
        log_.info("the database takes frames again");
    }
    ++frames_;
    spans_stored_ += turn.spans;
    for (const SegmentMarks& marks : turn.marks) {
        const auto at = segments_.find(marks.segment);
        if (at == segments_.end()) continue;
        Segment& segment = *at->second;
        if (!segment.quarantined) {
            auto told = segment.commit(marks);
            if (!told) quarantine(segment, told.error());
        }
        if (marks.ended) segment_gone(segment);
    }
}

void Consumer::parked(std::unique_ptr<Turn> turn) {
    if (turn->outcome == Turn::Outcome::kFailed) {
        failing_ = true;
        retry_at_ = SteadyClock::now() + kRetry;
        notices_->degraded(turn->problem);
        log_.warn_sometimes("commit",
                            "the database takes no frames, so nothing is drained and "
                            "the rings fill: " +
                                turn->problem);
    }
    for (const auto& delta : turn->frame.instances) {
        for (auto& [number, segment] : segments_) {
            const bool same = segment->identity().instance == delta.id;
            if (same && !delta.ended) segment->tracepoints_parked += delta.tracepoints;
        }
    }
    carried_.push_back(std::move(turn));
}

}  // namespace spanring::consumer
