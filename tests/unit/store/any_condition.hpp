// Conditions of every kind, made by RapidCheck, that some of any_span()'s spans satisfy.
#pragma once

#include <rapidcheck.h>

#include <string>
#include <utility>
#include <vector>

#include "any_span.hpp"
#include "spanring/store/condition.hpp"

namespace spanring::store::test {

/// A comparison that makes sense: what TraceQL can say.
inline Condition any_comparison() {
    using namespace codec::test;
    const auto equality = [] { return *rc::gen::element(Operator::kEqual, Operator::kUnequal); };
    const auto order = [] {
        return *rc::gen::element(Operator::kEqual, Operator::kUnequal, Operator::kLess,
                                 Operator::kAtMost, Operator::kMore, Operator::kAtLeast);
    };
    const auto text = [&](Property property, Scope scope = Scope::kAny, std::string key = {}) {
        const Field field{property, scope, std::move(key)};
        if (*rc::gen::inRange(0, 4) == 0)
            return Condition::compare(field,
                                      *rc::gen::element(Operator::kMatches, Operator::kMatchesNot),
                                      *rc::gen::element<std::string>("(a|x y|GET)*", "GET|a", ""));
        return Condition::compare(field, order(), word());
    };
    switch (*rc::gen::inRange(0, 14)) {
        case 13:
            return Condition::compare(
                *rc::gen::element(Property::kName, Property::kStatus, Property::kStatusMessage,
                                  Property::kDuration, Property::kStart, Property::kTraceId,
                                  Property::kSpanId, Property::kParentId, Property::kService,
                                  Property::kScopeName, Property::kEventName),
                Operator::kExists, {});
        case 0: return text(Property::kName);
        case 1:
            return text(*rc::gen::element(Property::kStatusMessage, Property::kService,
                                          Property::kScopeName, Property::kScopeVersion,
                                          Property::kEventName));
        case 2:
            return Condition::compare(Property::kKind, equality(),
                                      *rc::gen::inRange<std::int64_t>(0, 6));
        case 3:
            return Condition::compare(Property::kStatus, equality(),
                                      *rc::gen::inRange<std::int64_t>(0, 3));
        case 4:
            return Condition::compare(*rc::gen::element(Property::kDuration, Property::kStart),
                                      order(), number());
        case 5: return Condition::compare(Property::kDuration, order(), finite());
        case 6: return Condition::compare(Property::kTraceId, equality(), id<TraceId>(4));
        case 7:
            return Condition::compare(*rc::gen::element(Property::kSpanId, Property::kParentId),
                                      equality(), id<SpanId>(20));
        default: break;
    }
    Field field{
        Property::kAttribute,
        *rc::gen::element(Scope::kAny, Scope::kSpan, Scope::kResource, Scope::kEvent, Scope::kLink),
        *rc::gen::element<std::string>("a", "http.method", "service.name", "\xc3\xa4", "x y")};
    // That one is Property::kService.
    if (field.scope == Scope::kResource && field.key == "service.name") field.key = "a";
    switch (*rc::gen::inRange(0, 6)) {
        case 0: return Condition::compare(field, Operator::kExists, {});
        case 1: return Condition::compare(field, equality(), bool{*rc::gen::arbitrary<bool>()});
        case 2: return Condition::compare(field, order(), number());
        case 3: return Condition::compare(field, order(), finite());
        default: return text(field.property, field.scope, field.key);
    }
}

inline Condition any_condition(int depth = 3) {
    if (depth == 0) return any_comparison();
    const auto several = [&] {
        std::vector<Condition> children;
        for (int n = *rc::gen::inRange(2, 4); n-- > 0;)
            children.push_back(any_condition(depth - 1));
        return children;
    };
    switch (*rc::gen::inRange(0, 6)) {
        case 0: return Condition::all_of(several());
        case 1: return Condition::any_of(several());
        case 2: return Condition::negation(any_condition(depth - 1));
        case 3: return Condition{};
        default: return any_comparison();
    }
}

}  // namespace spanring::store::test
