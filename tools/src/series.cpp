// `spanring series`: how many spans, or how long they take, over time.
#include "spanring/query/series.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "commands.hpp"
#include "json.hpp"
#include "select.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

using query::SeriesAnswer;
using query::TimeSeries;

constexpr std::size_t kStepsDefault = 60;
constexpr std::size_t kSeriesShown = 50;

struct SeriesOptions {
    std::string query;
    std::string since{"1h"};
    std::string until;
    std::string step;
    std::string budget;
};

std::string labels_text(const TimeSeries& series) {
    std::string out;
    for (const auto& [name, value] : series.labels)
        out += (out.empty() ? "" : ", ") + name + "=" + value;
    return out.empty() ? "(all)" : out;
}

/// A line of blocks, one for each point; none: a space.
std::string sparkline(const TimeSeries& series, std::size_t columns) {
    static constexpr std::array<const char*, 8> kBlocks = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double high = 0;
    for (const auto& point : series.points) high = std::max(high, point.value_or(0));
    const std::size_t count = series.points.size();
    const std::size_t width = std::min(count, columns);
    std::string out;
    for (std::size_t i = 0; i < width; ++i) {
        std::optional<double> highest;
        for (std::size_t p = i * count / width; p < (i + 1) * count / width; ++p)
            highest = std::max(highest, series.points[p]);
        if (!highest) {
            out += " ";
            continue;
        }
        const double part = high > 0 ? *highest / high : 0;
        out += kBlocks[std::min<std::size_t>(7, static_cast<std::size_t>(std::max(part, 0.0) * 8))];
    }
    return out;
}

std::string point_text(const std::optional<double>& value) {
    return value ? fmt::format("{:.4g}", *value) : "-";
}

std::string as_table(const SeriesAnswer& answer) {
    const Terminal terminal = Terminal::of(1);
    Table table({{"SERIES", Table::Align::kLeft, 48},
                 {"LAST", Table::Align::kRight},
                 {"HIGHEST", Table::Align::kRight},
                 {"OVER TIME"}});
    for (std::size_t i = 0; i < std::min(answer.series.size(), kSeriesShown); ++i) {
        const TimeSeries& one = answer.series[i];
        std::optional<double> highest;
        for (const auto& point : one.points) highest = std::max(highest, point);
        table.row({printable(labels_text(one)), point_text(one.points.back()), point_text(highest),
                   sparkline(one, kStepsDefault)});
    }
    return table.render(terminal);
}

std::string as_json(const SeriesAnswer& answer) {
    Json json;
    json.open_object()
        .field("from_ns", answer.range.from_ns)
        .field("step_ns", answer.range.step_ns)
        .field("partial", answer.partial)
        .key("series")
        .open_array();
    for (const TimeSeries& one : answer.series) {
        json.open_object().key("labels").open_object();
        for (const auto& [name, value] : one.labels) json.field(name, value);
        json.close_object().key("points").open_array();
        for (const auto& point : one.points) json.value(point);
        json.close_array().close_object();
    }
    json.close_array().close_object();
    return json.line();
}

/// The range in whole steps: equal steps begin at equal times, whenever they are asked for.
Result<query::TimeRange> range_of(const SeriesOptions& wanted, std::int64_t now_ns) {
    const auto since = time_flag("--since", wanted.since, now_ns);
    if (!since) return since.error();
    const auto until = time_flag("--until", wanted.until, now_ns);
    if (!until) return until.error();
    query::TimeRange range{since->value_or(now_ns), until->value_or(now_ns), 0};
    if (range.until_ns <= range.from_ns)
        return Error{ErrorCode::kInvalidArgument, "--since must be before --until"};
    const auto step = duration_flag("--step", wanted.step);
    if (!step) return step.error();
    if (*step && **step <= 0)
        return Error{ErrorCode::kInvalidArgument, "--step must be more than 0"};
    constexpr std::int64_t kSecond = 1'000'000'000;
    const std::int64_t share =
        (range.until_ns - range.from_ns) / static_cast<std::int64_t>(kStepsDefault);
    range.step_ns = step->value_or(std::max(share / kSecond * kSecond, kSecond));
    range.from_ns -= range.from_ns % range.step_ns;
    return range;
}

Result<int> show_series(const GlobalOptions& options, const SeriesOptions& wanted) {
    Selection selection;
    selection.query = wanted.query;
    const std::int64_t now = realtime_now_ns();
    auto query = to_query(selection, now);
    if (!query) return std::move(query).error();
    auto range = range_of(wanted, now);
    if (!range) return std::move(range).error();
    auto budget = budget_flag(wanted.budget);
    if (!budget) return std::move(budget).error();
    auto reader = open_database(options);
    if (!reader) return std::move(reader).error();
    Result<SeriesAnswer> answer = SeriesAnswer{};
    {
        ProgressLine progress("series", options.quiet);
        answer = query::series_of(
            **reader, *query, *range, *budget,
            [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total, "B"); });
    }
    if (!answer) return std::move(answer).error().in("series");
    remark_warnings(**reader, options);
    if (auto done = print(options.json ? as_json(*answer) : as_table(*answer)); !done)
        return std::move(done).error();
    if (options.quiet || options.json) return kExitOk;
    if (answer->partial) remark("the time was up before all was looked at; --budget gives more");
    if (answer->series.empty()) remark("no span matches");
    if (answer->series.size() > kSeriesShown)
        remark(fmt::format("{} more series; --json has them",
                           format_count(answer->series.size() - kSeriesShown)));
    return kExitOk;
}

}  // namespace

void add_series(CLI::App& app, Session& session) {
    CLI::App* command = new_command(
        app, session, "series", "Rates, errors and durations over time",
        "spanring series '{ kind = server } | rate() by(resource.service.name)'\n"
        "spanring series '{ status = error } | count_over_time()' --since 1d --step 1h\n"
        "spanring series '{ name = \"GET /cart\" } | quantile_over_time(duration, .5, .99)'");
    auto wanted = std::make_shared<SeriesOptions>();
    command->add_option("query", wanted->query, "In TraceQL, with a function over time at its end")
        ->type_name("TRACEQL")
        ->required();
    command->add_option("--since", wanted->since, "From then on (1h ago, or a date, RFC 3339)")
        ->type_name("TIME")
        ->capture_default_str();
    command->add_option("--until", wanted->until, "Until then; default: now")->type_name("TIME");
    command->add_option("--step", wanted->step, "Length of a step; default: 60 steps")
        ->type_name("TIME");
    command->add_option("--budget", wanted->budget, "Show what is found in so much time")
        ->type_name("TIME");
    command->callback([&session, wanted] {
        session.action = [&session, wanted] { return show_series(session.options, *wanted); };
    });
}

}  // namespace spanring::tools
