// What is found again after any death: torn tails, flipped bytes, lost catalogues.
#include <gmock/gmock.h>

#include <filesystem>

#include "spanring/base/os.hpp"
#include "support.hpp"

namespace spanring::store::testing {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSubsetOf;
using ::testing::SizeIs;

InstanceDelta positions(std::uint8_t seed, std::vector<PagePosition> pages) {
    InstanceDelta delta;
    delta.id = instance(seed).id;
    delta.pid = seed;
    delta.pages = std::move(pages);
    return delta;
}

void commit(Writer& writer, Frame frame, const FrameSummary& summary = {}) {
    frame.snapshot = writer.wants_snapshot();
    auto number = writer.commit(std::move(frame), summary);
    ASSERT_TRUE(number.ok()) << number.error().message;
}

TEST(Recovery, an_empty_database_recovers_nothing) {
    TempDir dir;
    auto writer = open_writer(dir.db());
    EXPECT_THAT(writer->recovered().instances, IsEmpty());
    EXPECT_TRUE(writer->recovered().open_spans.empty());
    EXPECT_EQ(writer->recovered().tail_bytes_cut, 0u);
}

TEST(Recovery, folds_positions_streams_losses_and_deferred) {
    TempDir dir;
    auto writer = open_writer(dir.db());
    Frame first;
    first.instances = {positions(1, {{0, 1, 100}, {1, 1, 50}}), positions(2, {{0, 1, 9}})};
    first.instances[0].process_name = "shop";
    first.instances[0].streams = {{3, 10, 1, {std::byte{1}}}, {4, 2, 1, {}}};
    first.instances[0].losses = {{3, {1, 0, 0, 0}, {}, {}}};
    first.deferred = {std::byte{9}};
    commit(*writer, first);
    Frame second;
    second.instances = {positions(1, {{1, 2, 60}, {2, 1, 7}}), positions(2, {})};
    second.instances[0].pages_released = {0, 1};
    second.instances[0].streams = {{3, 20, 2, {std::byte{2}}}};
    second.instances[0].losses = {{3, {5, 0, 0, 0}, {}, {}}};
    second.instances[1].ended = true;
    second.deferred = {std::byte{8}, std::byte{7}};
    commit(*writer, second);
    writer.reset();

    writer = open_writer(dir.db());
    const RecoveredState& state = writer->recovered();
    ASSERT_THAT(state.instances, SizeIs(1)) << "the other one has ended";
    const InstanceDelta& found = state.instances.front();
    EXPECT_EQ(found.id, instance(1).id);
    EXPECT_EQ(found.pid, 1u);
    EXPECT_EQ(found.process_name, "shop");
    EXPECT_EQ(found.pages, (std::vector<PagePosition>{{1, 2, 60}, {2, 1, 7}}));
    EXPECT_EQ(found.streams, (std::vector<StreamState>{{3, 20, 2, {std::byte{2}}}, {4, 2, 1, {}}}));
    ASSERT_THAT(found.losses, SizeIs(1));
    EXPECT_EQ(found.losses[0].spans[0], 5u);
    EXPECT_EQ(state.deferred, second.deferred);
    EXPECT_EQ(state.ended, std::vector<InstanceId>{instance(2).id})
        << "its file may be there still";
}

TEST(Recovery, an_ended_instance_is_known_until_a_snapshot_leaves_it_out) {
    TempDir dir;
    const auto commit_end_of = [&dir](std::vector<std::uint8_t> seeds) {
        auto writer = open_writer(dir.db());
        Frame frame;
        for (const std::uint8_t seed : seeds) {
            frame.instances.push_back(positions(seed, {}));
            frame.instances.back().ended = true;
        }
        commit(*writer, frame);
    };
    commit_end_of({1, 2});
    EXPECT_THAT(open_writer(dir.db())->recovered().ended, SizeIs(2));
    commit_end_of({2});
    EXPECT_EQ(open_writer(dir.db())->recovered().ended, std::vector<InstanceId>{instance(2).id});
    commit_end_of({});
    EXPECT_THAT(open_writer(dir.db())->recovered().ended, IsEmpty());
}

TEST(Recovery, open_spans_are_folded_whole_and_finished_ones_are_gone) {
    TempDir dir;
    auto writer = open_writer(dir.db());
    const auto open = [](std::uint64_t ordinal, std::uint32_t flags, const char* key) {
        return NativeRow{.ordinal = ordinal,
                         .name = "open" + std::to_string(ordinal),
                         .start_ns = static_cast<std::int64_t>(ordinal),
                         .flags = flags,
                         .attributes = {{key, std::string(key)}}};
    };
    commit(*writer, frame_of({{}, {open(1, 0, "a"), open(2, 0, "b"), open(3, 0, "c")}, false}));
    const FrameSpec ends{
        {NativeRow{.ordinal = 2, .start_ns = 2}}, {open(1, codec::RowFlag::kAppend, "d")}, false};
    commit(*writer, frame_of(ends), summary_of(ends));
    NativeRow other = open(9, 0, "e");
    other.instance = 2;
    commit(*writer, frame_of({{}, {other}, false}));
    Frame end_of_other;
    end_of_other.instances = {positions(2, {})};
    end_of_other.instances[0].ended = true;
    commit(*writer, end_of_other);
    writer.reset();

    writer = open_writer(dir.db());
    const codec::Batch& found = writer->recovered().open_spans;
    std::map<std::string, std::vector<std::string>> keys;
    for (std::size_t i = 0; i < found.rows.size(); ++i) {
        auto span = found.span(i);
        ASSERT_TRUE(span.ok());
        EXPECT_EQ(found.rows[i].flags & codec::RowFlag::kAppend, 0u);
        EXPECT_EQ(codec::service_of(*span->resource), "shop");
        for (const auto& [key, value] : span->attributes) keys[span->name].push_back(key);
    }
    EXPECT_EQ(keys, (std::map<std::string, std::vector<std::string>>{{"open1", {"a", "d"}},
                                                                     {"open3", {"c"}}}));
}

TEST(Recovery, a_snapshot_replaces_everything_before_it) {
    TempDir dir;
    auto writer = open_writer(dir.db());
    Frame first = frame_of({{}, {NativeRow{.ordinal = 5, .flags = 0}}, false});
    first.instances = {positions(1, {{0, 1, 100}})};
    commit(*writer, first);
    writer.reset();
    writer = open_writer(dir.db());
    EXPECT_EQ(writer->recovered().open_spans.rows.size(), 1u);
    Frame snapshot;
    snapshot.instances = {positions(2, {{7, 1, 1}})};
    commit(*writer, snapshot);
    writer.reset();
    writer = open_writer(dir.db());
    ASSERT_THAT(writer->recovered().instances, SizeIs(1));
    EXPECT_EQ(writer->recovered().instances[0].id, instance(2).id);
    EXPECT_TRUE(writer->recovered().open_spans.empty());
}

/// A closed database of three frames in its second window, and where its frames end.
class Damage : public ::testing::Test {
protected:
    void SetUp() override {
        auto writer = open_writer(dir_.db());
        ASSERT_TRUE(commit_numbered(*writer, 1).ok());
        writer = nullptr;
        writer = open_writer(dir_.db());
        for (std::uint64_t i = 2; i <= 4; ++i) {
            ASSERT_TRUE(commit_numbered(*writer, i).ok());
            ends_.push_back(read_file(window()).size());
        }
        writer = nullptr;
        whole_ = read_file(window());
    }
    [[nodiscard]] std::string window() const { return files_in(dir_.db(), ".log").back(); }
    void remove_catalogue() const {
        for (const char* ending : {".sqlite", "-wal", "-shm"})
            for (const std::string& file : files_in(dir_.db(), ending)) ::unlink(file.c_str());
    }

    TempDir dir_;
    std::string whole_;
    std::vector<std::size_t> ends_;
};

TEST_F(Damage, cut_at_every_offset_keeps_every_whole_frame) {
    const std::string file = window();
    for (std::size_t length = 0; length <= whole_.size(); ++length) {
        remove_catalogue();
        write_file(file, whole_.substr(0, length));
        std::uint64_t frames = 1;
        std::size_t good = 0;
        for (const std::size_t end : ends_)
            if (end <= length) {
                ++frames;
                good = end;
            }
        ASSERT_EQ(visible_names(dir_.db()), numbered(frames)) << "a reader, cut at " << length;
        if (length % 11 != 0) continue;  // a writer starts threads: some offsets must do
        auto writer = open_writer(dir_.db());
        ASSERT_NE(writer, nullptr);
        EXPECT_EQ(writer->recovered().tail_bytes_cut, length - good);
        ASSERT_THAT(writer->recovered().instances, SizeIs(1));
        EXPECT_EQ(writer->recovered().instances[0].pages[0].bytes, frames);
        EXPECT_GT(*commit_numbered(*writer, frames + 1), frames);
        writer.reset();
        ASSERT_EQ(visible_names(dir_.db()), numbered(frames + 1)) << "cut at " << length;
        for (const std::string& log : files_in(dir_.db(), ".log"))
            if (log > file) ::unlink(log.c_str());
    }
}

TEST_F(Damage, every_flipped_byte_costs_one_frame_and_gives_a_warning) {
    const std::string file = window();
    for (std::size_t at = 0; at < whole_.size(); ++at) {
        remove_catalogue();
        std::string flipped = whole_;
        flipped[at] = static_cast<char>(flipped[at] ^ 0x41);
        write_file(file, flipped);
        auto reader = open_reader(dir_.db());
        ASSERT_NE(reader, nullptr);
        const auto names = visible_names(*reader);
        EXPECT_EQ(names.size(), 3u) << "flipped at " << at;
        EXPECT_THAT(numbered(4), ::testing::IsSupersetOf(names));
        // In the last frame it looks like one that is still being written.
        if (at < ends_[1]) {
            EXPECT_THAT(reader->warnings(), Contains(HasSubstr("w-0000000000000002.log")));
            EXPECT_THAT(reader->warnings(), Contains(HasSubstr(" at "))) << at;
        }
        auto report = check(dir_.db());
        ASSERT_TRUE(report.ok());
        EXPECT_EQ(report->frames_good, 3u) << "flipped at " << at;
        EXPECT_EQ(report->frames_bad + (report->tail_bytes != 0 ? 1 : 0), 1u);
        if (at % 61 != 0) continue;
        auto writer = open_writer(dir_.db());
        ASSERT_NE(writer, nullptr) << "flipped at " << at;
        EXPECT_THAT(writer->recovered().instances, SizeIs(1));
    }
}

TEST_F(Damage, is_taken_out_by_repair_which_keeps_the_damaged_file) {
    const std::string file = window();
    for (std::size_t at = 0; at < ends_[1]; at += 7) {
        SCOPED_TRACE("flipped at " + std::to_string(at));
        std::string flipped = whole_;
        flipped[at] = static_cast<char>(flipped[at] ^ 0x41);
        write_file(file, flipped);
        const auto before = visible_names(*open_reader(dir_.db()));
        auto report = repair(dir_.db());
        ASSERT_TRUE(report.ok()) << report.error().message;
        EXPECT_EQ(report->windows, 1u);
        EXPECT_GT(report->bytes_taken_out, 0u);
        ASSERT_THAT(report->kept, SizeIs(1));
        EXPECT_EQ(read_file(report->kept.front()), flipped);
        std::filesystem::remove(report->kept.front());
        auto checked = check(dir_.db());
        ASSERT_TRUE(checked.ok());
        EXPECT_EQ(checked->frames_bad, 0u);
        auto reader = open_reader(dir_.db());
        EXPECT_EQ(visible_names(*reader), before);
        EXPECT_THAT(reader->warnings(), SizeIs(0));
        EXPECT_EQ(repair(dir_.db())->windows, 0u) << "again";
    }
    auto writer = open_writer(dir_.db());
    ASSERT_NE(writer, nullptr);
    EXPECT_EQ(repair(dir_.db()).error().code, ErrorCode::kBusy);
    ASSERT_TRUE(writer->index_now().ok());
    EXPECT_THAT(visible_names(*open_reader(dir_.db())), SizeIs(3));
}

TEST_F(Damage, stays_as_it_is_or_is_repaired_whichever_call_of_repair_fails) {
    std::string flipped = whole_;
    flipped[ends_[0] + 90] = static_cast<char>(flipped[ends_[0] + 90] ^ 1);
    for (std::uint64_t nth = 1;; ++nth) {
        SCOPED_TRACE("call " + std::to_string(nth));
        write_file(window(), flipped);
        os::inject_fault(os::Call::kAny, nth, EIO);
        auto report = repair(dir_.db());
        const bool failed = os::clear_fault() != 0;
        EXPECT_THAT(visible_names(*open_reader(dir_.db())),
                    ::testing::ElementsAre("f1", "f2", "f4"));
        EXPECT_THAT(files_in(dir_.db(), ".compacting"), IsEmpty());
        auto again = repair(dir_.db());
        ASSERT_TRUE(again.ok()) << again.error().message;
        EXPECT_EQ(check(dir_.db())->frames_bad, 0u);
        for (const std::string& kept : files_in(dir_.db(), ".damaged")) {
            EXPECT_EQ(read_file(kept), flipped);
        }
        for (const auto& entry : std::filesystem::directory_iterator(dir_.db())) {
            const std::string name = entry.path();
            if (name.find(".damaged") != std::string::npos) std::filesystem::remove(name);
        }
        if (failed) continue;
        EXPECT_TRUE(report.ok());
        EXPECT_GT(nth, 10u);
        break;
    }
}

TEST_F(Damage, of_a_whole_window_leaves_it_to_repair_which_takes_it_away) {
    const std::string older = dir_.db() + "/w-0000000000000001.log";
    write_file(older, std::string(5000, 'x'));
    auto report = repair(dir_.db());
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(report->windows, 1u);
    EXPECT_FALSE(std::filesystem::exists(older));
    EXPECT_EQ(read_file(older + ".damaged"), std::string(5000, 'x'));
    EXPECT_EQ(check(dir_.db())->frames_bad, 0u);
}

TEST_F(Damage, a_flipped_byte_under_the_catalogue_is_skipped_with_a_warning) {
    std::string flipped = whole_;
    flipped[ends_[0] + 90] = static_cast<char>(flipped[ends_[0] + 90] ^ 1);
    write_file(window(), flipped);
    auto reader = open_reader(dir_.db());
    EXPECT_THAT(visible_names(*reader), ::testing::ElementsAre("f1", "f2", "f4"));
    EXPECT_THAT(reader->warnings(), Contains(HasSubstr("checksum")));
    EXPECT_THAT(visible_names(*reader), SizeIs(3)) << "once more";
    EXPECT_THAT(reader->warnings(), SizeIs(1)) << "but warned once";
}

TEST_F(Damage, check_counts_a_good_database_as_good) {
    auto report = check(dir_.db());
    ASSERT_TRUE(report.ok());
    EXPECT_EQ(report->windows, 2u);
    EXPECT_EQ(report->frames_good, 4u);
    EXPECT_EQ(report->frames_bad, 0u);
    EXPECT_EQ(report->spans, 4u);
    EXPECT_EQ(report->tail_bytes, 0u);
    EXPECT_THAT(report->problems, IsEmpty());
}

TEST_F(Damage, a_lost_or_ruined_catalogue_changes_no_answer_and_comes_back) {
    const auto answers = [&] {
        auto reader = open_reader(dir_.db());
        std::string all;
        for (const auto& name : visible_names(*reader)) all += name + " ";
        const auto services = *reader->services();
        const auto operations = *reader->operations(std::nullopt);
        const auto traces = *reader->traces({}, 3);
        const auto stats = *reader->stats();
        for (const auto& name : services) all += name + " ";
        for (const auto& op : operations)
            all += op.operation + "=" + std::to_string(op.count) + " ";
        all += std::to_string(stats.spans) + "/" + std::to_string(stats.frames);
        for (const auto& trace : traces) all += " " + to_hex(trace.trace_id);
        return all;
    };
    const std::string before = answers();
    EXPECT_THAT(before, HasSubstr("f4=1 4/4"));
    const std::string catalogue = dir_.db() + "/catalogue.sqlite";
    const std::string good = read_file(catalogue);
    for (const std::string& ruin :
         {std::string(), std::string("no database"), std::string(good.size(), '\x5a'),
          good.substr(0, good.size() / 2), good.substr(0, 100) + std::string(good.size(), '\0')}) {
        remove_catalogue();
        if (!ruin.empty()) write_file(catalogue, ruin);
        EXPECT_EQ(answers(), before);
        ASSERT_TRUE(rebuild_catalogue(dir_.db()).ok());
        EXPECT_EQ(answers(), before);
        remove_catalogue();
        if (!ruin.empty()) write_file(catalogue, ruin);
        auto writer = open_writer(dir_.db());
        ASSERT_TRUE(writer->index_now().ok());
        writer.reset();
        EXPECT_EQ(answers(), before);
        EXPECT_EQ(read_file(catalogue).substr(0, 15), "SQLite format 3");
    }
}

TEST_F(Damage, a_catalogue_of_another_database_is_not_believed) {
    TempDir other;
    auto writer = open_writer(other.db());
    for (std::uint64_t i = 1; i <= 9; ++i) ASSERT_TRUE(commit_numbered(*writer, i).ok());
    ASSERT_TRUE(writer->index_now().ok());
    writer.reset();
    remove_catalogue();
    write_file(dir_.db() + "/catalogue.sqlite", read_file(other.db() + "/catalogue.sqlite"));
    EXPECT_EQ(visible_names(dir_.db()), numbered(4));
    writer = open_writer(dir_.db());
    ASSERT_TRUE(writer->index_now().ok());
    EXPECT_EQ(visible_names(dir_.db()), numbered(4));
}

TEST_F(Damage, a_catalogue_ahead_of_the_log_is_rebuilt) {
    write_file(window(), whole_.substr(0, ends_[0]));
    auto writer = open_writer(dir_.db());
    ASSERT_TRUE(commit_numbered(*writer, 3).ok());
    ASSERT_TRUE(writer->index_now().ok());
    EXPECT_EQ(visible_names(dir_.db()), numbered(3));
    EXPECT_EQ(open_reader(dir_.db())->operations(std::nullopt)->size(), 3u);
}

class LostWindows : public Damage {
protected:
    void lose_all() const {
        ASSERT_TRUE(rebuild_catalogue(dir_.db()).ok());
        for (const std::string& log : files_in(dir_.db(), ".log")) ::unlink(log.c_str());
        ASSERT_THAT(files_in(dir_.db(), ".sqlite"), SizeIs(1)) << "the catalogue stays";
    }
    static void expect_nothing(Reader& reader) {
        EXPECT_THAT(visible_names(reader), IsEmpty());
        EXPECT_THAT(*reader.traces({}, 3), IsEmpty());
        EXPECT_TRUE(reader.services().ok());
        EXPECT_TRUE(reader.operations(std::nullopt).ok());
        ASSERT_TRUE(reader.stats().ok());
        EXPECT_TRUE(reader.refresh().ok());
    }
};

TEST_F(LostWindows, a_catalogue_without_any_window_gives_empty_answers) {
    auto held_open = open_reader(dir_.db());
    lose_all();
    ASSERT_TRUE(held_open->refresh().ok());
    expect_nothing(*held_open);
    expect_nothing(*open_reader(dir_.db()));
}

TEST_F(LostWindows, a_catalogue_with_only_a_newer_empty_window_gives_empty_answers) {
    auto held_open = open_reader(dir_.db());
    lose_all();
    write_file(dir_.db() + "/w-0000000000000099.log", "");
    ASSERT_TRUE(held_open->refresh().ok());
    expect_nothing(*held_open);
    expect_nothing(*open_reader(dir_.db()));
}

TEST_F(LostWindows, a_writer_begins_anew) {
    lose_all();
    auto writer = open_writer(dir_.db());
    EXPECT_THAT(writer->recovered().instances, IsEmpty());
    ASSERT_TRUE(commit_numbered(*writer, 1).ok());
    ASSERT_TRUE(writer->index_now().ok());
    EXPECT_EQ(visible_names(dir_.db()), numbered(1));
}

}  // namespace
}  // namespace spanring::store::testing
