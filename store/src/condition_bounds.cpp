#include "condition_bounds.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace spanring::store {
namespace {

template <typename T>
void intersect(std::optional<std::set<T>>& into, const std::optional<std::set<T>>& other) {
    if (!other) return;
    if (!into) {
        into = other;
        return;
    }
    std::set<T> both;
    std::ranges::set_intersection(*into, *other, std::inserter(both, both.end()));
    into = std::move(both);
}

template <typename T>
void unite(std::optional<std::set<T>>& into, const std::optional<std::set<T>>& other) {
    if (!into) return;
    if (!other) {
        into.reset();
        return;
    }
    into->insert(other->begin(), other->end());
}

void settle(ConditionBounds& bounds) {
    const auto is_empty = [](const auto& set) { return set && set->empty(); };
    bounds.nothing = bounds.nothing || is_empty(bounds.services) || is_empty(bounds.traces) ||
                     (bounds.has_start && bounds.start_ns_min > bounds.start_ns_max);
}

ConditionBounds of_and(const Condition& condition) {
    ConditionBounds all;
    for (const Condition& child : condition.children) {
        const ConditionBounds one = bounds_of(child);
        all.nothing = all.nothing || one.nothing;
        if (one.has_start) {
            all.has_start = true;
            all.start_ns_min = std::max(all.start_ns_min, one.start_ns_min);
            all.start_ns_max = std::min(all.start_ns_max, one.start_ns_max);
        }
        intersect(all.services, one.services);
        intersect(all.traces, one.traces);
    }
    settle(all);
    return all;
}

ConditionBounds of_or(const Condition& condition) {
    std::optional<ConditionBounds> any;
    for (const Condition& child : condition.children) {
        const ConditionBounds one = bounds_of(child);
        if (one.nothing) continue;
        if (!any) {
            any = one;
            continue;
        }
        any->has_start = any->has_start && one.has_start;
        any->start_ns_min = std::min(any->start_ns_min, one.start_ns_min);
        any->start_ns_max = std::max(any->start_ns_max, one.start_ns_max);
        unite(any->services, one.services);
        unite(any->traces, one.traces);
    }
    if (any) return *any;
    ConditionBounds none;
    none.nothing = true;
    return none;
}

ConditionBounds of_start(const Condition& condition) {
    ConditionBounds bounds;
    bounds.has_start = true;
    const auto* ns = std::get_if<std::int64_t>(&condition.literal);
    if (ns == nullptr) return bounds;
    switch (condition.op) {
        case Operator::kEqual: bounds.start_ns_min = bounds.start_ns_max = *ns; break;
        // What is next to them is let in: no overflow, and no harm.
        case Operator::kLess:
        case Operator::kAtMost: bounds.start_ns_max = *ns; break;
        case Operator::kMore:
        case Operator::kAtLeast: bounds.start_ns_min = *ns; break;
        default: break;
    }
    return bounds;
}

ConditionBounds of_comparison(const Condition& condition) {
    ConditionBounds bounds;
    switch (condition.field.property) {
        case Property::kStart: return of_start(condition);
        case Property::kService:
            if (condition.op != Operator::kEqual && condition.op != Operator::kIsText) break;
            if (const auto* name = std::get_if<std::string>(&condition.literal))
                bounds.services = std::set<std::string>{*name};
            break;
        case Property::kTraceId:
            if (condition.op != Operator::kEqual) break;
            if (const auto* id = std::get_if<TraceId>(&condition.literal))
                bounds.traces = std::set<TraceId>{*id};
            break;
        default: break;
    }
    return bounds;
}

}  // namespace

ConditionBounds bounds_of(const Condition& condition) {
    switch (condition.kind) {
        case Condition::Kind::kAnd: return of_and(condition);
        case Condition::Kind::kOr: return of_or(condition);
        case Condition::Kind::kCompare: return of_comparison(condition);
        default: return {};
    }
}

}  // namespace spanring::store
