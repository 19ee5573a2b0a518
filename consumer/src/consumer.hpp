// Consumer: spanringd without its command line. Drains all rings of a directory in turns, commits
// each turn, tells the producers, and outlives whatever they do.
//
//   main thread: run(), the drain    watcher thread    committer and worker threads (Pipeline)
//
// Threads: everything but request_stop on one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "log.hpp"
#include "notice_board.hpp"
#include "pipeline.hpp"
#include "quota.hpp"
#include "recovered.hpp"
#include "segment.hpp"
#include "spanring/base/clock.hpp"
#include "spanring/consumer/config.hpp"
#include "spanring/consumer/limits.hpp"
#include "spanring/shm/directory.hpp"
#include "spanring/store/database.hpp"
#include "watcher.hpp"

namespace spanring::consumer {

class Consumer {
public:
    /// Takes the directory and the database, resumes what the last consumer left, and tells the
    /// producers to record. `config.directory` and `config.database` are set.
    /// Errors: kBusy: another consumer, or another writer of the database; kPermission,
    /// kInvalidArgument, kVersion, kCorrupt, kNoSpace: as the directory and the database say.
    [[nodiscard]] static Result<std::unique_ptr<Consumer>> start(const Config& config, Log& log);
    ~Consumer();

    /// Drains until SIGTERM or SIGINT, then to the end of what is published, and closes in good
    /// order. Errors: what could not be committed at the end.
    [[nodiscard]] Result<void> run();

    // The parts of run(), and what it leaves to threads: for who decides the order of everything
    // (store::WriterOptions::background).

    /// One turn, and the rest behind it.
    void step();
    /// Drains to the end of what is published and closes in good order. Errors: as run().
    [[nodiscard]] Result<void> finish();
    void do_chore(store::Chore chore) { writer_->do_chore(chore); }

private:
    using SteadyTime = SteadyClock::time_point;

    Consumer(const Config& config, Log& log) : config_(config), log_(log) {}

    // consumer.cpp
    Result<void> open();
    void turn();
    void pause(SteadyTime turn_began, std::chrono::nanoseconds worked);
    void sleep_until_rung();
    [[nodiscard]] bool can_sleep() const;
    void shut_down();

    // consumer_segments.cpp
    void scan();
    void settle_recovered(const std::vector<std::string>& files);
    void attach(const std::string& file);
    void remove_ended(shm::SegmentReader& reader);
    void forget_removed(const std::vector<std::string>& files);
    Result<void> resume(Segment& segment);
    [[nodiscard]] bool has_successor(const Segment& segment) const;
    void check_alive();
    void drain_all();
    void hold_less();
    void note_closed_early(Segment& segment);
    std::size_t drain_one(Segment& segment, std::size_t budget);
    void quarantine(Segment& segment, const Error& error);
    void close_if_done(Segment& segment, const Segment::Drained& drained, bool last_look);
    void segment_gone(Segment& segment);
    void housekeeping(SteadyTime now);

    // consumer_refusals.cpp
    void refuse(const std::string& file, const Error& error);
    void limit_quarantined();
    [[nodiscard]] shm::Notice notice_of(const std::string& file, const std::string& reason) const;
    void tell_quarantined(const Segment& segment, const std::string& file);
    bool over_quota(const std::string& file);
    void must_wait(const std::string& file, std::uint32_t uid, const std::string& reason);
    void tell_waiting();
    void look_at_bytes();

    // consumer_turn.cpp
    void commit_turn();
    std::unique_ptr<Turn> build(bool whole);
    bool add_segment(Segment& segment, bool whole, Turn& turn);
    void add_carried(Turn& turn);
    bool add_open_spans(bool whole, Turn& turn);
    void take_back(std::vector<std::unique_ptr<Turn>> done);
    void committed(Turn& turn);
    void parked(std::unique_ptr<Turn> turn);
    void wait_for_all();
    void recycle(Turn& turn);

    const Config config_;
    Log& log_;
    const Limits limits_;

    std::unique_ptr<shm::RingDirectory> directory_;
    std::unique_ptr<shm::ConsumerLock> lock_;
    shm::ControlPage control_;
    Mapping doorbell_;
    std::unique_ptr<store::Writer> writer_;
    std::unique_ptr<Recovered>
        recovered_;  ///< null when every part has found its segment, or ended
    std::unique_ptr<Watcher> watcher_;
    Clocks clocks_;
    RowSink rows_;
    RowSink open_rows_;
    std::map<std::uint64_t, std::unique_ptr<Segment>> segments_;
    std::set<std::string> attached_files_;
    std::set<std::string> refused_files_;
    std::unique_ptr<NoticeBoard> notices_;
    Quota quota_{config_.quota};
    /// Rings that must wait, by user and reason: as this scan finds, and as the last one did.
    using Waiting = std::map<std::pair<std::uint32_t, std::string>, shm::Notice>;
    Waiting waiting_;
    Waiting waited_;
    SteadyTime bytes_looked_at_{};
    bool room_{false};            ///< a ring has gone while others wait
    bool scan_again_{false};      ///< a file could not be attached for want of something
    std::set<InstanceId> ended_;  ///< stored to their end, but their file may be there still
    std::uint64_t next_segment_{1};
    std::uint64_t drain_first_{0};  ///< whose turn it is to be drained first

    std::vector<store::InstanceDelta> gone_;      ///< instances whose rings were gone at the start
    std::vector<std::unique_ptr<Turn>> carried_;  ///< came back uncommitted
    std::size_t turn_bytes_{kTurnBytesFirst};     ///< what one turn reads at most
    std::size_t bytes_in_flight_{0};
    bool failing_{false};
    SteadyTime retry_at_{};
    std::vector<std::byte> deferred_;
    bool anything_{false};    ///< the last turn read or stored something
    bool is_complete_{true};  ///< and left nothing behind
    SteadyTime active_at_{};
    SteadyTime housekept_at_{};
    SteadyTime checked_alive_at_{};

    std::uint64_t spans_stored_{0};
    std::uint64_t frames_{0};

    std::unique_ptr<Pipeline> pipeline_;  ///< last: it uses the writer until it is gone
};

}  // namespace spanring::consumer
