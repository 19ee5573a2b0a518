// A power loss at every moment of a writer's life: what was promised is there, nothing stands
// twice, no number names two frames, the catalogue heals, and a writer goes on.
#include <atomic>
#include <cstdlib>
#include <iostream>

#include "compaction_support.hpp"
#include "disk.hpp"
#include "spanring/base/os.hpp"
#include "spanring/base/unique_fd.hpp"
#include "sqlite_disk.hpp"

namespace spanring::store::testing {
namespace {

using spanring::testing::DataLoss;
using spanring::testing::Disk;
using spanring::testing::Moment;
using spanring::testing::NameLoss;
using spanring::testing::PowerLoss;
using spanring::testing::SqliteDisk;
using ::testing::IsSupersetOf;

constexpr Moment kNever = UINT64_MAX;

/// With SPANRING_TEST_LONG, every loss at every moment; else some at each.
bool is_long() {
    return std::getenv("SPANRING_TEST_LONG") != nullptr;
}

/// A span that was committed, or tried to be.
struct Attempt {
    Moment begun{kNever};
    Moment returned{kNever};  ///< its number is known from then on
    Moment promised{kNever};  ///< it is durable from then on
    Moment retired{kNever};   ///< and may be gone from then on
    std::uint64_t number{0};  ///< of its frame; 0: the commit failed
};

/// A run on a watched disk, and what it was promised.
class PowerLossTest : public ::testing::Test {
protected:
    PowerLossTest() {
        EXPECT_EQ(::mkdir(root_.c_str(), 0700), 0);
        disk_ = std::make_unique<Disk>(root_, true);
    }
    [[nodiscard]] std::string db() const { return root_ + "/db"; }

    void open(WriterOptions options) {
        options.now_ns = [this] { return now_ns_ += 1000; };
        options.window_age_max = std::chrono::hours(10000);
        durable_ = options.durability == Durability::kCommit;
        writer_ = open_writer(db(), options);
        ASSERT_NE(writer_, nullptr);
    }
    void commit(std::uint64_t label) {
        Attempt& attempt = attempts_[label];
        attempt.begun = std::min(attempt.begun, disk_->now());
        auto number = commit_numbered(*writer_, label);
        if (!number) return;
        attempt.number = *number;
        attempt.returned = disk_->now();
        if (durable_) attempt.promised = attempt.returned;
    }
    void commit(std::uint64_t first, std::uint64_t last) {
        for (std::uint64_t label = first; label <= last; ++label) commit(label);
    }
    void sync() {
        ASSERT_TRUE(writer_->sync().ok());
        for (auto& [label, attempt] : attempts_)
            if (attempt.number != 0) attempt.promised = std::min(attempt.promised, disk_->now());
    }
    void index() { ASSERT_TRUE(writer_->index_now().ok()); }
    void compact() {
        auto report = writer_->compact();
        ASSERT_TRUE(report.ok());
        EXPECT_GT(report->windows, 0u);
        index();
    }
    /// Of age is what is older than the default retention.
    void retire() {
        const Moment begun = disk_->now();
        now_ns_ += std::chrono::nanoseconds(WriterOptions{}.retention).count() + 1'000'000'000;
        auto retired = writer_->retire();
        ASSERT_TRUE(retired.ok());
        EXPECT_GT(*retired, 0u);
        const auto left = visible_names(db());
        for (auto& [label, attempt] : attempts_)
            if (std::count(left.begin(), left.end(), "f" + std::to_string(label)) == 0)
                attempt.retired = std::min(attempt.retired, begun);
    }

    /// Every moment so far, with every loss or some.
    void lose_power_everywhere(Moment from = 0) {
        writer_.reset();
        disk_->stop();
        std::uint64_t cases = 0;
        Disk::Replay replay(*disk_);
        do {
            if (replay.moment() < from) continue;
            std::uint64_t which = 0;
            for (const PowerLoss& loss : spanring::testing::every_loss(replay.moment() + 1)) {
                if (!is_long() && (replay.moment() + which++) % 5 != 0) continue;
                SCOPED_TRACE("moment " + std::to_string(replay.moment()) + ", " + to_text(loss));
                replay.lose_power(loss, dir_.path() + "/lost");
                look_at(dir_.path() + "/lost/db", replay.moment(), loss);
                TempDir::remove(dir_.path() + "/lost");
                ++cases;
                if (HasFailure()) return;
            }
        } while (replay.step() != nullptr);
        std::cout << "power losses: " << cases << " at " << replay.moment() << " moments\n";
    }

    TempDir dir_{"/dev/shm"};
    const std::string root_ = dir_.path() + "/root";
    SqliteDisk sqlite_;
    std::unique_ptr<Disk> disk_;
    std::map<std::uint64_t, Attempt> attempts_;  ///< by label
    std::unique_ptr<Writer> writer_;
    bool durable_{false};
    bool ruined_{false};                   ///< there was damage before any power loss
    std::atomic<std::int64_t> now_ns_{1};  ///< threads of the writer ask, too

private:
    void look_at(const std::string& lost, Moment moment, const PowerLoss& loss) {
        const auto names = seen_after(lost, moment);
        if (HasFailure()) return;
        const bool is_kept = loss.data == DataLoss::kKept && loss.names == NameLoss::kKept;
        if (auto report = check(lost); report && is_kept && !ruined_) {
            EXPECT_EQ(report->frames_bad, 0u) << report->problems.front();
        }
        go_on(lost, moment, names);
    }

    /// What a reader finds before anybody writes again.
    std::vector<std::string> seen_after(const std::string& lost, Moment moment) {
        std::vector<std::string> promised;
        std::vector<std::string> possible;
        for (const auto& [label, attempt] : attempts_) {
            const std::string name = "f" + std::to_string(label);
            if (attempt.begun <= moment) possible.push_back(name);
            if (attempt.promised <= moment && moment <= attempt.retired) promised.push_back(name);
        }
        auto reader = Reader::open(lost);
        if (!reader && promised.empty() && reader.error().code == ErrorCode::kNotFound) return {};
        if (!reader) ADD_FAILURE() << reader.error().message;
        if (!reader) return {};
        const auto names = sorted(visible_names(**reader));
        EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end()) << "twice";
        EXPECT_THAT(names, IsSupersetOf(promised));
        EXPECT_THAT(possible, IsSupersetOf(names));
        return names;
    }

    void go_on(const std::string& lost, Moment moment, std::vector<std::string> names) {
        // Beside damage, which fsck tells of, the catalogue and the log may differ.
        const auto checked = check(lost);
        const bool is_whole = !checked || checked->frames_bad == 0;
        WriterOptions options = by_hand();
        options.retention = std::chrono::hours(24 * 365 * 100);
        auto writer = open_writer(lost, options);
        ASSERT_NE(writer, nullptr);
        // Of what was not synced, a frame's positions may be there and its spans not.
        if (is_whole) expect_positions_to_fit(writer->recovered(), names);
        for (std::uint64_t label = 1001; label <= 1004; ++label) {
            auto number = commit_numbered(*writer, label);
            ASSERT_TRUE(number.ok()) << number.error().message;
            for (const auto& [old, attempt] : attempts_)
                if (attempt.returned <= moment) {
                    EXPECT_NE(attempt.number, *number) << "was the number of f" << old;
                }
            names.push_back("f" + std::to_string(label));
        }
        auto indexed = writer->index_now();
        ASSERT_TRUE(indexed.ok()) << indexed.error().message;
        writer.reset();
        EXPECT_EQ(sorted(visible_names(lost)), sorted(names));
        const std::string by_catalogue = answers(lost);
        for (const char* file : {"/catalogue.sqlite", "/catalogue.sqlite-wal"})
            ::unlink((lost + file).c_str());
        if (is_whole) {
            EXPECT_EQ(by_catalogue, answers(lost)) << "with its catalogue and without";
        }
        ASSERT_TRUE(repair(lost).ok());
        EXPECT_EQ(check(lost)->frames_bad, 0u);
        EXPECT_EQ(sorted(visible_names(lost)), sorted(names)) << "repaired";
    }

    /// Data and positions are one: what the next consumer would not read again is there.
    static void expect_positions_to_fit(const RecoveredState& state,
                                        const std::vector<std::string>& names) {
        std::uint64_t newest = 0;
        for (const std::string& name : names)
            newest = std::max<std::uint64_t>(newest, std::stoull(name.substr(1)));
        std::uint64_t position = 0;
        for (const InstanceDelta& delta : state.instances)
            if (!delta.pages.empty()) position = delta.pages.front().bytes;
        EXPECT_EQ(position, newest);
    }

    static std::string answers(const std::string& path) {
        auto reader = open_reader(path);
        std::string all;
        for (const auto& name : visible_names(*reader)) all += name + " ";
        const auto services = *reader->services();
        const auto operations = *reader->operations(std::nullopt);
        const auto traces = *reader->traces({}, 1000);
        const auto stats = *reader->stats();
        for (const auto& name : services) all += name + " ";
        for (const auto& operation : operations)
            all += operation.operation + "=" + std::to_string(operation.count) + " ";
        all += std::to_string(stats.spans) + "/" + std::to_string(stats.frames);
        for (const auto& trace : traces) {
            all += " " + to_hex(trace.trace_id);
            EXPECT_TRUE(reader->trace(trace.trace_id).ok());
        }
        return all;
    }
};

TEST_F(PowerLossTest, of_a_writer_that_syncs_each_commit_costs_nothing_that_returned) {
    WriterOptions options = by_hand();
    options.durability = Durability::kCommit;
    open(options);
    commit(1, 9);
    index();
    commit(10, 14);
    compact();
    commit(15, 16);
    retire();
    commit(17, 22);
    index();
    compact();
    writer_.reset();
    open(options);
    commit(23, 26);
    index();
    lose_power_everywhere();
}

TEST_F(PowerLossTest, of_a_writer_that_syncs_at_times_costs_nothing_that_was_synced) {
    WriterOptions options = by_hand();
    options.sync_interval = std::chrono::hours(1);
    open(options);
    commit(1, 7);
    index();
    sync();
    commit(8, 13);
    index();
    commit(14, 17);
    sync();
    compact();
    commit(18, 19);
    retire();
    commit(20, 25);
    index();
    lose_power_everywhere();
}

TEST_F(PowerLossTest, does_not_bring_back_a_commit_whose_sync_failed) {
    WriterOptions options = by_hand();
    options.durability = Durability::kCommit;
    open(options);
    for (std::uint64_t label = 1; label <= 8; ++label) {
        index();  // or its thread's sync would be the one that fails
        if (label % 2 == 0) {
            // Of the first frame of a window, and of a later one.
            os::inject_fault(os::Call::kSync, 1, EIO);
            commit(label);
            EXPECT_EQ(os::clear_fault(), 1u);
            EXPECT_EQ(attempts_[label].number, 0u);
        }
        if (label == 6) {
            os::inject_fault(os::Call::kSync, 1, EIO);
            commit(label);
            EXPECT_EQ(os::clear_fault(), 1u);
        }
        commit(label);
        EXPECT_NE(attempts_[label].number, 0u);
    }
    lose_power_everywhere();
}

TEST_F(PowerLossTest, keeps_what_a_writer_recovered_of_one_that_was_killed_before_its_sync) {
    WriterOptions options = by_hand(1u << 20);
    options.durability = Durability::kCommit;
    open(options);
    commit(1, 3);
    writer_.reset();
    // What the killed one wrote: the same bytes as a writer that lived, in a file without a sync.
    TempDir other;
    auto living = open_writer(other.db(), options);
    commit_many(*living, 1, 5);
    living.reset();
    const std::string there = files_in(db(), ".log").back();
    const std::string more = read_file(files_in(other.db(), ".log").back());
    const std::size_t before = read_file(there).size();
    ASSERT_GT(more.size(), before);
    const UniqueFd fd(os::open_at(AT_FDCWD, there.c_str(), O_WRONLY));
    attempts_[4].begun = attempts_[5].begun = disk_->now();
    ASSERT_EQ(os::write_at(fd.get(), more.data() + before, more.size() - before,
                           static_cast<off_t>(before)),
              static_cast<ssize_t>(more.size() - before));
    open(options);
    EXPECT_EQ(writer_->recovered().instances.front().pages.front().bytes, 5u);
    attempts_[4].promised = attempts_[5].promised = disk_->now();
    commit(6, 7);
    lose_power_everywhere();
}

TEST_F(PowerLossTest, keeps_all_windows_that_a_killed_writer_had_not_synced) {
    WriterOptions options = by_hand();
    options.durability = Durability::kCommit;
    TempDir other;
    auto living = open_writer(other.db(), options);
    commit_many(*living, 1, 20);
    living.reset();
    const auto logs = files_in(other.db(), ".log");
    ASSERT_GT(logs.size(), 3u);
    open(options);
    writer_.reset();
    // The same bytes, in files that nobody has synced.
    for (std::uint64_t label = 1; label <= 20; ++label) attempts_[label].begun = disk_->now();
    for (const auto& log : logs) {
        const std::string there = db() + "/" + log.substr(log.rfind('/') + 1);
        const std::string bytes = read_file(log);
        const UniqueFd fd(os::open_at(AT_FDCWD, there.c_str(), O_WRONLY | O_CREAT, 0600));
        ASSERT_EQ(os::write_at(fd.get(), bytes.data(), bytes.size(), 0),
                  static_cast<ssize_t>(bytes.size()));
    }
    open(options);
    for (std::uint64_t label = 1; label <= 20; ++label) attempts_[label].promised = disk_->now();
    commit(21, 22);
    lose_power_everywhere();
}

TEST_F(PowerLossTest, over_a_repair_leaves_every_good_frame) {
    WriterOptions options = by_hand();
    options.durability = Durability::kCommit;
    open(options);
    commit(1, 12);
    index();
    writer_.reset();
    // Frame 2 is ruined, and the second window to its end.
    const auto logs = files_in(db(), ".log");
    for (const std::size_t at : {std::size_t{0}, std::size_t{1}}) {
        const std::string bytes = read_file(logs[at]);
        const std::string ruin(at == 0 ? 8 : bytes.size(), 'x');
        const UniqueFd fd(os::open_at(AT_FDCWD, logs[at].c_str(), O_WRONLY));
        ASSERT_GT(os::write_at(fd.get(), ruin.data(), ruin.size(),
                               at == 0 ? static_cast<off_t>(bytes.size() / 2) : 0),
                  0);
        ASSERT_EQ(os::sync(fd.get()), 0);
    }
    const auto left = visible_names(db());
    ASSERT_LT(left.size(), 12u);
    const Moment ruined = disk_->now();
    ruined_ = true;
    for (auto& [label, attempt] : attempts_)
        if (std::count(left.begin(), left.end(), "f" + std::to_string(label)) == 0)
            attempt.retired = 0;
    auto report = repair(db());
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(report->windows, 2u);
    EXPECT_GT(disk_->now(), ruined);
    open(options);
    commit(13, 15);
    index();
    lose_power_everywhere(ruined);
}

TEST_F(PowerLossTest, over_a_full_disk_and_its_reserve_costs_nothing_that_returned) {
    WriterOptions options = by_hand(64u << 20);
    options.durability = Durability::kCommit;
    open(options);
    // The reserve is a share of the database's bytes: this is a large one.
    ASSERT_EQ(::truncate((db() + "/lock").c_str(), 8 << 20), 0);
    commit(1, 5);
    index();
    EXPECT_THAT(files_in(db(), "reserve"), ::testing::SizeIs(1));
    os::inject_lasting_fault(os::Call::kWrite, 1, ENOSPC);
    commit(6);
    commit(6);
    os::clear_fault();
    EXPECT_EQ(attempts_[6].number, 0u);
    for (int i = 0; i < 100 && attempts_[6].number == 0; ++i) {
        commit(6);
        ::usleep(20000);
    }
    EXPECT_NE(attempts_[6].number, 0u);
    commit(7, 9);
    index();
    lose_power_everywhere();
}

}  // namespace
}  // namespace spanring::store::testing
