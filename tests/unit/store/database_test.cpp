// What a writer commits, readers see: round trips, filters, traces, totals.
#include <gmock/gmock.h>

#include "support.hpp"

namespace spanring::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class Database : public ::testing::Test {
protected:
    void commit(FrameSpec spec) {
        spec.snapshot = writer_->wants_snapshot();
        auto number = writer_->commit(frame_of(spec), summary_of(spec));
        ASSERT_TRUE(number.ok()) << number.error().message;
    }

    TempDir dir_;
    std::unique_ptr<Writer> writer_ = open_writer(dir_.db());
};

TEST_F(Database, readers_see_what_is_committed_and_nothing_twice) {
    for (std::uint64_t i = 1; i <= 5; ++i) ASSERT_TRUE(commit_numbered(*writer_, i).ok());
    auto reader = open_reader(dir_.db());
    EXPECT_EQ(visible_names(*reader), numbered(5));
    ASSERT_TRUE(commit_numbered(*writer_, 6).ok());
    EXPECT_EQ(visible_names(*reader), numbered(5)) << "a query sees the last refresh";
    ASSERT_TRUE(reader->refresh().ok());
    EXPECT_EQ(visible_names(*reader), numbered(6));
    ASSERT_TRUE(writer_->index_now().ok());
    EXPECT_EQ(visible_names(*reader), numbered(6));
    ASSERT_TRUE(reader->refresh().ok());
    EXPECT_EQ(visible_names(*reader), numbered(6)) << "indexed: no longer tail";
    EXPECT_EQ(visible_names(dir_.db()), numbered(6));
    EXPECT_THAT(reader->warnings(), IsEmpty());
}

TEST_F(Database, frame_numbers_ascend_over_windows_and_restarts) {
    EXPECT_EQ(*commit_numbered(*writer_, 1), 1u);
    EXPECT_EQ(*commit_numbered(*writer_, 2), 2u);
    writer_.reset();
    writer_ = open_writer(dir_.db());
    EXPECT_TRUE(writer_->wants_snapshot());
    const std::uint64_t third = *commit_numbered(*writer_, 3);
    EXPECT_GT(third, 2u);
    EXPECT_EQ(open_reader(dir_.db())->newest_frame(), third);
    EXPECT_EQ(visible_names(dir_.db()), numbered(3));
    EXPECT_EQ(files_in(dir_.db(), ".log").size(), 2u);
}

TEST_F(Database, a_window_must_begin_with_a_snapshot) {
    auto refused = writer_->commit(frame_of({{NativeRow{}}, {}, false}), {});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(visible_names(dir_.db()), IsEmpty());
}

TEST_F(Database, filters_choose_by_every_field) {
    commit({{NativeRow{
                 .ordinal = 1, .name = "get", .service = "cart", .start_ns = 100, .duration_ns = 5},
             NativeRow{.ordinal = 2,
                       .name = "put",
                       .service = "cart",
                       .start_ns = 200,
                       .duration_ns = 50,
                       .status = codec::StatusCode::kError},
             NativeRow{.ordinal = 3,
                       .name = "get",
                       .service = "pay",
                       .start_ns = 300,
                       .duration_ns = 500,
                       .attributes = {{"code", std::int64_t{404}}, {"ok", true}, {"ratio", 0.5}}}},
            {},
            false});
    for (const bool indexed : {false, true}) {
        if (indexed) {
            ASSERT_TRUE(writer_->index_now().ok());
        }
        const auto starts = [&](const SpanFilter& filter) {
            std::vector<std::int64_t> found;
            auto reader = open_reader(dir_.db());
            const auto matcher = Matcher::make(filter);
            EXPECT_TRUE(matcher.ok());
            EXPECT_TRUE(reader
                            ->visit(filter,
                                    [&](const codec::Span& span) {
                                        EXPECT_TRUE(matcher->matches(span));
                                        found.push_back(*span.start_ns);
                                        return true;
                                    })
                            .ok());
            return found;
        };
        EXPECT_THAT(starts({}), UnorderedElementsAre(100, 200, 300));
        EXPECT_THAT(starts({.service = "cart"}), UnorderedElementsAre(100, 200));
        EXPECT_THAT(starts({.service = "nobody"}), IsEmpty());
        EXPECT_THAT(starts({.operation = "get"}), UnorderedElementsAre(100, 300));
        EXPECT_THAT(starts({.duration_ns_min = 50, .duration_ns_max = 50}), ElementsAre(200));
        EXPECT_THAT(starts({.since_ns = 200, .until_ns = 300}), ElementsAre(200));
        EXPECT_THAT(starts({.since_ns = 301}), IsEmpty());
        EXPECT_THAT(starts({.errors_only = true}), ElementsAre(200));
        EXPECT_THAT(starts({.attributes = {{"code", "404"}}}), ElementsAre(300));
        EXPECT_THAT(starts({.attributes = {{"ok", "true"}, {"ratio", "0.5"}}}), ElementsAre(300));
        EXPECT_THAT(starts({.attributes = {{"code", "405"}}}), IsEmpty());
        EXPECT_THAT(starts({.attributes = {{"service.name", "pay"}}}), ElementsAre(300));
    }
}

TEST_F(Database, a_visit_stops_when_told_and_reports_progress) {
    for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(commit_numbered(*writer_, i).ok());
    auto reader = open_reader(dir_.db());
    int seen = 0;
    ASSERT_TRUE(reader->visit({}, [&](const codec::Span&) { return ++seen < 2; }).ok());
    EXPECT_EQ(seen, 2);
    std::uint64_t done = 0;
    std::uint64_t total = 1;
    ASSERT_TRUE(reader
                    ->visit(
                        {}, [](const codec::Span&) { return true; },
                        [&](std::uint64_t d, std::uint64_t t) {
                            EXPECT_GE(d, done);
                            done = d;
                            total = t;
                        })
                    .ok());
    EXPECT_EQ(done, total);
    EXPECT_GT(total, 0u);
}

TEST_F(Database, a_trace_is_found_by_its_native_id_and_by_foreign_bytes) {
    const TraceId native =
        derive_trace_id(instance().host_key, instance().id.number(), SpanKey::of(0, 1));
    codec::Span imported;
    imported.trace_id = native;
    imported.span_id.bytes[0] = 9;
    imported.parent_id.bytes[0] = 8;
    imported.name = "elsewhere";
    imported.start_ns = 1;
    imported.duration_ns = 2;
    imported.resource = std::make_shared<codec::Attributes>();
    codec::Batch batch;
    batch.add(imported);
    Frame frame = frame_of({{NativeRow{.ordinal = 1, .name = "root", .start_ns = 10},
                             NativeRow{.ordinal = 2, .name = "child", .start_ns = 20, .root = 1},
                             NativeRow{.ordinal = 3, .name = "other", .start_ns = 30}},
                            {},
                            true});
    frame.batches.push_back(*codec::encode(batch));
    ASSERT_TRUE(writer_->commit(std::move(frame), {4, 1, 30}).ok());
    for (const bool indexed : {false, true}) {
        if (indexed) {
            ASSERT_TRUE(writer_->index_now().ok());
        }
        auto reader = open_reader(dir_.db());
        auto spans = reader->trace(native);
        ASSERT_TRUE(spans.ok());
        std::vector<std::string> names;
        for (const auto& span : *spans) names.push_back(span.name);
        EXPECT_THAT(names, ElementsAre("elsewhere", "root", "child"));
        EXPECT_THAT(visible_names(*reader, {.trace_id = native}),
                    UnorderedElementsAre("elsewhere", "root", "child"));
        TraceId unknown = native;
        unknown.bytes[3] ^= 1;
        auto missing = reader->trace(unknown);
        ASSERT_FALSE(missing.ok());
        EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
        EXPECT_THAT(missing.error().message, HasSubstr(to_hex(unknown)));
    }
}

TEST_F(Database, traces_are_newest_first_with_summaries_over_the_whole_trace) {
    for (std::uint64_t trace = 1; trace <= 4; ++trace) {
        const auto at = static_cast<std::int64_t>(trace * 1000);
        const std::uint64_t root = trace * 10;
        commit({{NativeRow{.ordinal = root,
                           .name = "root" + std::to_string(trace),
                           .service = "web",
                           .start_ns = at,
                           .duration_ns = 100},
                 NativeRow{.ordinal = root + 1,
                           .name = "leaf",
                           .service = "db",
                           .start_ns = at + 10,
                           .duration_ns = 300,
                           .root = root,
                           .status = codec::StatusCode::kError}},
                {},
                false});
        // Each in an extent of its own, so that the order of the visit matters.
        if (trace != 4) {
            ASSERT_TRUE(writer_->index_now().ok());
        }
    }
    auto reader = open_reader(dir_.db());
    auto traces = reader->traces(SpanFilter{.service = "db"}, 2);
    ASSERT_TRUE(traces.ok());
    ASSERT_EQ(traces->size(), 2u);
    const TraceSummary& newest = traces->front();
    EXPECT_EQ(newest.root_operation, "root4");
    EXPECT_EQ(newest.root_service, "web");
    EXPECT_EQ(newest.start_ns, 4000);
    EXPECT_EQ(newest.duration_ns, 310);
    EXPECT_EQ(newest.span_count, 2u);
    EXPECT_EQ(newest.error_count, 1u);
    EXPECT_THAT(newest.services, ElementsAre("db", "web"));
    EXPECT_EQ((*traces)[1].root_operation, "root3");
    EXPECT_EQ(reader->traces({}, 100)->size(), 4u);
    EXPECT_THAT(*reader->traces(SpanFilter{.service = "nobody"}, 100), IsEmpty());
    EXPECT_THAT(*reader->traces({}, 0), IsEmpty());
}

TEST_F(Database, services_and_operations_are_counted_whether_indexed_or_not) {
    commit({{NativeRow{.ordinal = 1, .name = "get", .service = "cart"}}, {}, false});
    ASSERT_TRUE(writer_->index_now().ok());
    auto reader = open_reader(dir_.db());
    commit(
        {{NativeRow{
              .ordinal = 2, .name = "get", .service = "cart", .status = codec::StatusCode::kError},
          NativeRow{.ordinal = 3, .name = "pay", .service = "bank"}},
         {NativeRow{.ordinal = 4, .service = "late", .flags = 0}},
         false});
    ASSERT_TRUE(reader->refresh().ok());
    EXPECT_THAT(*reader->services(), ElementsAre("bank", "cart", "late"));
    auto operations = reader->operations("cart");
    ASSERT_EQ(operations->size(), 1u);
    EXPECT_EQ(operations->front().operation, "get");
    EXPECT_EQ(operations->front().count, 2u);
    EXPECT_EQ(operations->front().error_count, 1u);
    ASSERT_TRUE(writer_->index_now().ok());
    EXPECT_EQ(reader->operations("cart")->front().count, 2u) << "moved into the catalogue since";
    EXPECT_EQ(reader->operations(std::nullopt)->size(), 2u);
}

TEST_F(Database, facts_that_come_with_a_frame_stand_for_its_batches) {
    const auto batch_of = [](const std::vector<NativeRow>& rows) {
        codec::Batch batch;
        for (const NativeRow& row : rows) add_row(batch, row);
        return batch;
    };
    const FrameSpec spec{{NativeRow{.ordinal = 1, .name = "get", .service = "cart"}}, {}, true};
    const auto told = batch_of(
        {{.ordinal = 1, .name = "told", .service = "a"},
         {.ordinal = 2, .name = "told", .service = "a", .status = codec::StatusCode::kError},
         {.ordinal = 3, .name = "told", .service = "b"}});
    ASSERT_TRUE(writer_->commit(frame_of(spec), summary_of(spec), {facts_of(told)}).ok());
    // Not one of each batch: they are none of this frame's.
    const FrameSpec more{{NativeRow{.ordinal = 4, .name = "pay", .service = "bank"}}, {}, false};
    ASSERT_TRUE(
        writer_->commit(frame_of(more), summary_of(more), {facts_of(told), facts_of(told)}).ok());
    ASSERT_TRUE(writer_->index_now().ok());
    auto reader = open_reader(dir_.db());
    EXPECT_THAT(*reader->services(), ElementsAre("a", "b", "bank"));
    const auto operations = reader->operations("a");
    ASSERT_EQ(operations->size(), 1u);
    EXPECT_EQ(operations->front().operation, "told");
    EXPECT_EQ(operations->front().count, 2u);
    EXPECT_EQ(operations->front().error_count, 1u);
    EXPECT_EQ(reader->operations(std::nullopt)->size(), 3u);
}

TEST_F(Database, losses_are_the_latest_totals_of_each_stream) {
    const auto lose = [&](std::uint32_t stream, std::uint64_t spans, bool ended) {
        Frame frame;
        frame.snapshot = writer_->wants_snapshot();
        InstanceDelta delta;
        delta.id = instance().id;
        delta.pid = 7;
        delta.process_name = "shop";
        delta.ended = ended;
        StreamLosses losses;
        losses.stream = stream;
        losses.spans[0] = spans;
        losses.ends[1] = 1;
        losses.details[3] = 2;
        delta.losses.push_back(losses);
        frame.instances.push_back(delta);
        ASSERT_TRUE(writer_->commit(std::move(frame), {}).ok());
    };
    lose(1, 5, false);
    lose(2, 10, false);
    ASSERT_TRUE(writer_->index_now().ok());
    auto reader = open_reader(dir_.db());
    lose(1, 6, true);
    for (const bool indexed : {false, true}) {
        if (indexed) {
            ASSERT_TRUE(writer_->index_now().ok());
        }
        auto stats = reader->stats();
        ASSERT_TRUE(stats.ok());
        ASSERT_EQ(stats->losses.size(), 1u);
        EXPECT_EQ(stats->losses[0].spans, 16u);
        EXPECT_EQ(stats->losses[0].ends, 2u);
        EXPECT_EQ(stats->losses[0].details, 4u);
        EXPECT_EQ(stats->losses[0].pid, 7u);
        EXPECT_EQ(stats->losses[0].process_name, "shop");
        EXPECT_TRUE(stats->losses[0].ended);
    }
}

TEST_F(Database, stats_count_spans_frames_and_bytes) {
    for (std::uint64_t i = 1; i <= 4; ++i) ASSERT_TRUE(commit_numbered(*writer_, i).ok());
    auto stats = open_reader(dir_.db())->stats();
    ASSERT_TRUE(stats.ok());
    EXPECT_EQ(stats->spans, 4u);
    EXPECT_EQ(stats->frames, 4u);
    EXPECT_EQ(stats->windows, 1u);
    EXPECT_GE(stats->bytes, read_file(files_in(dir_.db(), ".log").front()).size());
    EXPECT_GT(stats->oldest_commit_ns, 0);
    EXPECT_GE(stats->newest_commit_ns, stats->oldest_commit_ns);
}

TEST_F(Database, frames_after_a_number_are_visited_once_with_what_they_say_of_themselves) {
    for (std::uint64_t i = 1; i <= 5; ++i) {
        ASSERT_TRUE(commit_numbered(*writer_, i).ok());
        if (i == 2) {
            ASSERT_TRUE(writer_->index_now().ok());
        }
    }
    auto reader = open_reader(dir_.db());
    std::vector<std::uint64_t> numbers;
    auto last = reader->visit_frames_after(1, [&](const CommittedFrame& frame) {
        numbers.push_back(frame.number);
        EXPECT_EQ(frame.tracepoints, 2u);
        EXPECT_EQ(frame.instance_tracepoints.size(), 1u);
        EXPECT_GT(frame.committed_ns, 0);
        EXPECT_GT(frame.bytes, 0u);
        EXPECT_EQ(frame.batches.size(), 1u);
        return true;
    });
    EXPECT_THAT(numbers, ElementsAre(2, 3, 4, 5));
    EXPECT_EQ(*last, 5u);
    std::vector<std::string> names;
    auto stopped = reader->visit_after(2, [&](const codec::Span& span) {
        names.push_back(span.name);
        return names.size() < 2;
    });
    EXPECT_THAT(names, ElementsAre("f3", "f4"));
    EXPECT_EQ(*stopped, 4u);
    EXPECT_EQ(*reader->visit_after(5, [](const codec::Span&) { return true; }), 5u);
}

TEST_F(Database, open_spans_are_shown_unfinished_until_they_end) {
    const std::uint32_t append = codec::RowFlag::kAppend;
    commit({{},
            {NativeRow{
                .ordinal = 1, .name = "long", .flags = 0, .attributes = {{"a", std::int64_t{1}}}}},
            false});
    commit({{},
            {NativeRow{.ordinal = 1,
                       .name = "long",
                       .flags = append,
                       .attributes = {{"b", std::string("two")}}}},
            false});
    auto reader = open_reader(dir_.db());
    std::vector<codec::Span> seen;
    const auto look = [&] {
        seen.clear();
        ASSERT_TRUE(reader->refresh().ok());
        ASSERT_TRUE(reader
                        ->visit({},
                                [&](const codec::Span& span) {
                                    seen.push_back(span);
                                    return true;
                                })
                        .ok());
    };
    look();
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_TRUE(seen[0].unfinished);
    ASSERT_EQ(seen[0].attributes.size(), 2u);
    EXPECT_EQ(seen[0].attributes[0].first, "a");
    EXPECT_EQ(seen[0].attributes[1], (std::pair<std::string, codec::Value>{"b", "two"}));
    EXPECT_EQ(reader->trace(seen[0].trace_id)->size(), 1u);
    EXPECT_EQ(reader->traces({}, 5)->size(), 1u);
    commit({{NativeRow{.ordinal = 1, .name = "long"}}, {}, false});
    look();
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_FALSE(seen[0].unfinished);
}

TEST(Reader, says_what_to_do_when_there_is_no_database) {
    TempDir dir;
    auto missing = Reader::open(dir.db());
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
    EXPECT_EQ(missing.error().message,
              "no trace database at " + dir.db() + "; start one with `spanring up`");
    EXPECT_EQ(Reader::open(dir.path()).error().code, ErrorCode::kNotFound) << "an empty folder";
}

TEST(Reader, refuses_a_database_of_another_format) {
    TempDir dir;
    write_file(dir.path() + "/uuid", "spanring-database 2 0123456789abcdef0123456789abcdef\n");
    auto refused = Reader::open(dir.path());
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::kVersion);
    EXPECT_THAT(refused.error().message, HasSubstr("format 2"));
    write_file(dir.path() + "/uuid", "something else");
    EXPECT_EQ(Reader::open(dir.path()).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace spanring::store::testing
