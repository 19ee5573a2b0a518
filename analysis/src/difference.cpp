#include "spanring/analysis/difference.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <utility>

#include "spanring/analysis/span_tree.hpp"
#include "spanring/query/duration_histogram.hpp"

namespace spanring::analysis {
namespace {

using Key = std::pair<std::string, std::string>;
using Sides = std::map<Key, Side>;

Sides sides_of(const std::vector<codec::Span>& spans) {
    Sides sides;
    std::map<Key, query::DurationHistogram> durations;
    const SpanTree tree = tree_of(spans);
    const auto self = self_times(tree, intervals_of(spans, tree));
    for (std::size_t i = 0; i < spans.size(); ++i) {
        const codec::Span& span = spans[i];
        const Key key{codec::service_of(span), span.name};
        Side& side = sides[key];
        ++side.spans;
        side.errors += span.status == codec::StatusCode::kError ? 1 : 0;
        side.self_ns += self[i];
        if (span.duration_ns) durations[key].add(*span.duration_ns);
    }
    for (auto& [key, side] : sides) {
        side.p50_ns = durations[key].percentile(0.5);
        side.p99_ns = durations[key].percentile(0.99);
    }
    return sides;
}

Sides sides_of(const std::vector<query::Group>& groups) {
    Sides sides;
    for (const query::Group& group : groups)
        sides[{group.values.at(0), group.values.at(1)}] = {group.spans, group.errors, 0,
                                                           group.durations.percentile(0.5),
                                                           group.durations.percentile(0.99)};
    return sides;
}

template <typename Weight>
std::vector<OperationDifference> join(const Sides& before, const Sides& after, Weight&& weight) {
    std::map<Key, OperationDifference> all;
    for (const auto& [key, side] : before) all[key] = {key.first, key.second, side, {}};
    for (const auto& [key, side] : after) {
        OperationDifference& one = all[key];
        one.service = key.first;
        one.operation = key.second;
        one.after = side;
    }
    std::vector<OperationDifference> differences;
    for (auto& [key, one] : all) differences.push_back(std::move(one));
    std::ranges::stable_sort(differences, std::greater(), weight);
    return differences;
}

}  // namespace

std::vector<OperationDifference> difference_of(const std::vector<codec::Span>& before,
                                               const std::vector<codec::Span>& after) {
    return join(sides_of(before), sides_of(after), [](const OperationDifference& one) {
        return std::abs(static_cast<double>(one.after.self_ns) -
                        static_cast<double>(one.before.self_ns));
    });
}

std::vector<OperationDifference> difference_of(const std::vector<query::Group>& before,
                                               const std::vector<query::Group>& after) {
    return join(sides_of(before), sides_of(after), [](const OperationDifference& one) {
        const auto spans = static_cast<double>(std::max(one.before.spans, one.after.spans));
        return spans * std::abs(static_cast<double>(one.after.p99_ns) -
                                static_cast<double>(one.before.p99_ns));
    });
}

}  // namespace spanring::analysis
