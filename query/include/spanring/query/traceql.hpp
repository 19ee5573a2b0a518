// The query language of people: TraceQL, as Grafana Tempo documents it ("Construct a TraceQL
// query"), as far as it asks for traces, spans and series over time. One grammar for command line,
// API and page.
//
//   query    = spansets { "|" stage }
//   spansets = both { "||" both }            a trace that has spans of one or the other
//   both     = one { "&&" one }              a trace that has spans of each
//   one      = "{" [ condition ] "}" | "(" spansets ")"
//   condition: comparisons of fields and values, with && || ! and parentheses
//   field    = name kind status statusMessage duration ... | [span|resource|event|link] "." key
//   value    = "text" `text` 1 0.5 10ms true error server nil
//   stage    = "select(" fields ")" | "by(" field ")" | count() > 2 | avg(duration) > 1s
//            | rate() by(...) | count_over_time() | quantile_over_time(duration, .99) | ...
//
// Threads: pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spanring/store/condition.hpp"

namespace spanring::query {

/// What is wrong with a query, and where.
struct Fault {
    std::size_t column{0};  ///< of the byte, from 1
    std::string what;       ///< "expected a value, found '}'"

    /// One line: "column 9: expected a value, found '}'".
    [[nodiscard]] std::string line() const;
    /// The query, and below it a mark at the column.
    [[nodiscard]] std::string picture(std::string_view query) const;
};

/// Which traces have the spans that are asked for.
struct Spanset {
    enum class Kind : std::uint8_t {
        kOne,     ///< spans that satisfy `condition`
        kBoth,    ///< of each child
        kEither,  ///< of a child
    };
    Kind kind{Kind::kOne};
    store::Condition condition{};
    std::vector<Spanset> children{};
    bool operator==(const Spanset&) const = default;
};

enum class Aggregate : std::uint8_t { kCount, kMin, kMax, kSum, kAvg };

/// "| count() > 2": spansets that satisfy it go on.
struct AggregateFilter {
    Aggregate aggregate{Aggregate::kCount};
    store::Field of{};  ///< not of kCount
    store::Operator op{store::Operator::kEqual};
    double value{0};  ///< ns, where durations are meant
    bool operator==(const AggregateFilter&) const = default;
};

enum class SeriesFunction : std::uint8_t {
    kRate,   ///< spans a second
    kCount,  ///< spans
    kMin,
    kMax,
    kSum,
    kAvg,
    kQuantile,
    kHistogram,
};

/// "| rate() by(resource.service.name)": series over time, not traces.
struct Series {
    SeriesFunction function{SeriesFunction::kRate};
    store::Field of{};                ///< of kMin and those below
    std::vector<double> quantiles{};  ///< 0 to 1
    std::vector<store::Field> by{};
    bool operator==(const Series&) const = default;
};

struct Query {
    Spanset spans{};
    std::vector<AggregateFilter> filters{};
    std::optional<store::Field> group_by{};  ///< "| by(field)": a spanset for each value
    std::vector<store::Field> select{};      ///< shown beside what is always shown
    std::optional<Series> series{};
    bool operator==(const Query&) const = default;
};

/// Returns the query, or nothing, and *fault. Texts of more than 64 KiB, and conditions nested
/// deeper than 64, are faults.
[[nodiscard]] std::optional<Query> parse(std::string_view text, Fault* fault);

/// The field as TraceQL spells it.
[[nodiscard]] std::string to_string(const store::Field& field);
/// A condition, query as TraceQL that parses to the same.
[[nodiscard]] std::string to_string(const store::Condition& condition);
[[nodiscard]] std::string to_string(const Query& query);

}  // namespace spanring::query
