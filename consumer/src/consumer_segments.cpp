// Consumer: the processes that come, write and go.
#include <algorithm>

#include "consumer.hpp"
#include "in_turn.hpp"
#include "spanring/base/testpoint.hpp"

namespace spanring::consumer {
namespace {

using std::chrono::milliseconds;

/// Losses and idle threads' pages are looked at this often while data flows.
constexpr milliseconds kHousekeeping{100};

/// A segment's file bears its instance's id ("PID-ID.seg").
std::string file_ending(const InstanceId& id) {
    return "-" + to_hex(TraceId{id.bytes}) + SPANRING_SEGMENT_SUFFIX;
}

std::string name_of(const Segment& segment) {
    const auto& identity = segment.identity();
    return "pid " + std::to_string(identity.pid) + " (" + identity.process_name + ")";
}

}  // namespace

void Consumer::scan() {
    auto files = directory_->segments();
    if (!files) {
        log_.warn_sometimes("scan",
                            "cannot list " + directory_->path() + ": " + files.error().message);
        scan_again_ = true;
        return;
    }
    scan_again_ = room_ = false;
    forget_removed(*files);
    for (const std::string& file : *files) {
        if (attached_files_.contains(file) || refused_files_.contains(file)) continue;
        if (segments_.size() >= kSegmentsMax) {
            log_.warn_sometimes("segments", "more than " + std::to_string(kSegmentsMax) +
                                                " processes: " + file + " must wait");
            scan_again_ = true;
            break;
        }
        if (!over_quota(file)) attach(file);
    }
    tell_waiting();
    if (recovered_) settle_recovered(*files);
    scan_again_ = scan_again_ || recovered_ != nullptr;
}

// What the last consumer left of rings that are gone has ended. What it left of a ring that is
// there and could not be attached (no descriptor was free, say) waits for the next scan.
void Consumer::settle_recovered(const std::vector<std::string>& files) {
    std::set<std::string> waiting;
    for (const std::string& file : files) {
        if (!attached_files_.contains(file) && !refused_files_.contains(file)) {
            waiting.insert(file.substr(std::min(file.find('-'), file.size())));
        }
    }
    auto gone = recovered_->finish_rest(
        rows_, [&](const InstanceId& id) { return waiting.contains(file_ending(id)); });
    if (!gone.empty()) {
        log_.info(std::to_string(gone.size()) +
                  " processes of the last run are gone with their rings");
    }
    std::move(gone.begin(), gone.end(), std::back_inserter(gone_));
    if (recovered_->empty()) recovered_.reset();
}

void Consumer::attach(const std::string& file) {
    auto reader =
        shm::SegmentReader::attach(*directory_, file, shm::SegmentReader::Mode::kReadWrite);
    if (!reader) {
        // Not ready: its maker is about to say so, and renames it, or is dead and left nothing.
        if (reader.error().code != ErrorCode::kUnavailable &&
            reader.error().code != ErrorCode::kNotFound) {
            refuse(file, reader.error());
        }
        return;
    }
    if (ended_.contains(reader->identity().instance)) {
        remove_ended(*reader);
        return;
    }
    const shm::SegmentIdentity& who = reader->identity();
    // Links to one file, or copies of it: to serve both would store everything twice.
    for (const auto& [number, other] : segments_) {
        if (other->identity().instance != who.instance) continue;
        refuse(file, {ErrorCode::kCorrupt, "it says it is the instance that is served already as " +
                                               other->reader().file_name()});
        return;
    }
    if (const std::string reason = quota_.process_refuses(who); !reason.empty()) {
        must_wait(file, who.uid, reason);
        return;
    }
    SPANRING_TESTPOINT("attach.mapped");
    TickClock& clock = clocks_.of(reader->identity().clock_kind);
    auto segment = std::make_unique<Segment>(std::move(*reader), next_segment_, clock, limits_);
    auto ready = resume(*segment);
    SPANRING_TESTPOINT("attach.resumed");
    attached_files_.insert(file);
    quota_.took(segment->identity());
    log_.info("attached " + name_of(*segment) + ", " + file);
    Segment& kept = *segment;
    segments_.emplace(next_segment_++, std::move(segment));
    if (!ready) {
        quarantine(kept, ready.error());
        return;
    }
    watcher_->watch_process(kept.identity().pid, kept.identity().pid_start_ticks);
    if (!kept.reader().producer_alive()) {
        (void)kept.reader().revoke();
        kept.life = Segment::Life::kDead;
    }
}

Result<void> Consumer::resume(Segment& segment) {
    if (auto resource = segment.refresh_resource(); !resource) return resource;
    if (!recovered_) return {};
    const Recovered::Part part = recovered_->take(segment.identity().instance);
    return segment.restore(part.delta, recovered_->open(), part.rows, part.deferred);
}

// The last consumer died between the commit that says that the instance has ended and the removal
// of its file. That commit is the last thing that is ever said of it: all that was drained is
// stored before it, what was open is stored in it as unfinished, and the fold forgets the positions
// with it. To read the file again would therefore store its open spans twice, and of a quarantined
// one, whose `stored` words are not written, everything. So the words in the file cannot decide;
// the id can, at each point where a consumer may be killed: before the commit the fold has
// positions and no end, after it an end, until the file is gone.
void Consumer::remove_ended(shm::SegmentReader& reader) {
    const std::string file = reader.file_name();
    (void)reader.revoke();
    if (auto removed = reader.unlink(); !removed) {
        refused_files_.insert(file);
        log_.error(file + ", which is stored, cannot be removed: " + removed.error().message);
        return;
    }
    ended_.erase(reader.identity().instance);
    log_.info("removed " + file + ", which the last consumer had stored to its end");
}

void Consumer::forget_removed(const std::vector<std::string>& files) {
    std::erase_if(ended_, [&files](const InstanceId& id) {
        const std::string ending = file_ending(id);
        return std::none_of(files.begin(), files.end(),
                            [&](const std::string& file) { return file.ends_with(ending); });
    });
}

// A process has one ring. If one whose lock is free has a successor with a lock, it was left behind
// by an exec: pid and start time are the same.
bool Consumer::has_successor(const Segment& segment) const {
    const shm::SegmentIdentity& who = segment.identity();
    return std::any_of(segments_.begin(), segments_.end(), [&](const auto& entry) {
        const Segment& other = *entry.second;
        const shm::SegmentIdentity& is = other.identity();
        return &other != &segment && is.pid == who.pid && is.uid == who.uid &&
               is.pid_start_ticks == who.pid_start_ticks && is.boot_id == who.boot_id &&
               other.life == Segment::Life::kLive && other.reader().lock_held();
    });
}

void Consumer::check_alive() {
    for (auto& [number, segment] : segments_) {
        if (segment->life != Segment::Life::kLive || segment->reader().lock_held()) continue;
        if (segment->reader().producer_alive() && !has_successor(*segment)) continue;
        // A live process that was judged dead by mistake starts a new segment when it sees this.
        if (auto revoked = segment->reader().revoke(); !revoked) {
            quarantine(*segment, revoked.error());
            continue;
        }
        segment->life = Segment::Life::kDead;
    }
}

void Consumer::drain_all() {
    anything_ = false;
    is_complete_ = true;
    std::size_t bytes = 0;
    in_turn(segments_, &drain_first_, [&](const std::unique_ptr<Segment>& segment) {
        if (segment->life == Segment::Life::kEnded) return true;
        if (bytes >= turn_bytes_ || rows_.bytes() >= kTurnRowBytesMax) {
            is_complete_ = false;
            return false;
        }
        bytes += drain_one(*segment, turn_bytes_ - bytes);
        return true;
    });
    if (bytes >= turn_bytes_) turn_bytes_ = std::min(2 * turn_bytes_, kTurnBytesMax);
    hold_less();
}

// Returns the bytes that were read.
std::size_t Consumer::drain_one(Segment& segment, std::size_t budget) {
    // Before the drain: what it finds is then all that there will ever be.
    const bool last_look = segment.life == Segment::Life::kDead && segment.stands_still();
    auto drained = segment.drain(rows_, budget);
    if (!drained) {
        quarantine(segment, drained.error());
        return 0;
    }
    if (drained->bytes != 0) anything_ = true;
    if (auto ended = segment.end_turn(*drained, rows_); !ended) {
        quarantine(segment, ended.error());
        return drained->bytes;
    }
    if (!drained->complete || segment.assembler().has_deferred()) is_complete_ = false;
    close_if_done(segment, *drained, last_look);
    return drained->bytes;
}

// Each instance keeps to its own limits; a snapshot holds what is open of all of them.
void Consumer::hold_less() {
    for (std::size_t before = 0;;) {
        std::size_t held = 0;
        std::size_t most = 0;
        Segment* largest = nullptr;
        for (auto& [number, segment] : segments_) {
            if (segment->life == Segment::Life::kEnded) continue;
            note_closed_early(*segment);
            const std::size_t bytes = segment->assembler().held_bytes();
            held += bytes;
            if (bytes >= most) largest = segment.get();
            most = std::max(most, bytes);
        }
        // What stands on stacks cannot be closed.
        if (held <= kOpenBytesMax || held == before) return;
        before = held;
        const std::size_t wanted = held - kOpenBytesMax + kOpenBytesMax / 8;
        largest->assembler().shrink_to(most > wanted ? most - wanted : 0, rows_);
    }
}

void Consumer::note_closed_early(Segment& segment) {
    const AssemblerCounts& counts = segment.assembler().counts();
    const shm::ConsumerCounts more{
        .spans_closed_early = counts.spans_closed_early - segment.closed_early_reported,
        .ends_late = counts.ends_late - segment.ends_late_reported};
    segment.closed_early_reported = counts.spans_closed_early;
    segment.ends_late_reported = counts.ends_late;
    control_.add_counts(more);
    if (more.spans_closed_early == 0) return;
    log_.warn_sometimes(
        "closed early " + std::to_string(segment.number()),
        name_of(segment) + " holds too much open: its " + std::to_string(more.spans_closed_early) +
            " oldest spans are stored as unfinished (" + std::to_string(counts.spans_closed_early) +
            " so far); does it end its asynchronous spans?");
}

void Consumer::close_if_done(Segment& segment, const Segment::Drained& drained, bool last_look) {
    if (segment.life != Segment::Life::kDead) return;
    is_complete_ = false;
    if (!last_look) return;
    // Committed up to the last byte first, and then, in a frame of its own, that it has ended: if
    // this consumer dies between the two, the next finds nothing left to read.
    if (drained.bytes != 0 || !drained.complete || !drained.at_once ||
        segment.turns_in_flight != 0 || segment.assembler().has_deferred()) {
        return;
    }
    segment.refresh_losses();
    segment.assembler().close(rows_);
    segment.life = Segment::Life::kEnded;
    SPANRING_TESTPOINT("end.closed");
}

void Consumer::quarantine(Segment& segment, const Error& error) {
    if (segment.life == Segment::Life::kEnded) return;
    control_.add_counts({.segments_quarantined = 1});
    segment.quarantined = true;
    segment.quarantine_reason = error.message;
    segment.life = Segment::Life::kEnded;
    (void)segment.reader().revoke();
    segment.assembler().close(rows_);
    is_complete_ = false;
    log_.error("quarantined " + name_of(segment) + ", " + segment.reader().file_name() + ": " +
               error.message);
}

void Consumer::segment_gone(Segment& segment) {
    note_closed_early(segment);
    const std::string file = segment.reader().file_name();
    const AssemblerCounts& counts = segment.assembler().counts();
    if (segment.quarantined) {
        refused_files_.insert(file);
        tell_quarantined(segment, file);
        if (auto moved = segment.reader().quarantine(); !moved) {
            ended_.insert(segment.identity().instance);
            log_.error(file + " cannot be renamed: " + moved.error().message);
        }
        limit_quarantined();
    } else if (auto removed = segment.reader().unlink(); !removed) {
        refused_files_.insert(file);
        ended_.insert(segment.identity().instance);
        log_.error(file + " cannot be removed: " + removed.error().message);
    } else {
        std::string line = "reaped " + name_of(segment) + ": " + std::to_string(counts.rows) +
                           " spans, " + std::to_string(counts.spans_unfinished) + " unfinished";
        if (segment.losses_total() != 0) {
            line += ", " + std::to_string(segment.losses_total()) + " losses counted";
        }
        log_.info(line);
    }
    attached_files_.erase(file);
    quota_.gave_back(segment.identity());
    room_ = room_ || !waited_.empty();
    segments_.erase(segment.number());
}

void Consumer::housekeeping(SteadyTime now) {
    if (now - housekept_at_ < kHousekeeping) return;
    housekept_at_ = now;
    for (auto& [number, segment] : segments_) {
        if (segment->life != Segment::Life::kLive) continue;
        const std::uint64_t before = segment->losses_total();
        if (segment->refresh_losses()) {
            log_.warn_sometimes("losses " + std::to_string(number),
                                name_of(*segment) + " has lost " +
                                    std::to_string(segment->losses_total() - before) + " more (" +
                                    std::to_string(segment->losses_total()) +
                                    " in all); `spanring status` says why");
        }
        if (auto resource = segment->refresh_resource(); !resource) {
            quarantine(*segment, resource.error());
            continue;
        }
        if (segment->life == Segment::Life::kLive) (void)segment->take_idle_pages();
    }
}

}  // namespace spanring::consumer
