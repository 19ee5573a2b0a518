#include "consumer.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "spanring/base/clock.hpp"
#include "spanring/shm/doorbell.hpp"

namespace spanring::consumer {
namespace {

using std::chrono::milliseconds;

/// Without data for this long, the consumer sleeps until it is rung: short enough to cost no CPU
/// when idle, long enough that a busy program never makes a system call to wake it.
constexpr milliseconds kIdleBefore{100};
/// An idle consumer looks after clocks, losses and the dead this often.
constexpr milliseconds kIdleWake{1000};
/// Where a producer cannot ring reliably, the consumer polls.
constexpr milliseconds kPoll{5};
/// A turn that takes longer is worth a line: tracepoints were as old as that before they were seen.
constexpr milliseconds kSlowTurn{250};
/// How long a clean stop waits for producers that are in the middle of a tracepoint.
constexpr milliseconds kShutDownMax{5000};
/// And for the catalogue: what a day's rebuild would take, nobody waits for.
constexpr milliseconds kIndexMax{2000};

std::uint32_t& flags_of(shm::ControlPage& control) {
    // The page is mapped for writing; ControlPage only offers producers a const look at the word.
    return const_cast<std::uint32_t&>(*control.flags_word());
}

}  // namespace

Result<std::unique_ptr<Consumer>> Consumer::start(const Config& config, Log& log) {
    std::unique_ptr<Consumer> consumer(new Consumer(config, log));
    if (auto opened = consumer->open(); !opened) return std::move(opened).error();
    return consumer;
}

Consumer::~Consumer() {
    if (control_.valid() && lock_) control_.set_enabled(false);
}

Result<void> Consumer::open() {
    auto directory = shm::RingDirectory::open(config_.directory, shm::RingDirectory::Create::kYes);
    if (!directory) return std::move(directory).error();
    directory_ = std::make_unique<shm::RingDirectory>(std::move(*directory));
    auto lock = directory_->lock_consumer();
    if (!lock) return std::move(lock).error();
    lock_ = std::make_unique<shm::ConsumerLock>(std::move(*lock));
    notices_ = std::make_unique<NoticeBoard>(*directory_, log_);
    auto control = directory_->map_control(Mapping::Access::kReadWrite);
    if (!control) return std::move(control).error();
    control_ = std::move(*control);
    clocks_.keep_in(control_);
    auto doorbell = directory_->map_doorbell();
    if (!doorbell) return std::move(doorbell).error();
    doorbell_ = std::move(*doorbell);
    auto writer = store::Writer::open(config_.database, config_.store);
    if (!writer) return std::move(writer).error();
    writer_ = std::move(*writer);
    recovered_ = std::make_unique<Recovered>(writer_->recovered());
    ended_.insert(writer_->recovered().ended.begin(), writer_->recovered().ended.end());
    if (writer_->recovered().tail_bytes_cut != 0) {
        log_.warn("the database ended in a torn frame: " +
                  std::to_string(writer_->recovered().tail_bytes_cut) + " bytes cut");
    }
    auto watcher = Watcher::start(directory_->path(), &doorbell_.as<spanring_doorbell>()->word,
                                  true, config_.store.background);
    if (!watcher) return std::move(watcher).error();
    watcher_ = std::move(*watcher);
    pipeline_ = std::make_unique<Pipeline>(*writer_, config_.workers, config_.store.background);
    // Nobody queries the open spans of a frame, so they need not be cut to a query's measure.
    open_rows_.set_rows_max(codec::kBatchSpansLimit);
    directory_->remove_leftovers();
    limit_quarantined();
    scan();
    control_.set_waiting(false);
    control_.set_settings(config_.rings);
    control_.set_enabled(true);
    active_at_ = housekept_at_ = checked_alive_at_ = SteadyClock::now();
    log_.info("spanringd started: pid " + std::to_string(::getpid()) + ", rings " +
              directory_->path() + ", database " + config_.database + ", " +
              std::to_string(segments_.size()) + " processes found");
    return {};
}

Result<void> Consumer::run() {
    while (!watcher_->stop_requested()) step();
    return finish();
}

void Consumer::step() {
    watcher_->look();
    const auto began = SteadyClock::now();
    const auto worked_before = thread_cpu_ns();
    turn();
    const auto worked = std::chrono::nanoseconds(thread_cpu_ns() - worked_before);
    const auto took = SteadyClock::now() - began;
    if (took >= kSlowTurn) {
        const auto ms = std::chrono::duration_cast<milliseconds>(took).count();
        log_.warn_sometimes("slow turn", "a turn took " + std::to_string(ms) + " ms");
    }
    pause(began, worked);
}

Result<void> Consumer::finish() {
    shut_down();
    if (!carried_.empty()) {
        return Error{ErrorCode::kIo,
                     "what was drained last could not be committed: " + carried_.back()->problem};
    }
    return {};
}

void Consumer::turn() {
    take_back(pipeline_->collect());
    if (failing_) {
        // Nothing is taken out of the rings that cannot be put into the database.
        if (SteadyClock::now() >= retry_at_ && pipeline_->in_flight() == 0) commit_turn();
        return;
    }
    while (pipeline_->in_flight() >= kTurnsInFlightMax || bytes_in_flight_ > kTurnRowBytesMax) {
        take_back(pipeline_->wait(milliseconds(100)));
        if (failing_) return;
    }
    clocks_.anchor_if_due();
    const auto now = SteadyClock::now();
    const bool due = now - checked_alive_at_ >= kIdleWake;
    if (due) directory_->remove_leftovers();
    if (watcher_->take_directory_changed() || room_ || (scan_again_ && due)) scan();
    if (watcher_->take_process_died() || due) {
        checked_alive_at_ = now;
        check_alive();
    }
    drain_all();
    housekeeping(now);
    commit_turn();
    if (anything_) active_at_ = now;
}

void Consumer::pause(SteadyTime turn_began, std::chrono::nanoseconds worked) {
    auto deadline = turn_began + config_.max_delay;
    // Many segments make turns that are longer than the delay, one after the other: a whole core,
    // whatever little stands in them. Who has read all there was rests for half of its work, not
    // of what it waited for a disk meanwhile.
    if (is_complete_) deadline = std::max(deadline, SteadyClock::now() + worked / 2);
    // A commit is told to the producers when it is done, not a turn later.
    while (pipeline_->in_flight() != 0) {
        const auto left = deadline - SteadyClock::now();
        if (left <= std::chrono::microseconds(20)) break;
        take_back(pipeline_->wait(std::chrono::duration_cast<std::chrono::microseconds>(left)));
    }
    const auto left = deadline - SteadyClock::now();
    sleep_ns(std::min<SteadyClock::duration>(left, kIdleWake).count());
    // Only behind the rest: whoever rings without end, with nothing to say, costs a turn each
    // max_delay and no more.
    if (can_sleep()) sleep_until_rung();
}

bool Consumer::can_sleep() const {
    if (failing_ || !carried_.empty() || pipeline_->in_flight() != 0 || !is_complete_) return false;
    if (room_) return false;
    if (SteadyClock::now() - active_at_ < kIdleBefore) return false;
    return std::all_of(segments_.begin(), segments_.end(), [](const auto& entry) {
        const Segment& segment = *entry.second;
        return segment.life == Segment::Life::kLive;
    });
}

void Consumer::sleep_until_rung() {
    const bool rings = shm::membarrier_available() &&
                       std::all_of(segments_.begin(), segments_.end(), [](const auto& entry) {
                           const auto reliable = entry.second->reader().rings_reliably();
                           return reliable && *reliable;
                       });
    const auto longest = rings ? kIdleWake : kPoll;
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(longest).count();
    std::uint32_t& word = doorbell_.as<spanring_doorbell>()->word;
    shm::wait_for_producers(flags_of(control_), word, static_cast<std::uint64_t>(ns), [this] {
        return watcher_->has_news() ||
               std::any_of(segments_.begin(), segments_.end(),
                           [](const auto& entry) { return entry.second->has_news(); });
    });
}

void Consumer::shut_down() {
    control_.set_enabled(false);
    const auto end = SteadyClock::now() + kShutDownMax;
    // Producers that were inside a tracepoint publish it still: the end is when a turn found
    // nothing, held nothing back, and everything is committed.
    do {
        turn();
        take_back(pipeline_->wait(milliseconds(100)));
        // On a full disk, or for a thread that was killed inside a tracepoint, it takes a while.
        if (failing_ || !anything_) sleep_ns(std::chrono::nanoseconds(config_.max_delay).count());
    } while ((anything_ || !is_complete_ || pipeline_->in_flight() != 0 || !carried_.empty()) &&
             SteadyClock::now() < end);
    wait_for_all();
    if (auto synced = writer_->sync(); !synced) log_.error("sync: " + synced.error().message);
    // Everything is committed: the catalogue is only sooner at hand. The next start catches up.
    if (auto indexed = writer_->index_now(kIndexMax); !indexed) {
        log_.info("catalogue: " + indexed.error().message);
    }
    log_.info("spanringd stopped: " + std::to_string(spans_stored_) + " spans in " +
              std::to_string(frames_) + " frames");
    log_.flush();
}

}  // namespace spanring::consumer
