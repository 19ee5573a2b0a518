// A query asked of the spans of one trace.
#include "spansets.hpp"

#include <algorithm>
#include <limits>
#include <map>

#include "spanring/codec/jsonl.hpp"
#include "spanring/query/field_value.hpp"

namespace spanring::query {
namespace {

using codec::Span;
using store::Condition;
using store::Matcher;
using store::Operator;
using store::Property;

codec::Span whole_of(const store::TraceSummary& summary) {
    Span whole;
    whole.name = summary.root_operation;
    whole.duration_ns = summary.duration_ns;
    whole.resource = std::make_shared<const codec::Attributes>(
        codec::Attributes{{"service.name", summary.root_service}});
    return whole;
}

Property as_of_span(Property of_trace) {
    switch (of_trace) {
        case Property::kTraceDuration: return Property::kDuration;
        case Property::kRootName: return Property::kName;
        default: return Property::kService;
    }
}

bool asks_of_trace(const Condition& condition) {
    if (condition.kind == Condition::Kind::kCompare)
        return store::is_of_trace(condition.field.property);
    return std::ranges::any_of(condition.children, asks_of_trace);
}

/// The condition with what it says of the trace answered.
Result<Condition> without_trace(const Condition& condition, const Span& whole) {
    if (condition.kind == Condition::Kind::kCompare &&
        store::is_of_trace(condition.field.property)) {
        Condition asked = condition;
        asked.field.property = as_of_span(condition.field.property);
        const auto matcher = Matcher::make(asked);
        if (!matcher) return matcher.error();
        return matcher->matches(whole) ? Condition{} : Condition::negation({});
    }
    Condition answered = condition;
    for (Condition& child : answered.children) {
        auto one = without_trace(child, whole);
        if (!one) return one;
        child = std::move(*one);
    }
    return answered;
}

std::vector<std::size_t> places_that_match(const Matcher& matcher, const std::vector<Span>& spans) {
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < spans.size(); ++i)
        if (matcher.matches(spans[i])) places.push_back(i);
    return places;
}

bool holds(Operator op, double left, double right) {
    switch (op) {
        case Operator::kEqual: return left == right;
        case Operator::kUnequal: return left != right;
        case Operator::kLess: return left < right;
        case Operator::kAtMost: return left <= right;
        case Operator::kMore: return left > right;
        case Operator::kAtLeast: return left >= right;
        default: return false;
    }
}

/// Of spans without a number nothing is more or less than anything.
bool passes(const AggregateFilter& filter, const std::vector<Span>& spans,
            const std::vector<std::size_t>& places) {
    if (filter.aggregate == Aggregate::kCount)
        return holds(filter.op, static_cast<double>(places.size()), filter.value);
    double low = std::numeric_limits<double>::infinity();
    double high = -low;
    double sum = 0;
    std::size_t count = 0;
    for (const std::size_t place : places) {
        const auto value = value_of(spans[place], filter.of);
        const auto number = value ? number_of(*value) : std::nullopt;
        if (!number) continue;
        ++count;
        low = std::min(low, *number);
        high = std::max(high, *number);
        sum += *number;
    }
    if (count == 0) return false;
    switch (filter.aggregate) {
        case Aggregate::kMin: return holds(filter.op, low, filter.value);
        case Aggregate::kMax: return holds(filter.op, high, filter.value);
        case Aggregate::kSum: return holds(filter.op, sum, filter.value);
        default: return holds(filter.op, sum / static_cast<double>(count), filter.value);
    }
}

}  // namespace

Result<SpansetFinder::Node> SpansetFinder::node_of(const Spanset& set) {
    Node node{&set, std::nullopt, {}};
    if (set.kind == Spanset::Kind::kOne && !asks_of_trace(set.condition)) {
        auto matcher = Matcher::make(set.condition);
        if (!matcher) return std::move(matcher).error();
        node.matcher = std::move(*matcher);
    }
    for (const Spanset& child : set.children) {
        auto made = node_of(child);
        if (!made) return made;
        node.children.push_back(std::move(*made));
    }
    return node;
}

Result<SpansetFinder> SpansetFinder::make(const Query& query) {
    auto root = node_of(query.spans);
    if (!root) return std::move(root).error();
    SpansetFinder finder(query);
    finder.root_ = std::move(*root);
    return finder;
}

Result<SpansetFinder::Places> SpansetFinder::places_of(const Node& node, const Trace& trace) {
    if (node.matcher) return places_that_match(*node.matcher, trace.spans);
    if (node.set->kind == Spanset::Kind::kOne) {
        const auto of_spans = without_trace(node.set->condition, trace.whole);
        if (!of_spans) return of_spans.error();
        const auto matcher = Matcher::make(*of_spans);
        if (!matcher) return matcher.error();
        return places_that_match(*matcher, trace.spans);
    }
    Places all;
    for (const Node& child : node.children) {
        const auto places = places_of(child, trace);
        if (!places) return places;
        if (places->empty() && node.set->kind == Spanset::Kind::kBoth) return Places();
        all.insert(all.end(), places->begin(), places->end());
    }
    std::ranges::sort(all);
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
}

Result<std::vector<FoundSpans>> SpansetFinder::find(const std::vector<Span>& spans,
                                                    const store::TraceSummary& summary,
                                                    std::size_t spans_max) const {
    const auto places = places_of(*root_, {spans, whole_of(summary)});
    if (!places) return places.error();
    std::map<std::optional<std::string>, Places> groups;
    for (const std::size_t place : *places) {
        std::optional<std::string> group;
        if (query_->group_by)
            if (const auto value = value_of(spans[place], *query_->group_by))
                group = codec::text_of(*value);
        groups[group].push_back(place);
    }
    std::vector<FoundSpans> sets;
    for (const auto& entry : groups) {
        const Places& members = entry.second;
        const auto passed = [&](const AggregateFilter& filter) {
            return passes(filter, spans, members);
        };
        if (!std::ranges::all_of(query_->filters, passed)) continue;
        FoundSpans found{entry.first, members.size(), {}};
        for (std::size_t i = 0; i < std::min(members.size(), spans_max); ++i)
            found.spans.push_back(spans[members[i]]);
        sets.push_back(std::move(found));
    }
    return sets;
}

Result<std::vector<FoundSpans>> spansets_of(const std::vector<Span>& spans, const Query& query) {
    const auto finder = SpansetFinder::make(query);
    if (!finder) return finder.error();
    return finder->find(spans, store::summary_of(spans), spans.size());
}

}  // namespace spanring::query
