// Searches over whole traces: page by page they are what plain code finds that looks at all traces;
// series count what plain code counts.
#include "spanring/query/search.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "any_condition.hpp"
#include "any_span.hpp"
#include "database_of.hpp"
#include "spanring/codec/jsonl.hpp"
#include "spanring/query/field_value.hpp"
#include "spanring/query/series.hpp"

namespace spanring::query {
namespace {

using codec::Span;
using store::Condition;
using store::Operator;
using store::Property;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Order = SearchOptions::Order;

constexpr std::int64_t kMs = 1'000'000;

Query query_of(std::string_view text) {
    Fault fault;
    auto query = parse(text, &fault);
    EXPECT_TRUE(query.has_value()) << fault.picture(text) << fault.line();
    return query.value_or(Query{});
}

struct Attribute {
    const char* key;
    std::int64_t value;
};

/// A span of trace `trace` (1 to 9): its number is its place.
Span span_of(int trace, int number, int parent, const char* service, const char* name,
             std::int64_t start_ms, std::int64_t duration_ms, std::vector<Attribute> attributes) {
    Span span;
    span.trace_id.bytes[15] = static_cast<std::uint8_t>(trace);
    span.trace_id.bytes[0] = 7;
    span.span_id.bytes[7] = static_cast<std::uint8_t>(number);
    span.parent_id.bytes[7] = static_cast<std::uint8_t>(parent);
    span.name = name;
    span.start_ns = start_ms * kMs;
    span.duration_ns = duration_ms * kMs;
    for (const Attribute& one : attributes) span.attributes.emplace_back(one.key, one.value);
    span.resource = std::make_shared<const codec::Attributes>(
        codec::Attributes{{"service.name", std::string(service)}});
    return span;
}

/// Three traces, begun at 100, 200 and 300 ms.
std::vector<Span> three_traces() {
    return {span_of(1, 1, 0, "web", "GET /", 100, 50, {{"code", 200}}),
            span_of(1, 2, 1, "cart", "add", 110, 20, {{"items", 1}}),
            span_of(1, 3, 1, "cart", "add", 120, 30, {{"items", 3}}),
            span_of(2, 4, 0, "web", "GET /", 200, 10, {{"code", 500}}),
            span_of(2, 5, 4, "db", "select", 205, 4, {}),
            span_of(3, 6, 0, "job", "sweep", 300, 500, {}),
            span_of(3, 7, 6, "db", "select", 310, 400, {})};
}

class Search : public testing::Test {
protected:
    void SetUp() override {
        test::make_database(folder.db(), three_traces(), 3);
        auto opened = store::Reader::open(folder.db());
        ASSERT_TRUE(opened.ok());
        reader = std::move(*opened);
    }
    /// The last digits of the traces' ids, in the order in which they are found.
    std::string traces(std::string_view query, Order order = Order::kNewest) {
        SearchOptions options;
        options.order = order;
        const auto found = search(*reader, query_of(query), options);
        EXPECT_TRUE(found.ok()) << found.error().message;
        std::string ids;
        for (const FoundTrace& trace : found->traces)
            ids += std::to_string(trace.summary.trace_id.bytes[15]);
        return ids;
    }
    std::string refusal(std::string_view query, const SearchOptions& options = {}) {
        const auto found = search(*reader, query_of(query), options);
        EXPECT_FALSE(found.ok());
        return found ? "" : found.error().message;
    }

    store::testing::TempDir folder;
    std::unique_ptr<store::Reader> reader;
};

TEST_F(Search, newest_or_slowest_first) {
    EXPECT_EQ(traces("{}"), "321");
    EXPECT_EQ(traces("{}", Order::kSlowest), "312");
    EXPECT_EQ(traces("{ resource.service.name = \"db\" }"), "32");
    EXPECT_EQ(traces("{ name = \"GET /\" }", Order::kSlowest), "12");
}

TEST_F(Search, of_one_and_another) {
    EXPECT_EQ(traces("{ name = \"GET /\" } && { name = \"select\" }"), "2");
    EXPECT_EQ(traces("{ name = \"sweep\" } || { .items = 3 }"), "31");
    EXPECT_EQ(traces("({ name = \"sweep\" } || { name = \"GET /\" }) && { name = \"select\" }"),
              "32");
    EXPECT_EQ(traces("{ name = \"none\" } && {}"), "");
}

TEST_F(Search, by_what_the_whole_trace_has) {
    EXPECT_EQ(traces("{ traceDuration > 40ms }"), "31");
    EXPECT_EQ(traces("{ rootName = \"GET /\" && name = \"select\" }"), "2");
    EXPECT_EQ(traces("{ rootServiceName = \"job\" || .items = 1 }"), "31");
    EXPECT_EQ(traces("{ !(rootServiceName = \"job\") && name =~ \"sel.*\" }"), "2");
    EXPECT_EQ(traces("{ rootName =~ \"GET.*\" && traceDuration < 40ms }"), "2");
    EXPECT_EQ(traces("{ traceDuration < 1ms }"), "");
}

TEST_F(Search, with_aggregates) {
    EXPECT_EQ(traces("{ name = \"add\" } | count() = 2"), "1");
    EXPECT_EQ(traces("{} | count() > 2"), "1");
    EXPECT_EQ(traces("{} | avg(duration) > 100ms"), "3");
    EXPECT_EQ(traces("{} | max(.items) >= 3"), "1");
    EXPECT_EQ(traces("{} | sum(.items) = 4 | count() = 3"), "1");
    EXPECT_EQ(traces("{} | min(duration) < 5ms"), "2");
    EXPECT_EQ(traces("{} | by(resource.service.name) | count() >= 2"), "1");
}

TEST_F(Search, shows_which_spans_and_groups) {
    SearchOptions options;
    options.spans_per_set = 1;
    const auto found =
        search(*reader, query_of("{ traceDuration < 100ms } | by(resource.service.name)"), options);
    ASSERT_TRUE(found.ok());
    ASSERT_EQ(found->traces.size(), 2u);
    const auto& sets = found->traces[1].sets;
    ASSERT_EQ(sets.size(), 2u);
    EXPECT_EQ(sets[0].group, "cart");
    EXPECT_EQ(sets[0].matched, 2u);
    EXPECT_EQ(sets[0].spans.size(), 1u);
    EXPECT_EQ(sets[1].group, "web");
}

TEST_F(Search, refuses_what_it_cannot_answer) {
    EXPECT_THAT(refusal("{} | rate()"), HasSubstr("series"));
    SearchOptions options;
    options.cursor = "12-nonsense";
    EXPECT_THAT(refusal("{}", options), HasSubstr("cursor"));
}

TEST_F(Search, a_budget_of_nothing_finds_part) {
    SearchOptions options;
    options.budget = std::chrono::milliseconds(-1);
    const auto found = search(*reader, {}, options);
    ASSERT_TRUE(found.ok());
    EXPECT_TRUE(found->partial);
    EXPECT_FALSE(found->next);
}

TEST_F(Search, series_have_a_point_for_each_step) {
    const TimeRange range{100 * kMs, 400 * kMs, 100 * kMs};
    const auto points = [&](const char* query) {
        const auto answer = series_of(*reader, query_of(query), range);
        EXPECT_TRUE(answer.ok()) << answer.error().message;
        std::vector<std::string> lines;
        for (const TimeSeries& one : answer->series) {
            std::string line;
            for (const auto& [label, value] : one.labels) line += label + "=" + value + " ";
            for (const auto& point : one.points)
                line += (point ? codec::text_of(codec::Value(*point)) : "-") + ",";
            lines.push_back(line);
        }
        return lines;
    };
    EXPECT_THAT(points("{} | count_over_time()"), ElementsAre("3,2,2,"));
    EXPECT_THAT(points("{} | rate()"), ElementsAre("30,20,20,"));
    EXPECT_THAT(
        points("{} | count_over_time() by(resource.service.name)"),
        ElementsAre("resource.service.name=cart 2,0,0,", "resource.service.name=db 0,1,1,",
                    "resource.service.name=job 0,0,1,", "resource.service.name=web 1,1,0,"));
    EXPECT_THAT(points("{} | max_over_time(.items)"), ElementsAre("3,-,-,"));
    EXPECT_THAT(points("{} | sum_over_time(duration)"), ElementsAre("0.1,0.014,0.9,"));
    EXPECT_THAT(points("{ name = \"GET /\" } | quantile_over_time(duration, 1)"),
                ElementsAre("p=1 0.05,0.01,-,"));
    EXPECT_THAT(points("{ name = \"add\" } | count_over_time() by(.items)"),
                ElementsAre(".items=1 1,0,0,", ".items=3 1,0,0,"));
    EXPECT_THAT(points("{ name = \"none\" } | rate()"), IsEmpty());
}

TEST_F(Search, series_of_too_much_are_refused) {
    const auto refused = [&](const char* query, const TimeRange& range) {
        const auto answer = series_of(*reader, query_of(query), range);
        EXPECT_FALSE(answer.ok());
        return answer ? "" : answer.error().message;
    };
    EXPECT_THAT(refused("{} | rate()", {0, 400 * kMs, 1}), HasSubstr("steps"));
    EXPECT_THAT(refused("{} | rate()", {5, 5, 1}), HasSubstr("empty"));
    EXPECT_THAT(refused("{}", {0, 400 * kMs, kMs}), HasSubstr("traces"));
    EXPECT_THAT(refused("{} && {} | rate()", {0, 400 * kMs, kMs}), HasSubstr("one '{ ... }'"));
    EXPECT_THAT(refused("{} | rate() by(duration)", {0, 400 * kMs, kMs}), HasSubstr("duration"));
}

// ---- against plain code

Condition any_trace_condition() {
    switch (*rc::gen::inRange(0, 6)) {
        case 0:
            return Condition::compare(Property::kRootName, Operator::kEqual, codec::test::word());
        case 1:
            return Condition::compare(Property::kTraceDuration, Operator::kMore,
                                      codec::test::number());
        case 2: return Condition::negation(any_trace_condition());
        case 3: return Condition::any_of({any_trace_condition(), store::test::any_condition(1)});
        case 4: return Condition::all_of({any_trace_condition(), store::test::any_condition(1)});
        default: return store::test::any_condition(2);
    }
}

Spanset any_spanset(int depth = 2) {
    Spanset set;
    if (depth == 0 || *rc::gen::inRange(0, 3) != 0) {
        set.condition = any_trace_condition();
        return set;
    }
    set.kind = *rc::gen::element(Spanset::Kind::kBoth, Spanset::Kind::kEither);
    for (int n = *rc::gen::inRange(1, 4); n-- > 0;) set.children.push_back(any_spanset(depth - 1));
    return set;
}

using Traces = std::map<TraceId, std::vector<Span>>;

Traces by_trace(store::Reader& reader) {
    Traces traces;
    EXPECT_TRUE(reader
                    .visit({},
                           [&](const Span& span) {
                               traces[span.trace_id].push_back(span);
                               return true;
                           })
                    .ok());
    for (auto& [id, spans] : traces)
        std::ranges::stable_sort(spans, {}, [](const Span& span) {
            return span.start_ns.value_or(std::numeric_limits<std::int64_t>::min());
        });
    return traces;
}

std::set<TraceId> found_by_plain_code(const Traces& traces, const Query& query) {
    std::set<TraceId> found;
    for (const auto& [id, spans] : traces)
        if (!spansets_of(spans, query)->empty()) found.insert(id);
    return found;
}

/// All pages, one after the other.
std::vector<TraceId> pages(store::Reader& reader, const Query& query, SearchOptions options) {
    std::vector<TraceId> all;
    for (;;) {
        const auto page = search(reader, query, options);
        RC_ASSERT(page.ok());
        RC_ASSERT(!page->partial);
        RC_ASSERT(page->traces.size() <= options.limit);
        for (const FoundTrace& trace : page->traces) all.push_back(trace.summary.trace_id);
        if (!page->next) return all;
        RC_ASSERT(page->traces.size() == options.limit);
        options.cursor = page->next;
    }
}

TEST(SearchPages, are_one_answer_cut) {
    codec::test::check("pages of a search = plain code over all traces", [] {
        const auto spans = *rc::gen::container<std::vector<Span>>(
            rc::gen::exec([] { return codec::test::any_span(); }));
        const store::testing::TempDir folder;
        test::make_database(folder.db(), spans, *rc::gen::inRange<std::size_t>(5, 40));
        auto reader = store::Reader::open(folder.db());
        RC_ASSERT(reader.ok());
        const Traces traces = by_trace(**reader);
        for (int i = 0; i < 5; ++i) {
            Query query;
            query.spans = any_spanset();
            if (*rc::gen::inRange(0, 3) == 0)
                query.filters.push_back({Aggregate::kCount,
                                         {},
                                         Operator::kMore,
                                         static_cast<double>(*rc::gen::inRange(0, 3))});
            SearchOptions options;
            options.limit = *rc::gen::inRange<std::size_t>(1, 6);
            auto wanted = found_by_plain_code(traces, query);
            auto found = pages(**reader, query, options);
            RC_ASSERT(std::set<TraceId>(found.begin(), found.end()) == wanted);
            RC_ASSERT(found.size() == wanted.size());
            options.limit = 1000;
            RC_ASSERT(pages(**reader, query, options) == found);
        }
    });
}

TEST(SearchPages, slowest_first_are_in_order) {
    codec::test::check("slowest first = plain code, sorted", [] {
        const auto spans = *rc::gen::container<std::vector<Span>>(
            rc::gen::exec([] { return codec::test::any_span(); }));
        const store::testing::TempDir folder;
        test::make_database(folder.db(), spans, *rc::gen::inRange<std::size_t>(5, 40));
        auto reader = store::Reader::open(folder.db());
        RC_ASSERT(reader.ok());
        const Condition condition = store::test::any_condition(1);
        const auto matcher = store::Matcher::make(condition);
        std::vector<std::pair<std::int64_t, TraceId>> ranks;
        for (const auto& [id, of_trace] : by_trace(**reader)) {
            std::optional<std::int64_t> longest;
            for (const Span& span : of_trace)
                if (matcher->matches(span)) longest = std::max(longest, span.duration_ns);
            if (longest) ranks.emplace_back(*longest, id);
        }
        std::ranges::sort(ranks, std::greater());
        std::vector<TraceId> wanted;
        for (const auto& [rank, id] : ranks) wanted.push_back(id);
        Query query;
        query.spans.condition = condition;
        SearchOptions options;
        options.order = Order::kSlowest;
        options.limit = *rc::gen::inRange<std::size_t>(1, 6);
        RC_ASSERT(pages(**reader, query, options) == wanted);
    });
}

}  // namespace
}  // namespace spanring::query
