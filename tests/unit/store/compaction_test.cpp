// Compaction: the same spans in fewer bytes, whatever happens on the way and whoever reads.
#include <gmock/gmock.h>
#include <rapidcheck.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "frame_view.hpp"
#include "spanring/base/os.hpp"
#include "spanring/codec/jsonl.hpp"
#include "support.hpp"

namespace spanring::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t kSmallWindow = 1500;  // a few frames

/// Nothing happens in the background: each test says when.
WriterOptions by_hand(std::uint64_t window_bytes = kSmallWindow) {
    WriterOptions options;
    options.window_bytes_max = window_bytes;
    options.compaction.enabled = false;
    return options;
}

WriterOptions in_background(std::uint64_t window_bytes = kSmallWindow) {
    WriterOptions options;
    options.window_bytes_max = window_bytes;
    options.compaction.cpu_percent = 100;
    return options;
}

void commit_many(Writer& writer, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t i = first; i <= last; ++i) ASSERT_TRUE(commit_numbered(writer, i).ok());
}

CompactReport compacted(Writer& writer) {
    EXPECT_TRUE(writer.index_now().ok());
    auto report = writer.compact();
    EXPECT_TRUE(report.ok()) << (report ? "" : report.error().message);
    EXPECT_TRUE(writer.index_now().ok());
    return report ? *report : CompactReport{};
}

std::vector<std::string> spans_of(const std::string& path) {
    std::vector<std::string> lines;
    auto reader = open_reader(path);
    auto visited = reader->visit({}, [&](const codec::Span& span) {
        lines.push_back(codec::to_jsonl(span));
        return true;
    });
    EXPECT_TRUE(visited.ok());
    EXPECT_THAT(reader->warnings(), IsEmpty());
    std::sort(lines.begin(), lines.end());
    return lines;
}

std::vector<std::string> sorted(std::vector<std::string> names) {
    std::sort(names.begin(), names.end());
    return names;
}

/// Whether the windows' files were made by compaction.
std::vector<bool> which_are_compacted(const std::string& db) {
    std::vector<bool> out;
    for (const std::string& file : files_in(db, ".log")) {
        const std::string bytes = read_file(file);
        auto header = read_header(std::as_bytes(std::span(bytes)));
        out.push_back(header && is_merged(*header));
    }
    return out;
}

TEST(Compaction, makes_sealed_windows_smaller_and_changes_no_span) {
    TempDir dir;
    auto writer = open_writer(dir.db(), by_hand(20000));
    commit_many(*writer, 1, 200);
    const auto before = spans_of(dir.db());
    const CompactReport report = compacted(*writer);
    EXPECT_GE(report.windows, 3u);
    EXPECT_LT(report.bytes_after * 8, report.bytes_before);
    EXPECT_EQ(spans_of(dir.db()), before);
    const auto which = which_are_compacted(dir.db());
    for (std::size_t i = 0; i < which.size(); ++i) EXPECT_EQ(which[i], i + 1 < which.size()) << i;
    EXPECT_EQ(compacted(*writer).windows, 0u) << "once is enough";
    auto reader = open_reader(dir.db());
    auto stats = reader->stats();
    ASSERT_TRUE(stats.ok());
    EXPECT_EQ(stats->spans, 200u);
    EXPECT_LT(stats->frames, 100u);
    auto checked = check(dir.db());
    ASSERT_TRUE(checked.ok());
    EXPECT_EQ(checked->spans, 200u);
    EXPECT_THAT(checked->problems, IsEmpty());
}

NativeRow any_row(std::uint64_t ordinal) {
    NativeRow row;
    row.ordinal = ordinal;
    row.name = *rc::gen::element<std::string>("", "get", "put", "a long name of an operation");
    row.service = *rc::gen::element<std::string>("shop", "cart");
    row.start_ns = *rc::gen::inRange<std::int64_t>(0, 1000000);
    row.duration_ns = *rc::gen::inRange<std::int64_t>(0, 1000);
    row.instance = *rc::gen::inRange<std::uint8_t>(1, 4);
    row.root = *rc::gen::inRange<std::uint64_t>(0, ordinal + 1);
    if (*rc::gen::inRange(0, 3) == 0) row.attributes = {{"n", *rc::gen::arbitrary<std::int64_t>()}};
    if (*rc::gen::inRange(0, 5) == 0) row.status = codec::StatusCode::kError;
    return row;
}

TEST(Compaction, keeps_any_spans) {
    rc::check([] {
        TempDir dir;
        auto options = by_hand(*rc::gen::inRange<std::uint64_t>(300, 5000));
        options.compaction.zstd_level = *rc::gen::element(0, 3);
        auto writer = open_writer(dir.db(), options);
        std::uint64_t ordinal = 0;
        for (int frames = *rc::gen::inRange(1, 12); frames-- > 0;) {
            FrameSpec spec;
            for (int n = *rc::gen::inRange(0, 40); n-- > 0;)
                spec.rows.push_back(any_row(++ordinal));
            spec.snapshot = writer->wants_snapshot();
            RC_ASSERT(writer->commit(frame_of(spec), summary_of(spec)).ok());
        }
        const auto before = spans_of(dir.db());
        RC_ASSERT(before.size() == ordinal);
        compacted(*writer);
        RC_ASSERT(spans_of(dir.db()) == before);
        writer.reset();
        RC_ASSERT(compact(dir.db()).ok());
        RC_ASSERT(spans_of(dir.db()) == before);
    });
}

TEST(Compaction, deals_large_windows_out_into_several_batches_by_trace) {
    TempDir dir;
    auto writer = open_writer(dir.db(), by_hand(1));
    // Four traces, interleaved row by row over frames, more rows than a merged batch holds.
    constexpr std::uint64_t kFrames = 10, kRows = 5000;
    for (std::uint64_t f = 0; f < kFrames; ++f) {
        FrameSpec spec;
        for (std::uint64_t i = 1; i <= kRows; ++i) {
            NativeRow row;
            row.ordinal = f * kRows + i;
            row.root = row.ordinal % 4 + 1;
            row.start_ns = static_cast<std::int64_t>(row.ordinal);
            spec.rows.push_back(row);
        }
        // One window alone has all of them: the limit is looked at when a frame asks for it.
        spec.snapshot = f == 0;
        ASSERT_TRUE(writer->commit(frame_of(spec), summary_of(spec)).ok());
    }
    ASSERT_TRUE(commit_numbered(*writer, kFrames * kRows + 1).ok());
    ASSERT_EQ(compacted(*writer).windows, 1u);
    auto reader = open_reader(dir.db());
    std::map<TraceId, std::uint64_t> batches_of;
    std::uint64_t frames = 0;
    std::uint64_t last = 0;
    auto seen = reader->visit_frames_after(0, [&](const CommittedFrame& frame) {
        EXPECT_GT(frame.number, last);
        last = frame.number;
        ++frames;
        for (const codec::Batch& batch : frame.batches) {
            std::set<TraceId> traces;
            for (const codec::Row& row : batch.rows) traces.insert(batch.trace_id(row));
            for (const TraceId& id : traces) ++batches_of[id];
        }
        return true;
    });
    ASSERT_TRUE(seen.ok());
    EXPECT_EQ(frames, 4 + 1u);
    for (const auto& [id, batches] : batches_of) EXPECT_EQ(batches, 1u);
}

TEST(Compaction, needs_no_consumer_and_seals_the_newest_window_then) {
    TempDir dir;
    FrameSpec spec;
    spec.rows = {NativeRow{}};
    spec.open = {NativeRow{.ordinal = 7, .name = "open", .flags = 0}};
    {
        auto writer = open_writer(dir.db(), by_hand(1 << 20));
        spec.snapshot = true;
        Frame frame = frame_of(spec);
        InstanceDelta alive;
        alive.id = instance().id;
        alive.pages = {{3, 1, 800}};
        InstanceDelta gone;
        gone.id = instance(9).id;
        gone.ended = true;
        frame.instances = {alive, gone};
        frame.deferred = {std::byte{1}, std::byte{2}};
        ASSERT_TRUE(writer->commit(std::move(frame), summary_of(spec)).ok());
    }
    auto report = compact(dir.db());
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(report->windows, 1u);
    EXPECT_EQ(compact(dir.db())->windows, 0u) << "a snapshot alone is not sealed again";
    EXPECT_THAT(files_in(dir.db(), ".log"), SizeIs(2));
    EXPECT_THAT(sorted(visible_names(dir.db())), ElementsAre("open", "work"));
    auto writer = open_writer(dir.db(), by_hand());
    const RecoveredState& state = writer->recovered();
    ASSERT_THAT(state.instances, SizeIs(1));
    EXPECT_THAT(state.instances[0].pages, ElementsAre(PagePosition{3, 1, 800}));
    EXPECT_THAT(state.ended, ElementsAre(instance(9).id));
    EXPECT_THAT(state.open_spans.rows, SizeIs(1));
    EXPECT_THAT(state.deferred, ElementsAre(std::byte{1}, std::byte{2}));
}

TEST(Compaction, keeps_losses_and_identities) {
    TempDir dir;
    auto writer = open_writer(dir.db(), by_hand());
    FrameSpec spec{{NativeRow{}}, {}, true};
    Frame frame = frame_of(spec);
    InstanceDelta delta;
    delta.id = instance().id;
    delta.pid = 77;
    delta.process_name = "shop";
    delta.losses = {{0, {5, 0, 0, 0}, {0, 6, 0, 0}, {0, 0, 7, 0}}};
    frame.instances = {delta};
    ASSERT_TRUE(writer->commit(std::move(frame), summary_of(spec)).ok());
    commit_many(*writer, 2, 40);
    ASSERT_GE(compacted(*writer).windows, 2u);
    const auto look = [&] {
        auto stats = open_reader(dir.db())->stats();
        ASSERT_TRUE(stats.ok());
        ASSERT_THAT(stats->losses, SizeIs(1));
        EXPECT_EQ(stats->losses[0].spans, 5u);
        EXPECT_EQ(stats->losses[0].ends, 6u);
        EXPECT_EQ(stats->losses[0].details, 7u);
        EXPECT_EQ(stats->losses[0].process_name, "shop");
        EXPECT_EQ(stats->spans, 40u);
    };
    look();
    writer.reset();
    ASSERT_TRUE(rebuild_catalogue(dir.db()).ok());
    look();
    EXPECT_EQ(open_reader(dir.db())->services()->size(), 1u);
    for (const std::string& file : files_in(dir.db(), ".sqlite")) ::unlink(file.c_str());
    look();
}

TEST(Compaction, finds_traces_after_it) {
    TempDir dir;
    auto writer = open_writer(dir.db(), by_hand());
    commit_many(*writer, 1, 60);
    const TraceId id =
        derive_trace_id(instance().host_key, instance().id.number(), SpanKey::of(0, 17));
    auto early = open_reader(dir.db());
    compacted(*writer);
    for (Reader* reader : {early.get(), open_reader(dir.db()).release()}) {
        auto spans = reader->trace(id);
        ASSERT_TRUE(spans.ok()) << spans.error().message;
        ASSERT_THAT(*spans, SizeIs(1));
        EXPECT_EQ((*spans)[0].name, "f17");
        if (reader != early.get()) delete reader;
    }
}

TEST(Compaction, leaves_a_damaged_window_alone) {
    TempDir dir;
    auto writer = open_writer(dir.db(), by_hand());
    commit_many(*writer, 1, 30);
    const std::string first = files_in(dir.db(), ".log").front();
    std::string bytes = read_file(first);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write_file(first, bytes);
    const CompactReport report = compacted(*writer);
    EXPECT_THAT(report.problems, ElementsAre(HasSubstr(first)));
    EXPECT_FALSE(which_are_compacted(dir.db())[0]);
    EXPECT_TRUE(which_are_compacted(dir.db())[1]);
    EXPECT_EQ(read_file(first), bytes);
}

TEST(Compaction, keeps_what_a_durable_cursor_has_not_read) {
    TempDir dir;
    auto writer = open_writer(dir.db(), by_hand());
    commit_many(*writer, 1, 60);
    writer->keep_frames_above(20);
    compacted(*writer);
    auto which = which_are_compacted(dir.db());
    EXPECT_TRUE(which[0]);
    EXPECT_FALSE(which[which.size() - 2]);
    auto reader = open_reader(dir.db());
    std::vector<std::string> names;
    ASSERT_TRUE(reader
                    ->visit_after(20,
                                  [&](const codec::Span& span) {
                                      names.push_back(span.name);
                                      return true;
                                  })
                    .ok());
    const auto all = numbered(60);
    EXPECT_EQ(names, std::vector<std::string>(all.begin() + 20, all.end()));
    writer->keep_frames_above(UINT64_MAX);
    compacted(*writer);
    which = which_are_compacted(dir.db());
    EXPECT_TRUE(which[which.size() - 2]);
}

TEST(Compaction, under_a_reader_that_follows_neither_hides_nor_repeats_a_span) {
    TempDir dir;
    auto writer = open_writer(dir.db(), by_hand());
    auto reader = open_reader(dir.db());
    std::uint64_t cursor = 0;
    std::vector<std::string> names;
    for (std::uint64_t step = 1; step <= 60; ++step) {
        ASSERT_TRUE(commit_numbered(*writer, step).ok());
        // It stops in the middle of windows, which are merged before it goes on.
        if (step % 7 == 0) compacted(*writer);
        if (step % 5 != 0) continue;
        ASSERT_TRUE(reader->refresh().ok());
        std::uint64_t taken = 0;
        auto seen = reader->visit_frames_after(cursor, [&](const CommittedFrame& frame) {
            for (const codec::Batch& batch : frame.batches)
                for (const codec::Row& row : batch.rows) names.emplace_back(batch.string(row.name));
            return ++taken < 4 || step > 50;
        });
        ASSERT_TRUE(seen.ok());
        cursor = *seen;
    }
    EXPECT_EQ(sorted(names), sorted(numbered(60)));
}

TEST(Compaction, of_what_an_old_cursor_is_in_the_middle_of_repeats_rather_than_hides) {
    TempDir dir;
    auto writer = open_writer(dir.db(), by_hand());
    commit_many(*writer, 1, 30);
    compacted(*writer);
    auto reader = open_reader(dir.db());
    std::set<std::string> names;
    ASSERT_TRUE(reader
                    ->visit_after(2,
                                  [&](const codec::Span& span) {
                                      names.insert(span.name);
                                      return true;
                                  })
                    .ok());
    for (std::uint64_t i = 3; i <= 30; ++i) EXPECT_EQ(names.count("f" + std::to_string(i)), 1u);
}

TEST(Compaction, in_the_background_is_never_half_seen) {
    TempDir dir;
    auto writer = open_writer(dir.db(), in_background());
    std::atomic<std::uint64_t> committed{0};
    std::atomic<bool> stop{false};
    std::thread looking([&] {
        std::unique_ptr<Reader> reader;
        // relaxed: a number and a wish to end; the database itself orders what is seen.
        while (!stop.load(std::memory_order_relaxed)) {
            // relaxed: as above.
            const std::uint64_t least = committed.load(std::memory_order_relaxed);
            if (least % 3 == 0 || !reader) reader = open_reader(dir.db());
            ASSERT_TRUE(reader->refresh().ok());
            auto names = visible_names(*reader);
            ASSERT_GE(names.size(), least);
            ASSERT_EQ(sorted(names), sorted(numbered(names.size())));
        }
    });
    for (std::uint64_t i = 1; i <= 600; ++i) {
        ASSERT_TRUE(commit_numbered(*writer, i).ok());
        // relaxed: as above.
        committed.store(i, std::memory_order_relaxed);
        if (i % 20 == 0) ASSERT_TRUE(writer->index_now().ok());
    }
    // The thread has the lowest priority: it comes when the machine has time.
    while (!which_are_compacted(dir.db()).front()) ::usleep(1000);
    // relaxed: as above.
    stop.store(true, std::memory_order_relaxed);
    looking.join();
}

struct CallFault {
    os::Call call;
    int errno_value;
};

class CompactionFaults : public ::testing::TestWithParam<CallFault> {};

TEST_P(CompactionFaults, at_the_nth_call_change_nothing_and_leave_nothing) {
    const CallFault fault = GetParam();
    for (std::uint64_t nth = 1;; ++nth) {
        TempDir dir;
        auto writer = open_writer(dir.db(), by_hand());
        commit_many(*writer, 1, 12);
        ASSERT_TRUE(writer->index_now().ok());
        os::inject_fault(fault.call, nth, fault.errno_value);
        auto failed = writer->compact();
        const bool injected = os::clear_fault() != 0;
        EXPECT_EQ(sorted(visible_names(dir.db())), sorted(numbered(12))) << "n = " << nth;
        EXPECT_THAT(files_in(dir.db(), ".compacting"), IsEmpty()) << "n = " << nth;
        // Again, and as the next process would.
        (void)compacted(*writer);
        writer.reset();
        auto again = compact(dir.db());
        ASSERT_TRUE(again.ok()) << again.error().message << ", n = " << nth;
        EXPECT_EQ(sorted(visible_names(dir.db())), sorted(numbered(12))) << "n = " << nth;
        if (!injected) {
            EXPECT_TRUE(failed.ok());
            break;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Calls, CompactionFaults,
                         ::testing::Values(CallFault{os::Call::kOpen, EIO},
                                           CallFault{os::Call::kWrite, ENOSPC},
                                           CallFault{os::Call::kSync, EIO},
                                           CallFault{os::Call::kRename, EIO},
                                           CallFault{os::Call::kStat, EIO}));

/// What a process announces before it is killed.
struct Announced {
    std::atomic<std::uint64_t> committed;
    std::atomic<std::uint64_t> compacted;  ///< windows
};

/// Commits, compacts (at full speed) and retires in a process that is killed at any moment.
void write_until_killed(const std::string& db, Announced& announced, WriterOptions options) {
    auto writer = Writer::open(db, options);
    if (!writer) ::_exit(3);
    // relaxed: read back by the parent after this process is dead.
    std::uint64_t next = announced.committed.load(std::memory_order_relaxed);
    // One that was committed but not announced: the page of the ring would be at its position.
    for (const InstanceDelta& delta : (*writer)->recovered().instances)
        if (!delta.pages.empty()) next = delta.pages[0].bytes;
    // A few windows ahead: each is synced when it is compacted, which may take long here.
    std::uint64_t begun = 0;
    std::atomic<std::uint64_t> mine{0};
    std::thread compacting([&] {
        for (;;) {
            if (!(*writer)->index_now().ok()) ::_exit(5);
            auto report = (*writer)->compact();
            if (!report) ::_exit(6);
            // relaxed: only counted.
            announced.compacted.fetch_add(report->windows, std::memory_order_relaxed);
            // relaxed: as above.
            mine.fetch_add(report->windows, std::memory_order_relaxed);
        }
    });
    for (;;) {
        begun += (*writer)->wants_snapshot() ? 1 : 0;
        // relaxed: only counted.
        while (begun > mine.load(std::memory_order_relaxed) + 8) ::usleep(200);
        if (!commit_numbered(**writer, next + 1).ok()) ::_exit(4);
        // relaxed: as above.
        announced.committed.store(++next, std::memory_order_relaxed);
    }
}

class Killed : public ::testing::TestWithParam<bool> {};

TEST_P(Killed, at_any_moment_compaction_and_retirement_lose_and_repeat_nothing) {
    const bool retires = GetParam();
    auto* shared = static_cast<Announced*>(
        ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(shared, MAP_FAILED);
    TempDir dir;
    WriterOptions options = by_hand(6000);
    if (retires) options.database_bytes_max = 30000;
    unsigned seed = 1;
    for (int round = 0; round < 30; ++round) {
        const pid_t pid = ::fork();
        if (pid == 0) write_until_killed(dir.db(), *shared, options);
        seed = seed * 1664525 + 1013904223;
        // At its start, or while it is compacting, at whatever.
        // relaxed: only counted.
        const auto before = shared->compacted.load(std::memory_order_relaxed);
        if (round % 3 == 0) ::usleep(seed % 60000);
        // relaxed: as above.
        while (round % 3 != 0 && shared->compacted.load(std::memory_order_relaxed) == before &&
               ::waitpid(pid, nullptr, WNOHANG) == 0)
            ::usleep(seed % 10000);
        ::kill(pid, SIGKILL);
        int status = 0;
        ::waitpid(pid, &status, 0);
        ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself: " << WEXITSTATUS(status);
        if (files_in(dir.db(), ".log").empty()) continue;
        const auto names = visible_names(dir.db());
        std::vector<std::uint64_t> numbers;
        for (const std::string& name : names) numbers.push_back(std::stoull(name.substr(1)));
        std::sort(numbers.begin(), numbers.end());
        // relaxed: the process that wrote it is dead.
        const std::uint64_t announced = shared->committed.load(std::memory_order_relaxed);
        if (numbers.empty()) {
            ASSERT_EQ(announced, 0u);
            continue;
        }
        ASSERT_GE(numbers.back(), announced) << "round " << round;
        if (!retires) ASSERT_EQ(numbers.front(), 1u);
        for (std::size_t i = 1; i < numbers.size(); ++i)
            ASSERT_EQ(numbers[i], numbers[i - 1] + 1) << "round " << round;
        auto checked = check(dir.db());
        ASSERT_TRUE(checked.ok());
        ASSERT_THAT(checked->problems, IsEmpty());
    }
    EXPECT_GE(shared->compacted.load(), 20u) << "it was at it";
    ::munmap(shared, 4096);
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutRetirement, Killed, ::testing::Bool());

}  // namespace
}  // namespace spanring::store::testing
