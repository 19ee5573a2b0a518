#include "spanring/query/series.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <memory>

#include "group_keys.hpp"
#include "spanring/codec/jsonl.hpp"
#include "spanring/query/duration_histogram.hpp"
#include "spanring/query/field_value.hpp"

namespace spanring::query {
namespace {

using codec::Part;
using codec::RowFlag;
using store::Condition;
using store::Operator;
using store::Property;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kStepsMax = 11'000;
constexpr std::size_t kCellsMax = 1'000'000;  // of all series, some 100 bytes each
constexpr double kSecond = 1e9;

Error refused(const std::string& what) {
    return {ErrorCode::kInvalidArgument, what};
}

/// One step of one series.
struct Cell {
    std::uint64_t spans{0};   ///< all
    std::uint64_t values{0};  ///< those with a number
    double low{std::numeric_limits<double>::infinity()};
    double high{-std::numeric_limits<double>::infinity()};
    double sum{0};
    std::unique_ptr<DurationHistogram> durations;
    std::map<int, std::uint64_t> buckets;  ///< by the logarithm of their upper end in ns

    void add(double value) {
        ++values;
        low = std::min(low, value);
        high = std::max(high, value);
        sum += value;
    }
};

class Computation {
public:
    Computation(const Series& series, const TimeRange& range)
        : series_(series), range_(range), keys_(series.by) {}

    Result<void> check() const {
        if (auto groupable = check_groupable(series_.by); !groupable) return groupable;
        if (range_.step_ns <= 0 || range_.until_ns <= range_.from_ns)
            return refused("the range of time is empty");
        if (range_.steps() > kStepsMax)
            return refused("more than 11,000 steps: give a longer step, or a shorter range");
        const bool of_duration = series_.of.property == Property::kDuration;
        if (needs_durations_alone() && !of_duration)
            return refused("quantiles and histograms are of durations alone");
        if (has_value() && !of_duration && series_.of.property != Property::kAttribute)
            return refused(to_string(series_.of) + " is no number: duration and attributes are");
        return {};
    }

    Result<bool> take(codec::BatchView& batch, const store::RowMask& matching) {
        const bool durations = has_value() && series_.of.property == Property::kDuration;
        auto loaded = batch.load(durations ? Part::kShapes | Part::kStarts | Part::kDurations
                                           : Part::kShapes | Part::kStarts);
        if (loaded) loaded = keys_.begin(batch);
        if (!loaded) return std::move(loaded).error();
        std::optional<store::AttributeColumn> column;
        if (has_value() && !durations) {
            auto found = store::AttributeColumn::load(batch, series_.of.scope, series_.of.key);
            if (!found) return std::move(found).error();
            column.emplace(std::move(*found));
        }
        Result<void> added;
        (void)matching.each([&](std::size_t row) {
            added = add(batch, static_cast<std::uint32_t>(row), column);
            return added.ok();
        });
        if (!added) return std::move(added).error();
        full_ = full_ || keys_.size() * range_.steps() > kCellsMax;
        return !full_;
    }

    Result<SeriesAnswer> answer() {
        if (full_)
            return refused("more than a million points: group by less, or give a longer step");
        SeriesAnswer made{range_, {}, false};
        const auto values = keys_.values();
        for (std::size_t group = 0; group < cells_.size(); ++group) {
            TimeSeries one;
            for (std::size_t i = 0; i < series_.by.size(); ++i)
                one.labels.emplace_back(to_string(series_.by[i]), values[group][i]);
            add_series(std::move(one), cells_[group], made.series);
        }
        std::ranges::sort(made.series, {}, &TimeSeries::labels);
        return made;
    }

private:
    [[nodiscard]] bool needs_durations_alone() const noexcept {
        return series_.function == SeriesFunction::kQuantile ||
               series_.function == SeriesFunction::kHistogram;
    }
    [[nodiscard]] bool has_value() const noexcept {
        return series_.function != SeriesFunction::kRate &&
               series_.function != SeriesFunction::kCount;
    }

    Result<void> add(codec::BatchView& batch, std::uint32_t row,
                     std::optional<store::AttributeColumn>& column) {
        const std::int64_t start = batch.starts()[row];
        const std::uint32_t flags = batch.shape_of(row).flags;
        if ((flags & RowFlag::kHasStart) == 0 || start < range_.from_ns || start >= range_.until_ns)
            return {};
        const auto group = keys_.group_of(row);
        if (!group) return group.error();
        if (*group >= cells_.size()) cells_.resize(*group + 1);
        auto& steps = cells_[*group];
        if (steps.empty()) steps.resize(range_.steps());
        Cell& cell = steps[static_cast<std::size_t>((start - range_.from_ns) / range_.step_ns)];
        ++cell.spans;
        if (!has_value()) return {};
        if (column) {
            const auto value = column->of(row);
            if (!value) return value.error();
            if (const auto number = number_of(*value)) cell.add(*number);
            return {};
        }
        if ((flags & RowFlag::kHasDuration) != 0) add_duration(cell, batch.durations()[row]);
        return {};
    }

    void add_duration(Cell& cell, std::int64_t ns) const {
        if (series_.function == SeriesFunction::kQuantile) {
            if (!cell.durations) cell.durations = std::make_unique<DurationHistogram>();
            cell.durations->add(ns);
        } else if (series_.function == SeriesFunction::kHistogram) {
            // The smallest power of two that is not below it.
            const auto above = static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 1)) - 1;
            ++cell.buckets[static_cast<int>(std::bit_width(above))];
        } else {
            cell.add(static_cast<double>(ns) / kSecond);
        }
    }

    void add_series(TimeSeries one, const std::vector<Cell>& steps,
                    std::vector<TimeSeries>& out) const {
        const auto add = [&](const char* label, const std::string& value, auto&& point) {
            TimeSeries labelled = one;
            if (label != nullptr) labelled.labels.emplace_back(label, value);
            for (std::size_t i = 0; i < range_.steps(); ++i)
                labelled.points.push_back(i < steps.size() ? point(steps[i]) : point(Cell{}));
            out.push_back(std::move(labelled));
        };
        using Point = std::optional<double>;
        const auto number = [](double value) { return Point(value); };
        switch (series_.function) {
            case SeriesFunction::kRate:
                return add(nullptr, "", [&](const Cell& cell) {
                    return number(static_cast<double>(cell.spans) * kSecond /
                                  static_cast<double>(range_.step_ns));
                });
            case SeriesFunction::kCount:
                return add(nullptr, "", [&](const Cell& cell) {
                    return number(static_cast<double>(cell.spans));
                });
            case SeriesFunction::kQuantile:
                for (const double quantile : series_.quantiles)
                    add("p", codec::text_of(codec::Value(quantile)), [&](const Cell& cell) {
                        if (!cell.durations) return Point();
                        return number(static_cast<double>(cell.durations->percentile(quantile)) /
                                      kSecond);
                    });
                return;
            case SeriesFunction::kHistogram: {
                std::map<int, bool> used;
                for (const Cell& cell : steps)
                    for (const auto& [bucket, count] : cell.buckets) used[bucket] = true;
                for (const auto& [bucket, is_used] : used)
                    add("bucket", codec::text_of(codec::Value(std::ldexp(1.0, bucket) / kSecond)),
                        [b = bucket, &number](const Cell& cell) {
                            const auto found = cell.buckets.find(b);
                            return number(found == cell.buckets.end()
                                              ? 0.0
                                              : static_cast<double>(found->second));
                        });
                return;
            }
            default:
                return add(nullptr, "", [&](const Cell& cell) {
                    return cell.values == 0 ? Point() : number(value_of_cell(cell));
                });
        }
    }

    [[nodiscard]] double value_of_cell(const Cell& cell) const noexcept {
        switch (series_.function) {
            case SeriesFunction::kMin: return cell.low;
            case SeriesFunction::kMax: return cell.high;
            case SeriesFunction::kSum: return cell.sum;
            default: return cell.sum / static_cast<double>(cell.values);
        }
    }

    const Series& series_;
    TimeRange range_;
    GroupKeys keys_;
    std::vector<std::vector<Cell>> cells_;  ///< by group, then by step
    bool full_{false};
};

}  // namespace

Result<SeriesAnswer> series_of(store::Reader& reader, const Query& query, const TimeRange& range,
                               std::optional<std::chrono::milliseconds> budget,
                               const store::Progress& progress) {
    if (!query.series)
        return refused("the query asks for traces: add '| rate()' or another series");
    if (query.spans.kind != Spanset::Kind::kOne || !query.filters.empty() || query.group_by)
        return refused("series are of the spans of one '{ ... }'");
    Computation computation(*query.series, range);
    if (auto checked = computation.check(); !checked) return std::move(checked).error();
    const auto start = [](Operator op, std::int64_t ns) {
        return Condition::compare(Property::kStart, op, ns);
    };
    const Condition condition =
        Condition::all_of({query.spans.condition, start(Operator::kAtLeast, range.from_ns),
                           start(Operator::kLess, range.until_ns)});
    bool partial = false;
    store::VisitOptions options;
    options.progress = progress;
    const auto began = Clock::now();
    options.go_on = [&](std::int64_t) {
        partial = budget && Clock::now() - began > *budget;
        return !partial;
    };
    auto visited = reader.visit_batches(
        condition,
        [&](codec::BatchView& batch, const store::RowMask& matching) {
            return computation.take(batch, matching);
        },
        options);
    if (!visited) return std::move(visited).error();
    auto answer = computation.answer();
    if (answer) answer->partial = partial;
    return answer;
}

}  // namespace spanring::query
