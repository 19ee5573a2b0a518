// What spans do over time: "{ ... } | rate() by(resource.service.name)". Threads: the reader's.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "spanring/base/result.hpp"
#include "spanring/query/traceql.hpp"
#include "spanring/store/database.hpp"

namespace spanring::query {

/// Steps of equal length; the first begins at `from_ns`, the last ends behind `until_ns` - 1.
struct TimeRange {
    std::int64_t from_ns{0};   ///< realtime
    std::int64_t until_ns{0};  ///< not included
    std::int64_t step_ns{0};
    [[nodiscard]] std::size_t steps() const noexcept {
        return static_cast<std::size_t>((until_ns - from_ns + step_ns - 1) / step_ns);
    }
};

struct TimeSeries {
    /// The fields of "by", as TraceQL spells them, and their values; of quantiles also "p", of
    /// histograms "bucket": the upper end in seconds, a power of two.
    std::vector<std::pair<std::string, std::string>> labels;
    /// One for each step: spans a second, spans, or the value, durations in seconds. None: there
    /// was no span, and 0 would not be the answer.
    std::vector<std::optional<double>> points;
};

struct SeriesAnswer {
    TimeRange range;
    std::vector<TimeSeries> series;  ///< in the order of their labels
    bool partial{false};             ///< the budget was used up
};

/// Returns the series of spans by their starts. Errors: kInvalidArgument: a query without series,
/// of more than one { }, of what whole traces have, with too many series or steps, a field that has
/// none.
[[nodiscard]] Result<SeriesAnswer> series_of(
    store::Reader& reader, const Query& query, const TimeRange& range,
    std::optional<std::chrono::milliseconds> budget = std::nullopt,
    const store::Progress& progress = {});

}  // namespace spanring::query
