// A query asked of the spans of one trace.
#include <algorithm>
#include <limits>
#include <map>

#include "spanring/codec/jsonl.hpp"
#include "spanring/query/field_value.hpp"
#include "spanring/query/search.hpp"

namespace spanring::query {
namespace {

using codec::Span;
using store::Condition;
using store::Field;
using store::Matcher;
using store::Operator;
using store::Property;

/// Which spans, by their places.
using Places = std::vector<std::size_t>;

/// What a trace has as a whole, as a span that has the same: so that one comparison serves both.
Span whole_of(const store::TraceSummary& summary) {
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

class Evaluation {
public:
    Evaluation(const std::vector<Span>& spans, const Span& whole) : spans_(spans), whole_(whole) {}

    Result<Places> of(const Spanset& set) const {
        if (set.kind == Spanset::Kind::kOne) return of(set.condition);
        Places all;
        for (const Spanset& child : set.children) {
            auto places = of(child);
            if (!places) return places;
            if (places->empty() && set.kind == Spanset::Kind::kBoth) return Places();
            all.insert(all.end(), places->begin(), places->end());
        }
        std::ranges::sort(all);
        all.erase(std::unique(all.begin(), all.end()), all.end());
        return all;
    }

private:
    Result<Places> of(const Condition& condition) const {
        auto of_spans = without_trace(condition);
        if (!of_spans) return std::move(of_spans).error();
        const auto matcher = Matcher::make(*of_spans);
        if (!matcher) return matcher.error();
        Places places;
        for (std::size_t i = 0; i < spans_.size(); ++i)
            if (matcher->matches(spans_[i])) places.push_back(i);
        return places;
    }

    /// The condition with what it says of the trace answered.
    Result<Condition> without_trace(const Condition& condition) const {
        if (condition.kind == Condition::Kind::kCompare &&
            store::is_of_trace(condition.field.property)) {
            Condition asked = condition;
            asked.field.property = as_of_span(condition.field.property);
            const auto matcher = Matcher::make(asked);
            if (!matcher) return matcher.error();
            return matcher->matches(whole_) ? Condition{} : Condition::negation({});
        }
        Condition answered = condition;
        for (Condition& child : answered.children) {
            auto one = without_trace(child);
            if (!one) return one;
            child = std::move(*one);
        }
        return answered;
    }

    const std::vector<Span>& spans_;
    const Span& whole_;
};

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
bool passes(const AggregateFilter& filter, const std::vector<Span>& spans, const Places& places) {
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

Result<std::vector<FoundSpans>> spansets_of(const std::vector<Span>& spans, const Query& query) {
    const Span whole = whole_of(store::summary_of(spans));
    const auto places = Evaluation(spans, whole).of(query.spans);
    if (!places) return places.error();
    std::map<std::optional<std::string>, Places> groups;
    for (const std::size_t place : *places) {
        std::optional<std::string> group;
        if (query.group_by)
            if (const auto value = value_of(spans[place], *query.group_by))
                group = codec::text_of(*value);
        groups[group].push_back(place);
    }
    std::vector<FoundSpans> sets;
    for (const auto& entry : groups) {
        const Places& members = entry.second;
        const auto passed = [&](const AggregateFilter& filter) {
            return passes(filter, spans, members);
        };
        if (!std::ranges::all_of(query.filters, passed)) continue;
        FoundSpans found{entry.first, members.size(), {}};
        for (const std::size_t place : members) found.spans.push_back(spans[place]);
        sets.push_back(std::move(found));
    }
    return sets;
}

}  // namespace spanring::query
