// What the catalogue sums up is what plain code counts, before windows are compacted and after.
#include "spanring/store/digest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "any_span.hpp"
#include "digest_builder.hpp"
#include "spanring/codec/batch.hpp"
#include "spanring/store/database.hpp"
#include "support.hpp"

namespace spanring::store {
namespace {

using codec::Span;
using ::testing::ElementsAre;
using ::testing::Pair;

constexpr std::int64_t kEver = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kAlways = std::numeric_limits<std::int64_t>::min();

TEST(DurationCounts, are_within_six_percent) {
    DurationCounts counts;
    for (std::int64_t i = 1; i <= 1000; ++i) counts.add(i * 1000);
    EXPECT_EQ(counts.count(), 1000u);
    EXPECT_EQ(counts.sum_ns(), 500'500'000u);
    for (const double fraction : {0.01, 0.5, 0.9, 0.99, 1.0}) {
        const double exact = fraction * 1'000'000;
        EXPECT_NEAR(static_cast<double>(counts.percentile(fraction)), exact, 0.0625 * exact);
    }
    EXPECT_EQ(DurationCounts().percentile(0.5), 0);
}

TEST(DurationCounts, come_back_from_their_bytes) {
    codec::test::check("decode(encode(x)) = x", [] {
        DurationCounts counts;
        DurationCounts twice;
        for (int n = *rc::gen::inRange(0, 50); n-- > 0;) {
            const auto ns = std::max<std::int64_t>(codec::test::number(), 0);
            counts.add(ns, 2);
            twice.add(ns);
        }
        twice.add(DurationCounts(twice));
        const auto back = DurationCounts::decode(counts.encode());
        RC_ASSERT(back.ok());
        RC_ASSERT(*back == counts);
        RC_ASSERT(twice.buckets() == counts.buckets());
    });
    EXPECT_FALSE(DurationCounts::decode(std::as_bytes(std::span("\xff\xff", 2))).ok());
    EXPECT_FALSE(DurationCounts::decode(std::as_bytes(std::span("\1\xff\x7f\1", 4))).ok());
}

TEST(Steps, begin_at_multiples_on_both_sides_of_1970) {
    EXPECT_EQ(step_of(0), 0);
    EXPECT_EQ(step_of(kDigestStepNs - 1), 0);
    EXPECT_EQ(step_of(kDigestStepNs), kDigestStepNs);
    EXPECT_EQ(step_of(-1), -kDigestStepNs);
    EXPECT_EQ(step_of(-kDigestStepNs), -kDigestStepNs);
    EXPECT_EQ(step_of(kAlways), kAlways);
}

/// Spans with services, some called by others; ids are their own.
std::vector<Span> any_spans() {
    std::vector<Span> spans;
    const int count = *rc::gen::inRange(1, 80);
    for (int i = 0; i < count; ++i) {
        Span span = codec::test::any_span();
        span.span_id = {};
        span.span_id.bytes[0] = static_cast<std::uint8_t>(i + 1);
        span.parent_id = {};
        if (i > 0 && *rc::gen::inRange(0, 4) != 0) {
            const auto parent = static_cast<std::size_t>(*rc::gen::inRange(0, i));
            span.parent_id = spans[parent].span_id;
            span.trace_id = spans[parent].trace_id;
            span.trace_id_64 = spans[parent].trace_id_64;
        }
        if (*rc::gen::inRange(0, 3) != 0)
            span.start_ns = *rc::gen::inRange<std::int64_t>(0, 5) * kDigestStepNs + i;
        span.resource = std::make_shared<const codec::Attributes>(codec::Attributes{
            {"service.name", *rc::gen::element<std::string>("a", "b", "c", "d")}});
        spans.push_back(std::move(span));
    }
    return spans;
}

struct Plain {
    std::uint64_t spans{0};
    std::uint64_t errors{0};
    DurationCounts durations;
    void add(const Span& span) {
        ++spans;
        errors += span.status == codec::StatusCode::kError;
        if (span.duration_ns) durations.add(*span.duration_ns);
    }
    bool operator==(const Plain&) const = default;
};
using Operations = std::map<std::tuple<std::string, std::string, int, std::int64_t>, Plain>;
using Edges = std::map<std::tuple<std::string, std::string, std::int64_t>, Plain>;

Operations operations_of(const Digest& digest) {
    Operations all;
    for (const auto& o : digest.operations)
        all[{o.service, o.operation, static_cast<int>(o.kind), o.start_ns}] = {o.spans, o.errors,
                                                                               o.durations};
    return all;
}

Edges edges_of(const Digest& digest) {
    Edges all;
    for (const auto& e : digest.edges)
        all[{e.caller, e.callee, e.start_ns}] = {e.calls, e.errors, e.durations};
    return all;
}

void expect_as_counted_by_hand(const Digest& digest, const std::vector<Span>& spans,
                               const DigestRange& range) {
    Operations operations;
    Edges edges;
    std::map<SpanId, std::string> service_of;
    for (const Span& span : spans) service_of[span.span_id] = codec::service_of(*span.resource);
    for (const Span& span : spans) {
        if (!span.start_ns || !range.holds(*span.start_ns)) continue;
        const std::string service = codec::service_of(*span.resource);
        const std::int64_t step = step_of(*span.start_ns);
        operations[{service, span.name, static_cast<int>(span.kind), step}].add(span);
        if (span.parent_id.valid() && service_of[span.parent_id] != service)
            edges[{service_of[span.parent_id], service, step}].add(span);
    }
    RC_ASSERT(operations_of(digest) == operations);
    RC_ASSERT(edges_of(digest) == edges);
}

TEST(Digest, is_what_plain_code_counts) {
    codec::test::check("digest = plain code", [] {
        const auto spans = any_spans();
        const testing::TempDir folder;
        const auto batch_spans = *rc::gen::inRange<std::size_t>(5, 40);
        WriterOptions options;
        options.background = Background::kCaller;
        auto writer = Writer::open(folder.db(), options);
        RC_ASSERT(writer.ok());
        for (std::size_t begin = 0; begin < spans.size(); begin += batch_spans) {
            codec::Batch batch;
            for (std::size_t i = begin; i < std::min(begin + batch_spans, spans.size()); ++i)
                batch.add(spans[i]);
            Frame frame;
            frame.snapshot = (*writer)->wants_snapshot();
            frame.batches.push_back(codec::encode(batch).value());
            BatchFacts facts{facts_of(batch)};
            const auto summary = summary_of(facts);
            RC_ASSERT((*writer)->commit(frame, summary, std::move(facts)).ok());
        }
        writer->reset();
        const auto look = [&](std::int64_t from, std::int64_t until) {
            auto reader = Reader::open(folder.db());
            RC_ASSERT(reader.ok());
            const auto digest = (*reader)->digest(from, until);
            RC_ASSERT(digest.ok());
            expect_as_counted_by_hand(*digest, spans, {from, until});
        };
        look(kAlways, kEver);
        look(kDigestStepNs, 3 * kDigestStepNs);
        RC_ASSERT(compact(folder.db()).ok());
        RC_ASSERT(rebuild_catalogue(folder.db()).ok());
        look(kAlways, kEver);
        look(kDigestStepNs, 3 * kDigestStepNs);
    });
}

class DigestOfFew : public ::testing::Test {
protected:
    void commit(const std::vector<Span>& spans) {
        codec::Batch batch;
        for (const Span& span : spans) batch.add(span);
        Frame frame;
        frame.snapshot = writer->wants_snapshot();
        frame.batches.push_back(codec::encode(batch).value());
        ASSERT_TRUE(writer->commit(frame, summary_of({facts_of(batch)}), {facts_of(batch)}).ok());
        ASSERT_TRUE(writer->index_now().ok());
    }
    void SetUp() override {
        WriterOptions options;
        options.background = Background::kCaller;
        auto opened = Writer::open(folder.db(), options);
        ASSERT_TRUE(opened.ok());
        writer = std::move(*opened);
    }
    std::unique_ptr<Reader> reader() {
        auto opened = Reader::open(folder.db());
        EXPECT_TRUE(opened.ok());
        return std::move(*opened);
    }

    testing::TempDir folder;
    std::unique_ptr<Writer> writer;
};

Span shop_span(codec::Attributes attributes) {
    Span span;
    span.trace_id.bytes[0] = 1;
    span.span_id.bytes[0] = 1;
    span.start_ns = 1;
    span.duration_ns = 1;
    span.attributes = std::move(attributes);
    span.resource = std::make_shared<const codec::Attributes>(
        codec::Attributes{{"service.name", std::string("shop")}});
    return span;
}

TEST_F(DigestOfFew, values_of_attributes_the_most_frequent_first) {
    commit({shop_span({{"code", std::int64_t{200}}, {"ok", true}}),
            shop_span({{"code", std::int64_t{200}}, {"region", std::string("eu")}}),
            shop_span({{"code", std::int64_t{500}}, {"region", std::string("us")}}),
            shop_span({{"region", std::string("us")}, {"list", std::vector<std::int64_t>{1}}})});
    const auto digest = reader()->digest(kAlways, kEver);
    ASSERT_TRUE(digest.ok());
    std::map<std::string, std::vector<std::pair<std::string, std::uint64_t>>> values;
    for (const AttributeSummary& one : digest->attributes) values[one.key] = one.values;
    EXPECT_THAT(values["code"], ElementsAre(Pair("200", 2), Pair("500", 1)));
    EXPECT_THAT(values["region"], ElementsAre(Pair("us", 2), Pair("eu", 1)));
    EXPECT_THAT(values["ok"], ElementsAre(Pair("true", 1)));
    EXPECT_THAT(values["service.name"], ElementsAre(Pair("shop", 4)));
    EXPECT_THAT(values["list"], ElementsAre());
}

TEST_F(DigestOfFew, delays_are_from_the_end_of_a_span_to_its_commit) {
    const std::int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                                 std::chrono::system_clock::now().time_since_epoch())
                                 .count();
    Span live = shop_span({});
    live.start_ns = now - 5'000'000'000;
    live.duration_ns = 1'000'000'000;
    commit({live});
    commit({shop_span({})});  // imported: it ended in 1970
    const auto steps = reader()->delays(kAlways, kEver);
    ASSERT_TRUE(steps.ok());
    std::uint64_t frames = 0;
    std::uint64_t spans = 0;
    std::uint64_t counted = 0;
    for (const DelayStep& step : *steps) {
        frames += step.frames;
        spans += step.spans;
        counted += step.delay_count;
        if (step.delay_count != 0) {
            EXPECT_GE(step.delay_sum_ns, 4'000'000'000u);
            EXPECT_EQ(step.delay_sum_ns, step.delay_max_ns);
        }
    }
    EXPECT_EQ(frames, 2u);
    EXPECT_EQ(spans, 2u);
    EXPECT_EQ(counted, 1u);
}

TEST_F(DigestOfFew, losses_are_counted_when_they_come) {
    const auto lose = [&](std::uint64_t spans) {
        Frame frame;
        frame.snapshot = writer->wants_snapshot();
        InstanceDelta delta;
        delta.id.bytes[0] = 9;
        StreamLosses losses{};
        losses.stream = 1;
        losses.spans[0] = spans;
        delta.losses.push_back(losses);
        frame.instances.push_back(delta);
        ASSERT_TRUE(writer->commit(frame, {}).ok());
        ASSERT_TRUE(writer->index_now().ok());
    };
    lose(5);
    lose(7);
    lose(7);
    const auto steps = reader()->delays(kAlways, kEver);
    ASSERT_TRUE(steps.ok());
    std::uint64_t lost = 0;
    for (const DelayStep& step : *steps) lost += step.lost_spans;
    EXPECT_EQ(lost, 7u);
}

}  // namespace
}  // namespace spanring::store
