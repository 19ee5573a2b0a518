// Compaction: the same spans in fewer bytes, whoever reads.
#include <rapidcheck.h>

#include <atomic>
#include <cerrno>
#include <set>
#include <thread>

#include "compaction_support.hpp"
#include "spanring/base/os.hpp"

namespace spanring::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

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

// Its places in the catalogue would be those of the file before.
TEST(Compaction, is_not_done_twice_when_a_read_fails) {
    TempDir dir;
    {
        auto writer = open_writer(dir.db(), by_hand(20000));
        commit_many(*writer, 1, 200);
        ASSERT_GE(compacted(*writer).windows, 3u);
    }
    const auto before = spans_of(dir.db());
    for (std::uint64_t nth = 1, failed = 1; failed != 0; ++nth) {
        auto writer = open_writer(dir.db(), by_hand(20000));
        ASSERT_TRUE(writer->index_now().ok());
        os::inject_fault(os::Call::kRead, nth, EIO);
        const auto report = writer->compact();
        failed = os::clear_fault();
        EXPECT_EQ(report ? report->windows : 0, 0u) << "read " << nth;
        EXPECT_EQ(spans_of(dir.db()), before) << "read " << nth;
    }
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
        if (i % 20 == 0) {
            ASSERT_TRUE(writer->index_now().ok());
        }
    }
    // The thread has the lowest priority: it comes when the machine has time.
    while (!which_are_compacted(dir.db()).front()) ::usleep(1000);
    // relaxed: as above.
    stop.store(true, std::memory_order_relaxed);
    looking.join();
}

}  // namespace
}  // namespace spanring::store::testing
