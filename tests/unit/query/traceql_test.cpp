// TraceQL: what queries mean, where faults are pointed at, and that what is written reads the same.
#include "spanring/query/traceql.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "any_condition.hpp"

namespace spanring::query {
namespace {

using store::Condition;
using store::Field;
using store::Operator;
using store::Property;
using store::Scope;

Query parsed(std::string_view text) {
    Fault fault;
    auto query = parse(text, &fault);
    EXPECT_TRUE(query.has_value()) << text << "\n" << fault.picture(text) << "\n" << fault.line();
    return query.value_or(Query{});
}

Condition condition(std::string_view text) {
    return parsed(text).spans.condition;
}

Field attribute(Scope scope, const char* key) {
    return {Property::kAttribute, scope, key};
}

TEST(TraceQl, an_empty_spanset_is_every_span) {
    EXPECT_EQ(condition("{}"), Condition{});
    EXPECT_EQ(condition(" {\n} "), Condition{});
    EXPECT_EQ(condition("{ true }"), Condition{});
}

TEST(TraceQl, compares_what_every_span_has) {
    EXPECT_EQ(condition("{ name = \"GET /cart\" }"),
              Condition::compare(Property::kName, Operator::kEqual, "GET /cart"));
    EXPECT_EQ(condition("{ duration > 5ms }"),
              Condition::compare(Property::kDuration, Operator::kMore, std::int64_t{5'000'000}));
    EXPECT_EQ(condition("{ status = error }"),
              Condition::compare(Property::kStatus, Operator::kEqual, std::int64_t{2}));
    EXPECT_EQ(condition("{ kind != server }"),
              Condition::compare(Property::kKind, Operator::kUnequal, std::int64_t{2}));
    EXPECT_EQ(condition("{ resource.service.name = \"cart\" }"),
              Condition::compare(Property::kService, Operator::kEqual, "cart"));
    EXPECT_EQ(condition("{ span:duration>=1h30m }"),
              Condition::compare(Property::kDuration, Operator::kAtLeast,
                                 std::int64_t{5'400'000'000'000}));
}

TEST(TraceQl, compares_attributes_of_every_scope_and_type) {
    EXPECT_EQ(condition("{ .http.status_code = 500 }"),
              Condition::compare(attribute(Scope::kAny, "http.status_code"), Operator::kEqual,
                                 std::int64_t{500}));
    EXPECT_EQ(condition("{ span.ratio < 0.5 }"),
              Condition::compare(attribute(Scope::kSpan, "ratio"), Operator::kLess, 0.5));
    EXPECT_EQ(
        condition("{ resource.\"my key\" =~ `a.*\\d` }"),
        Condition::compare(attribute(Scope::kResource, "my key"), Operator::kMatches, "a.*\\d"));
    EXPECT_EQ(condition("{ event.retry = true }"),
              Condition::compare(attribute(Scope::kEvent, "retry"), Operator::kEqual, true));
    EXPECT_EQ(condition("{ .cached }"),
              Condition::compare(attribute(Scope::kAny, "cached"), Operator::kEqual, true));
    EXPECT_EQ(condition("{ .user != nil }"),
              Condition::compare(attribute(Scope::kAny, "user"), Operator::kExists, {}));
    EXPECT_EQ(condition("{ .user = nil }"),
              Condition::negation(
                  Condition::compare(attribute(Scope::kAny, "user"), Operator::kExists, {})));
}

TEST(TraceQl, a_value_may_stand_first) {
    EXPECT_EQ(condition("{ 5ms < duration }"), condition("{ duration > 5ms }"));
    EXPECT_EQ(condition("{ error = status }"), condition("{ status = error }"));
    EXPECT_EQ(condition("{ true = .ok }"), condition("{ .ok = true }"));
}

TEST(TraceQl, and_binds_stronger_than_or_and_brackets_decide) {
    const auto a =
        Condition::compare(attribute(Scope::kAny, "a"), Operator::kEqual, std::int64_t{1});
    const auto b =
        Condition::compare(attribute(Scope::kAny, "b"), Operator::kEqual, std::int64_t{1});
    const auto c =
        Condition::compare(attribute(Scope::kAny, "c"), Operator::kEqual, std::int64_t{1});
    EXPECT_EQ(condition("{ .a = 1 || .b = 1 && .c = 1 }"),
              Condition::any_of({a, Condition::all_of({b, c})}));
    EXPECT_EQ(condition("{ (.a = 1 || .b = 1) && !(.c = 1) }"),
              Condition::all_of({Condition::any_of({a, b}), Condition::negation(c)}));
}

TEST(TraceQl, spansets_and_stages) {
    const Query query = parsed(
        "({ .a = 1 } || { .b = 2 }) && { status = error } | by(name) | count() > 2 | avg(duration) "
        "<= 1s | select(.user, resource.zone)");
    ASSERT_EQ(query.spans.kind, Spanset::Kind::kBoth);
    ASSERT_EQ(query.spans.children.size(), 2u);
    EXPECT_EQ(query.spans.children[0].kind, Spanset::Kind::kEither);
    EXPECT_EQ(query.group_by, Field{Property::kName});
    ASSERT_EQ(query.filters.size(), 2u);
    EXPECT_EQ(query.filters[1], (AggregateFilter{Aggregate::kAvg, Field{Property::kDuration},
                                                 Operator::kAtMost, 1e9}));
    EXPECT_EQ(query.select, (std::vector<Field>{attribute(Scope::kAny, "user"),
                                                attribute(Scope::kResource, "zone")}));
}

TEST(TraceQl, functions_over_time) {
    EXPECT_EQ(
        parsed("{} | rate() by(resource.service.name, name)").series,
        (Series{
            SeriesFunction::kRate, {}, {}, {Field{Property::kService}, Field{Property::kName}}}));
    EXPECT_EQ(parsed("{} | quantile_over_time(duration, .5, .99)").series,
              (Series{SeriesFunction::kQuantile, Field{Property::kDuration}, {0.5, 0.99}, {}}));
}

struct Bad {
    const char* text;
    std::size_t column;
    const char* says;
};

TEST(TraceQl, a_fault_says_what_and_points_at_the_column) {
    for (const Bad& bad : {
             Bad{"", 1, "begins with '{'"},
             Bad{"{", 2, "a value was expected"},
             Bad{"{ name = }", 10, "a value was expected"},
             Bad{"{ name = cart }", 10, "between quotes"},
             Bad{"{ name == \"a\" }", 8, "equal is '='"},
             Bad{"{ nme = \"a\" }", 3, "there is no field 'nme'"},
             Bad{"{ foo.bar = 1 }", 3, "there is no scope 'foo'"},
             Bad{"{ status = failed }", 12, "between quotes"},
             Bad{"{ status = 2 }", 12, "one of unset ok error"},
             Bad{"{ status > error }", 12, "no order"},
             Bad{"{ duration > 5 parsecs }", 16, "'}' was expected"},
             Bad{"{ duration > 5parsecs }", 15, "unknown unit"},
             Bad{"{ duration =~ \"5\" }", 15, "no text"},
             Bad{"{ name =~ \"(\" }", 11, "regular expression"},
             Bad{"{ name = \"a }", 10, "no closing"},
             Bad{"{ . = 1 }", 4, "name of an attribute is missing"},
             Bad{"{ .a = 99999999999999999999 }", 8, "64 bits"},
             Bad{"{ } }", 5, "'|', '&&', '||' or the end"},
             Bad{"{ } | speed()", 7, "no stage 'speed'"},
             Bad{"{ } | count() > \"a\"", 17, "a number was expected"},
             Bad{"{ } | quantile_over_time(duration, 2)", 36, "from 0 to 1"},
             Bad{"{ } | rate() | count() > 1", 16, "nothing may follow"},
             Bad{"{ duration > 4000000h }", 14, "292 years"},
             Bad{"{ .a = 1 \x01 }", 10, "byte 0x01"},
         }) {
        Fault fault;
        EXPECT_FALSE(parse(bad.text, &fault).has_value()) << bad.text;
        EXPECT_EQ(fault.column, bad.column) << bad.text << ": " << fault.line();
        EXPECT_NE(fault.what.find(bad.says), std::string::npos) << bad.text << ": " << fault.line();
    }
}

TEST(TraceQl, the_picture_marks_the_column_by_characters) {
    const std::string query =
        "{ .gr\xc3\xb6\xc3\x9f"
        "e = }";
    Fault fault;
    ASSERT_FALSE(parse(query, &fault));
    EXPECT_EQ(fault.picture(query), query + "\n" + std::string(11, ' ') + "^");
}

TEST(TraceQl, depth_and_length_are_bounded) {
    Fault fault;
    const std::string deep =
        "{ " + std::string(5000, '(') + " .a = 1" + std::string(5000, ')') + " }";
    EXPECT_FALSE(parse(deep, &fault));
    EXPECT_NE(fault.what.find("nested deeper"), std::string::npos);
    EXPECT_FALSE(parse("{ .a = \"" + std::string(70'000, 'x') + "\" }", &fault));
    EXPECT_NE(fault.what.find("64 KiB"), std::string::npos);
}

TEST(TraceQlProperties, what_is_written_reads_the_same) {
    EXPECT_TRUE(rc::check("condition -> text -> condition", [] {
        Query query;
        query.spans.condition = store::test::any_condition();
        const std::string text = to_string(query);
        Fault fault;
        const auto read = parse(text, &fault);
        RC_ASSERT(read.has_value());
        // Brackets may have gone, and what stands between them, but not the meaning.
        RC_ASSERT(to_string(*read) == text);
    }));
}

TEST(TraceQlProperties, any_text_is_a_query_or_a_fault_inside_it) {
    EXPECT_TRUE(rc::check("text -> query or fault", [] {
        std::string text;
        for (const auto& part : codec::test::several(20, [] {
                 return *rc::gen::oneOf(rc::gen::element<std::string>(
                                            "{", "}", "(", ")", "&&", "||", "|", "!", "=", "name",
                                            ".a", "1", "5ms", "\"x\"", "nil", "count", "by", ","),
                                        rc::gen::arbitrary<std::string>());
             }))
            text += part + " ";
        Fault fault;
        if (const auto query = parse(text, &fault)) return;
        RC_ASSERT(fault.column >= 1 && fault.column <= text.size() + 1);
        RC_ASSERT(!fault.what.empty());
    }));
}

}  // namespace
}  // namespace spanring::query
