#include "segment.hpp"

#include <unistd.h>

#include <algorithm>

#include "owner_stamp.hpp"
#include "spanring/abi/page_layout.h"
#include "spanring/abi/segment_layout.h"
#include "spanring/base/testpoint.hpp"

namespace spanring::consumer {
namespace {

/// Strings taken over in one go: as many as a program has names, so that most programs need two.
constexpr std::uint32_t kStringsAtOnce = 4096;

codec::Instance instance_of(const shm::SegmentIdentity& identity) {
    return {.id = identity.instance, .host_key = identity.host_key, .span_key = identity.span_key};
}

}  // namespace

TickClock& Clocks::of(std::uint32_t kind) {
    auto& clock = kind == SPANRING_CLOCK_TSC ? counter_ : monotonic_;
    if (clock) return *clock;
    const auto line =
        kind == SPANRING_CLOCK_TSC && control_ != nullptr ? control_->clock_line() : std::nullopt;
    clock = line ? std::make_unique<TickClock>(system_clock_source(kind), *line)
                 : std::make_unique<TickClock>(kind, system_clock_source(kind));
    keep_line();
    return *clock;
}

// Before anything is converted by it.
void Clocks::keep_line() {
    if (counter_ && control_ != nullptr) control_->set_clock_line(counter_->line());
}

void Clocks::anchor_if_due() {
    const std::int64_t now = system_clock_source(SPANRING_CLOCK_MONOTONIC)().mono_ns;
    if (counter_ && counter_->anchor_due(now)) {
        counter_->anchor();
        keep_line();
    }
    if (monotonic_ && monotonic_->anchor_due(now)) monotonic_->anchor();
}

Segment::Segment(shm::SegmentReader reader, std::uint64_t number, TickClock& clock,
                 const Limits& limits)
    : reader_(std::move(reader)),
      number_(number),
      assembler_(instance_of(reader_.identity()), clock, *this, limits),
      strings_(1) {
    // What the last consumer held back is restored, and due at the end of the first round.
    const auto turn = reader_.turn_stored();
    if (turn) turn_ = round_end_ = turn_told_ = *turn;
}

Result<void> Segment::restore(const store::InstanceDelta& recovered, const codec::Batch& open,
                              std::span<const std::size_t> rows,
                              std::span<const std::byte> deferred) {
    const std::uint32_t pages_max = reader_.identity().pages_max;
    for (const auto& page : recovered.pages) {
        if (page.page >= pages_max) continue;
        if (page.page >= positions_.size()) positions_.resize(page.page + 1);
        positions_[page.page] = {
            .generation = page.generation, .bytes = page.bytes, .untold = true};
    }
    losses_ = recovered.losses;
    std::sort(losses_.begin(), losses_.end(),
              [](const auto& a, const auto& b) { return a.stream < b.stream; });
    losses_changed_.assign(losses_.size(), false);
    if (auto restored = assembler_.restore(recovered.streams, open, rows, deferred); !restored) {
        return restored;
    }
    for (const auto& stream : recovered.streams) {
        if (stream.stream >= cursors_.size()) cursors_.resize(stream.stream + 1);
        cursors_[stream.stream] = {.known = true, .sequence = stream.next_sequence};
    }
    return {};
}

std::optional<std::string_view> Segment::string(std::uint32_t number) {
    if (number >= strings_.size()) {
        const auto read = reader_.read_strings(&strings_, kStringsAtOnce);
        while (read && number >= strings_.size()) {
            const std::size_t before = strings_.size();
            const auto more = reader_.read_strings(&strings_, kStringsAtOnce);
            if (!more || strings_.size() == before) break;
        }
    }
    if (number >= strings_.size()) return std::nullopt;
    return strings_[number];
}

Result<void> Segment::refresh_resource() {
    auto resource = reader_.resource();
    if (!resource) return std::move(resource).error();
    if (*resource != resource_) {
        resource_ = std::move(*resource);
        const std::uint32_t owner = identity().uid;
        assembler_.set_resource(owner == ::geteuid() ? resource_ : stamp_owner(resource_, owner));
    }
    return {};
}

Result<Segment::Position*> Segment::position_of(const shm::PageView& view) {
    if (view.page >= positions_.size()) positions_.resize(view.page + 1);
    Position& position = positions_[view.page];
    if (position.generation == view.generation && position.bytes != 0) return &position;
    // A page that this consumer has not seen in this life of it. What stands in the database of an
    // earlier consumer is not taken in again.
    auto stored = reader_.stored_bytes(view);
    if (!stored) return std::move(stored).error();
    position = {.generation = view.generation, .bytes = SPANRING_PAGE_DATA};
    const std::uint32_t from = std::min(*stored, view.committed);
    if (from > SPANRING_PAGE_DATA) {
        position.bytes = from;
        const bool knows = view.stream < cursors_.size() && cursors_[view.stream].known &&
                           cursors_[view.stream].sequence >= view.sequence;
        if (!knows) {
            if (auto caught_up = catch_up(view, from); !caught_up) {
                return std::move(caught_up).error();
            }
        }
    }
    return &position;
}

// Valid until the next call.
Result<std::span<const std::byte>> Segment::copy_of(std::uint32_t page, std::uint32_t from,
                                                    std::uint32_t to) {
    const std::size_t bytes = to - from;
    if (copy_.size() < bytes) copy_.resize(bytes);
    auto copied = reader_.copy_bytes(page, from, to, copy_.data());
    if (!copied) return std::move(copied).error();
    return std::span<const std::byte>(copy_).first(bytes);
}

// Another database has the first part of this page, and its consumer's knowledge: the part is read
// for names, ordinals and open spans only.
Result<void> Segment::catch_up(const shm::PageView& view, std::uint32_t to) {
    auto copy = copy_of(view.page, SPANRING_PAGE_DATA, to);
    if (!copy) return std::move(copy).error();
    const std::uint64_t before = assembler_.counts().tracepoints;
    auto fed = assembler_.feed({.stream = view.stream,
                                .sequence = view.sequence,
                                .base_ticks = view.base_ticks,
                                .first_ordinal = view.first_ordinal,
                                .from_start = true,
                                .records = *copy},
                               muted_);
    tracepoints_reported += assembler_.counts().tracepoints - before;
    for (auto& batch : muted_.take()) muted_.recycle(std::move(batch));
    return fed;
}

bool Segment::gap_before(const shm::PageView& view, Cursor& cursor) const noexcept {
    const bool follows = cursor.known ? view.sequence <= cursor.sequence + 1 : view.sequence == 0;
    if (follows || cursor.waited) return false;
    // The page between was claimed behind the look at its place: the next look finds it. If it
    // does not, there is none: its writer died before it wrote the header.
    cursor.waited = true;
    return true;
}

Result<void> Segment::read_page(const shm::PageView& view, RowSink& sink, Drained& drained) {
    auto position = position_of(view);
    if (!position) return std::move(position).error();
    Position& at = **position;
    if (at.bytes > view.committed) {
        return Error{ErrorCode::kCorrupt, "a page holds less than was read of it"};
    }
    const std::uint32_t from = at.bytes;
    if (from < view.committed) {
        auto copy = copy_of(view.page, from, view.committed);
        if (!copy) return std::move(copy).error();
        SPANRING_TESTPOINT("drain.copied");
        drained.bytes += copy->size();
        auto fed = assembler_.feed({.stream = view.stream,
                                    .sequence = view.sequence,
                                    .base_ticks = view.base_ticks,
                                    .first_ordinal = view.first_ordinal,
                                    .from_start = from == SPANRING_PAGE_DATA,
                                    .records = *copy},
                                   sink);
        if (!fed) return fed;
        SPANRING_TESTPOINT("drain.fed");
        Position& read = positions_[view.page];
        read.bytes = view.committed;
    }
    Position& done = positions_[view.page];
    const bool release = view.state == SPANRING_PAGE_FULL && !done.released;
    // A producer that waits in flush for what the last consumer committed must hear of it.
    if ((from < view.committed || release || done.untold) && !done.changed) {
        done.changed = true;
        changed_pages_.push_back(view.page);
    }
    done.untold = false;
    done.released = done.released || release;
    return {};
}

Result<void> Segment::begin_round() {
    round_at_ = 0;
    round_whole_ = true;
    if (auto peeked = reader_.peek_all(&round_); !peeked) return peeked;
    SPANRING_TESTPOINT("drain.looked");
    std::sort(round_.begin(), round_.end(), [](const auto& a, const auto& b) {
        return a.stream != b.stream ? a.stream < b.stream : a.sequence < b.sequence;
    });
    if (round_.empty()) return {};
    const std::uint32_t streams = round_.back().stream + 1;
    if (streams > cursors_.size()) cursors_.resize(streams);
    return {};
}

// To the next round: its pages here are read in their order, or not at all.
void Segment::skip_stream() {
    const std::uint32_t stream = round_[round_at_].stream;
    while (round_at_ != round_.size() && round_[round_at_].stream == stream) ++round_at_;
    round_whole_ = false;
}

// Returns false if nothing is left to read of the page. `look_again`: more may stand in it by now,
// or it may have gone.
Result<bool> Segment::may_read(shm::PageView& view, bool look_again) {
    if (look_again) {
        const std::uint32_t generation = view.generation;
        auto again = reader_.peek(view.page, &view);
        if (!again) return std::move(again).error();
        // Read in the last round, and released since this one began.
        if (!*again || view.generation != generation) return false;
    }
    const Cursor& cursor = cursors_[view.stream];
    if (!cursor.known || view.sequence >= cursor.sequence) return true;
    // Read to its end; its release is on the way, unless that is what the last consumer died of.
    const Position* known = view.page < positions_.size() ? &positions_[view.page] : nullptr;
    const bool same = known != nullptr && known->generation == view.generation;
    if (same && known->released) return false;
    auto stored = reader_.stored_bytes(view);
    const bool whole = same && known->bytes == view.committed;
    if (!whole && (!stored || *stored < view.committed)) {
        return Error{ErrorCode::kCorrupt, "a page whose turn is over"};
    }
    return true;
}

Result<Segment::Drained> Segment::drain(RowSink& sink, std::size_t budget) {
    Drained drained;
    drained.at_once = round_at_ == round_.size();
    if (drained.at_once) {
        if (auto begun = begin_round(); !begun) return std::move(begun).error();
    }
    while (round_at_ != round_.size()) {
        if (drained.bytes >= budget || sink.bytes() >= kTurnRowBytesMax) return drained;
        shm::PageView& view = round_[round_at_];
        Cursor& cursor = cursors_[view.stream];
        if (gap_before(view, cursor)) {
            skip_stream();
            continue;
        }
        ++round_at_;
        // Its writer had left it for the next one when the round began: what it says now is the
        // last word.
        const bool is_left = round_at_ != round_.size() &&
                             round_[round_at_].stream == view.stream &&
                             view.state == SPANRING_PAGE_WRITING;
        auto readable = may_read(view, is_left || !drained.at_once);
        if (!readable) return std::move(readable).error();
        if (!*readable) continue;
        if (auto read = read_page(view, sink, drained); !read) return std::move(read).error();
        if (!cursor.known || view.sequence > cursor.sequence) {
            cursor = {.known = true, .sequence = view.sequence};
        }
    }
    drained.complete = round_whole_;
    return drained;
}

// What was read in the last complete round and held back is due now: whatever happened before it
// was published before this round's look at the pages.
Result<void> Segment::end_turn(const Drained& drained, RowSink& sink) {
    if (drained.complete) {
        settled_ = std::max(settled_, round_end_);
        round_end_ = turn_ + (changed_pages_.empty() ? 0 : 1);
    }
    return assembler_.end_turn(drained.complete, sink);
}

// DESIGN, "Life cycle". The header's `revoked` alone is read at the next slow path, which may be
// many tracepoints away: with that of the slots, and the barrier, each thread either sees it at its
// next tracepoint, or is seen here inside the one that it had begun before.
bool Segment::stands_still() {
    if (stands_still_) return true;
    if (revoked_at_ == SteadyClock::time_point{}) revoked_at_ = SteadyClock::now();
    (void)reader_.revoke();
    const auto slots = reader_.slots_declared();
    for (std::uint32_t stream = 0; slots && stream < *slots; ++stream) {
        (void)reader_.revoke_slot(stream);
    }
    const bool seen_by_all = reader_.take_barrier();
    stands_still_ =
        (seen_by_all && !anybody_inside()) || SteadyClock::now() - revoked_at_ >= kInsideMax;
    return stands_still_;
}

bool Segment::anybody_inside() const {
    const auto slots = reader_.slots_declared();
    for (std::uint32_t stream = 0; slots && stream < *slots; ++stream) {
        const auto slot = reader_.slot(stream);
        if (!slot) return false;  // the drain will say what is wrong
        if (slot->state == SPANRING_SLOT_USED && slot->nesting != 0) return true;
    }
    return false;
}

bool Segment::has_news() {
    if (!reader_.peek_all(&views_)) return true;  // the drain will say what is wrong
    return std::any_of(views_.begin(), views_.end(), [&](const shm::PageView& view) {
        if (view.page >= positions_.size()) return view.committed > SPANRING_PAGE_DATA;
        const Position& at = positions_[view.page];
        return at.generation != view.generation ? view.committed > SPANRING_PAGE_DATA
                                                : at.bytes < view.committed;
    });
}

bool Segment::refresh_losses() {
    const auto slots = reader_.slots_declared();
    if (!slots) return false;
    bool changed = false;
    for (std::uint32_t stream = 0; stream < *slots; ++stream) {
        const auto slot = reader_.slot(stream);
        if (!slot) return changed;
        store::StreamLosses now;
        now.stream = stream;
        std::copy(std::begin(slot->lost_spans), std::end(slot->lost_spans), now.spans);
        std::copy(std::begin(slot->lost_ends), std::end(slot->lost_ends), now.ends);
        std::copy(std::begin(slot->lost_details), std::end(slot->lost_details), now.details);
        auto known = std::lower_bound(
            losses_.begin(), losses_.end(), stream,
            [](const store::StreamLosses& a, std::uint32_t number) { return a.stream < number; });
        if (known != losses_.end() && known->stream == stream) {
            if (*known == now) continue;
            *known = now;
        } else {
            store::StreamLosses none;
            none.stream = stream;
            if (now == none) continue;
            const auto index = known - losses_.begin();
            losses_.insert(known, now);
            losses_changed_.insert(losses_changed_.begin() + index, true);
            changed = true;
            continue;
        }
        losses_changed_[static_cast<std::size_t>(known - losses_.begin())] = true;
        changed = true;
    }
    return changed;
}

std::uint64_t Segment::losses_total() const noexcept {
    std::uint64_t total = 0;
    for (const auto& losses : losses_) {
        for (int reason = 0; reason < SPANRING_LOST_REASONS; ++reason) {
            total += losses.spans[reason] + losses.ends[reason] + losses.details[reason];
        }
    }
    return total;
}

}  // namespace spanring::consumer
