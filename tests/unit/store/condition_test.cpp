// Conditions: what each comparison means, and that a batch answers column by column as its spans
// do one by one.
#include "spanring/store/condition.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <regex>

#include "any_condition.hpp"
#include "spanring/codec/batch.hpp"

namespace spanring::store {
namespace {

using codec::Span;
using codec::Value;

// --- The same by other means: as plainly as it can be said.

template <typename T>
bool ordered(Operator op, const T& a, const T& b) {
    switch (op) {
        case Operator::kEqual: return a == b;
        case Operator::kUnequal: return a != b;
        case Operator::kLess: return a < b;
        case Operator::kAtMost: return a <= b;
        case Operator::kMore: return a > b;
        case Operator::kAtLeast: return a >= b;
        default: return false;
    }
}

bool plainly(const Condition& c, const Value& value) {
    if (c.op == Operator::kExists) return true;
    if (const auto* v = std::get_if<std::vector<bool>>(&value))
        return std::any_of(v->begin(), v->end(), [&](bool b) { return plainly(c, Value(b)); });
    if (const auto* v = std::get_if<std::vector<std::int64_t>>(&value))
        return std::any_of(v->begin(), v->end(), [&](auto n) { return plainly(c, Value(n)); });
    if (const auto* v = std::get_if<std::vector<double>>(&value))
        return std::any_of(v->begin(), v->end(), [&](auto n) { return plainly(c, Value(n)); });
    if (const auto* v = std::get_if<std::vector<std::string>>(&value))
        return std::any_of(v->begin(), v->end(), [&](auto& s) { return plainly(c, Value(s)); });
    if (std::holds_alternative<codec::Bytes>(value)) return false;
    if (const auto* b = std::get_if<bool>(&value)) {
        const auto* wanted = std::get_if<bool>(&c.literal);
        return wanted != nullptr && (c.op == Operator::kEqual || c.op == Operator::kUnequal) &&
               ordered(c.op, *b, *wanted);
    }
    const auto number_of = [](const auto& variant) -> std::optional<long double> {
        // 64 bits of mantissa: both kinds of number fit exactly.
        if (const auto* n = std::get_if<std::int64_t>(&variant)) return *n;
        if (const auto* n = std::get_if<double>(&variant)) return *n;
        return std::nullopt;
    };
    if (const auto number = number_of(value)) {
        const auto wanted = number_of(c.literal);
        return wanted && ordered(c.op, *number, *wanted);
    }
    const auto* json = std::get_if<codec::Json>(&value);
    const std::string& text = json != nullptr ? json->text : std::get<std::string>(value);
    const auto* wanted = std::get_if<std::string>(&c.literal);
    if (wanted == nullptr) return false;
    if (c.op == Operator::kMatches || c.op == Operator::kMatchesNot)
        return std::regex_match(text, std::regex(*wanted, std::regex::egrep)) ==
               (c.op == Operator::kMatches);
    return ordered(c.op, text, *wanted);
}

std::vector<Value> values_of(const Field& field, const Span& span) {
    const auto last = [&](const codec::Attributes& attributes) {
        std::vector<Value> found;
        for (const auto& [key, value] : attributes)
            if (key == field.key) found.assign(1, value);
        return found;
    };
    const auto of_text = [](const std::string& text) {
        return text.empty() ? std::vector<Value>() : std::vector<Value>{text};
    };
    const auto of_number = [](const std::optional<std::int64_t>& number) {
        return number ? std::vector<Value>{*number} : std::vector<Value>();
    };
    std::vector<Value> all;
    switch (field.property) {
        case Property::kName: return {span.name};
        case Property::kKind: return {static_cast<std::int64_t>(span.kind)};
        case Property::kStatus: return {static_cast<std::int64_t>(span.status)};
        case Property::kStatusMessage: return of_text(span.status_message);
        case Property::kDuration: return of_number(span.duration_ns);
        case Property::kStart: return of_number(span.start_ns);
        case Property::kTraceId: return {to_hex(span.trace_id)};
        case Property::kSpanId: return {to_hex(span.span_id)};
        case Property::kParentId:
            return of_text(span.parent_id.valid() ? to_hex(span.parent_id) : "");
        case Property::kService: return {codec::service_of(*span.resource)};
        case Property::kScopeName: return of_text(span.scope.name);
        case Property::kScopeVersion: return of_text(span.scope.version);
        case Property::kEventName:
            for (const auto& event : span.events) all.emplace_back(event.name);
            return all;
        default: break;
    }
    switch (field.scope) {
        case Scope::kSpan: return last(span.attributes);
        case Scope::kResource: return last(*span.resource);
        case Scope::kAny: {
            auto own = last(span.attributes);
            return own.empty() ? last(*span.resource) : own;
        }
        case Scope::kEvent:
            for (const auto& event : span.events)
                for (Value& value : last(event.attributes)) all.push_back(std::move(value));
            return all;
        case Scope::kLink:
            for (const auto& link : span.links)
                for (Value& value : last(link.attributes)) all.push_back(std::move(value));
            return all;
    }
    return all;
}

bool plainly(const Condition& c, const Span& span) {
    switch (c.kind) {
        case Condition::Kind::kEvery: return true;
        case Condition::Kind::kAnd:
            return std::ranges::all_of(c.children,
                                       [&](const auto& child) { return plainly(child, span); });
        case Condition::Kind::kOr:
            return std::ranges::any_of(c.children,
                                       [&](const auto& child) { return plainly(child, span); });
        case Condition::Kind::kNot: return !plainly(c.children.front(), span);
        case Condition::Kind::kCompare: break;
    }
    Condition by_text = c;
    if (const auto* id = std::get_if<TraceId>(&c.literal)) by_text.literal = to_hex(*id);
    if (const auto* id = std::get_if<SpanId>(&c.literal)) by_text.literal = to_hex(*id);
    return std::ranges::any_of(values_of(c.field, span),
                               [&](const Value& value) { return plainly(by_text, value); });
}

TEST(ConditionProperties, a_batch_answers_as_its_spans_and_as_plain_code_do) {
    EXPECT_TRUE(rc::check("columns = spans = plain code", [] {
        codec::Batch made;
        const auto spans = codec::test::several(40, codec::test::any_span);
        for (const Span& span : spans) made.add(span);
        const auto bytes = codec::encode(made, {.small = *rc::gen::arbitrary<bool>()}).value();
        const auto condition = test::any_condition();
        const auto matcher = Matcher::make(condition);
        RC_ASSERT(matcher.ok());
        auto view = codec::BatchView::open(bytes);
        RC_ASSERT(view.ok());
        const auto rows = matcher->select(*view);
        RC_ASSERT(rows.ok());
        const codec::Batch batch = codec::decode(bytes).value();
        for (std::size_t i = 0; i < batch.rows.size(); ++i) {
            const Span span = batch.span(i).value();
            const bool expected = plainly(condition, span);
            RC_CLASSIFY(expected, "matches");
            RC_ASSERT(matcher->matches(span) == expected);
            RC_ASSERT(rows->has(i) == expected);
        }
    }));
}

// --- Meanings.

Span span_with(codec::Attributes attributes) {
    Span span;
    span.name = "GET /cart";
    span.attributes = std::move(attributes);
    span.resource = std::make_shared<const codec::Attributes>(
        codec::Attributes{{"service.name", std::string("cart")}, {"zone", std::string("north")}});
    return span;
}

bool matches(const Condition& condition, const Span& span) {
    const auto matcher = Matcher::make(condition);
    EXPECT_TRUE(matcher.ok());
    return matcher->matches(span);
}

Condition attribute(const char* key, Operator op, Literal literal, Scope scope = Scope::kAny) {
    return Condition::compare(Field{Property::kAttribute, scope, key}, op, std::move(literal));
}

TEST(Condition, what_is_absent_satisfies_no_comparison) {
    const Span span = span_with({});
    EXPECT_FALSE(matches(attribute("user", Operator::kEqual, "a"), span));
    EXPECT_FALSE(matches(attribute("user", Operator::kUnequal, "a"), span));
    EXPECT_FALSE(matches(attribute("user", Operator::kMatchesNot, "a"), span));
    EXPECT_TRUE(matches(Condition::negation(attribute("user", Operator::kEqual, "a")), span));
    EXPECT_FALSE(matches(
        Condition::compare(Property::kDuration, Operator::kUnequal, std::int64_t{1}), span));
}

TEST(Condition, a_root_is_a_span_whose_parent_does_not_exist) {
    const Condition root =
        Condition::negation(Condition::compare(Property::kParentId, Operator::kExists, {}));
    Span span = span_with({});
    EXPECT_TRUE(matches(root, span));
    span.parent_id.bytes[7] = 1;
    EXPECT_FALSE(matches(root, span));
    EXPECT_TRUE(matches(Condition::compare(Property::kTraceId, Operator::kExists, {}), span));
}

TEST(Condition, an_attribute_of_the_span_stands_before_one_of_the_resource) {
    const Span span = span_with({{"zone", std::string("south")}});
    EXPECT_TRUE(matches(attribute("zone", Operator::kEqual, "south"), span));
    EXPECT_FALSE(matches(attribute("zone", Operator::kEqual, "north"), span));
    EXPECT_TRUE(matches(attribute("zone", Operator::kEqual, "north", Scope::kResource), span));
    EXPECT_TRUE(matches(attribute("zone", Operator::kEqual, "north"), span_with({})));
}

TEST(Condition, a_key_that_was_set_twice_has_its_last_value) {
    const Span span = span_with({{"n", std::int64_t{1}}, {"n", std::int64_t{2}}});
    EXPECT_FALSE(matches(attribute("n", Operator::kEqual, std::int64_t{1}), span));
    EXPECT_TRUE(matches(attribute("n", Operator::kEqual, std::int64_t{2}), span));
}

TEST(Condition, numbers_compare_exactly_whole_or_not) {
    constexpr std::int64_t kLarge = (std::int64_t{1} << 53) + 1;  // no double
    const Span span =
        span_with({{"n", kLarge}, {"x", 0.5}, {"max", std::numeric_limits<std::int64_t>::max()}});
    EXPECT_TRUE(matches(attribute("n", Operator::kMore, 9007199254740992.0), span));
    EXPECT_FALSE(matches(attribute("n", Operator::kEqual, 9007199254740992.0), span));
    EXPECT_TRUE(matches(attribute("x", Operator::kLess, std::int64_t{1}), span));
    EXPECT_TRUE(matches(attribute("max", Operator::kLess, 9223372036854775808.0), span));
    EXPECT_FALSE(matches(attribute("n", Operator::kEqual, std::nan("")), span));
}

TEST(Condition, is_text_takes_any_type_as_a_person_would_type_it) {
    const Span span = span_with(
        {{"code", std::int64_t{500}}, {"ok", true}, {"x", 0.5}, {"s", std::string("500")}});
    for (const char* key : {"code", "s"})
        EXPECT_TRUE(matches(attribute(key, Operator::kIsText, "500"), span));
    EXPECT_TRUE(matches(attribute("ok", Operator::kIsText, "true"), span));
    EXPECT_TRUE(matches(attribute("x", Operator::kIsText, "0.5"), span));
    EXPECT_FALSE(matches(attribute("code", Operator::kIsText, "0500"), span));
}

TEST(Condition, a_regular_expression_is_of_the_whole_text) {
    const auto name = [](const char* pattern) {
        return Condition::compare(Property::kName, Operator::kMatches, std::string(pattern));
    };
    EXPECT_FALSE(matches(name("cart"), span_with({})));
    EXPECT_TRUE(matches(name(".*cart"), span_with({})));
}

TEST(Condition, a_hostile_regular_expression_is_refused_or_quick) {
    const auto made = [](const std::string& pattern) {
        return Matcher::make(Condition::compare(Property::kName, Operator::kMatches, pattern));
    };
    EXPECT_EQ(made("(a").error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(made("((((a{1000}){1000}){1000}){1000})").error().code, ErrorCode::kInvalidArgument);
    const auto slow_elsewhere = made("(a*)*(a*)*(a*)*b");
    ASSERT_TRUE(slow_elsewhere.ok());
    Span span = span_with({});
    span.name = std::string(100'000, 'a');
    EXPECT_FALSE(slow_elsewhere->matches(span));
}

TEST(Condition, the_attribute_of_an_empty_array_exists) {
    const Span span = span_with({{"list", std::vector<std::int64_t>{}}});
    EXPECT_TRUE(matches(attribute("list", Operator::kExists, {}), span));
    EXPECT_FALSE(matches(attribute("list", Operator::kEqual, std::int64_t{1}), span));
}

}  // namespace
}  // namespace spanring::store
