// `spanring stats`: how many spans, errors and how long, by service, operation, ...
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "commands.hpp"
#include "json.hpp"
#include "select.hpp"
#include "spanring/query/statistics.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

using query::Group;

constexpr std::array<std::pair<const char*, double>, 3> kPercentiles = {
    {{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}}};
constexpr std::size_t kGroupsDefault = 50;  // a long screen

struct StatsOptions {
    Selection selection;
    std::vector<std::string> by{"service"};
    std::string sort{"spans"};
    std::size_t limit{kGroupsDefault};
};

double error_share(const Group& group) {
    return static_cast<double>(group.errors) / static_cast<double>(group.spans);
}

void sort_by(std::vector<Group>& groups, const std::string& what) {
    const auto weight = [&](const Group& group) {
        if (what == "errors") return static_cast<double>(group.errors);
        if (what == "error-rate") return error_share(group);
        for (const auto& [name, fraction] : kPercentiles)
            if (what == name) return static_cast<double>(group.durations.percentile(fraction));
        return static_cast<double>(group.spans);
    };
    std::ranges::stable_sort(groups, std::greater(), weight);
}

std::string as_json(const std::vector<Group>& groups, const std::vector<std::string>& by) {
    Json json;
    json.open_array();
    for (const Group& group : groups) {
        json.open_object();
        for (std::size_t i = 0; i < by.size(); ++i) json.field(by[i], group.values[i]);
        json.field("spans", group.spans).field("errors", group.errors);
        for (const auto& [name, fraction] : kPercentiles)
            json.field(std::string(name) + "_ns", group.durations.percentile(fraction));
        json.close_object();
    }
    json.close_array();
    return json.line();
}

std::string upper(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    return text;
}

std::string as_table(const std::vector<Group>& groups, const std::vector<std::string>& by) {
    const Terminal terminal = Terminal::of(1);
    std::vector<Table::Column> columns;
    for (const std::string& name : by) columns.push_back({upper(name), Table::Align::kLeft, 44});
    for (const char* title : {"SPANS", "ERRORS", "ERROR %"})
        columns.push_back({title, Table::Align::kRight});
    for (const auto& [name, fraction] : kPercentiles)
        columns.push_back({upper(name), Table::Align::kRight});
    Table table(std::move(columns));
    for (const Group& group : groups) {
        std::vector<std::string> cells;
        for (std::size_t i = 0; i < by.size(); ++i) {
            const std::string text = cut_to_width(printable(group.values[i]), 44);
            const bool service = by[i] == "service";
            cells.push_back(service ? terminal.paint(style_of_name(group.values[i]), text) : text);
        }
        const Style style = group.errors == 0 ? Style::kDim : Style::kRed;
        cells.push_back(format_count(group.spans));
        cells.push_back(terminal.paint(style, format_count(group.errors)));
        cells.push_back(terminal.paint(style, fmt::format("{:.2f}", 100 * error_share(group))));
        for (const auto& [name, fraction] : kPercentiles)
            cells.push_back(format_duration(group.durations.percentile(fraction)));
        table.row(std::move(cells));
    }
    return table.render(terminal);
}

Result<int> show_stats(const GlobalOptions& options, const StatsOptions& wanted) {
    auto condition = to_condition(wanted.selection, realtime_now_ns());
    if (!condition) return std::move(condition).error();
    auto reader = open_database(options);
    if (!reader) return std::move(reader).error();
    std::vector<store::Field> by;
    for (const std::string& name : wanted.by) {
        auto field = parse_field(name);
        if (!field) return std::move(field).error().in("--by");
        by.push_back(std::move(*field));
    }
    Result<std::vector<Group>> groups = std::vector<Group>{};
    {
        ProgressLine progress("stats", options.quiet);
        groups = query::group_spans(
            **reader, *condition, by,
            [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total, "B"); });
    }
    if (!groups) return std::move(groups).error();
    remark_warnings(**reader, options);
    sort_by(*groups, wanted.sort);
    const std::size_t left_out = groups->size() - std::min(groups->size(), wanted.limit);
    groups->resize(groups->size() - left_out);
    if (groups->empty() && !options.quiet) remark("no span matches");
    if (auto done =
            print(options.json ? as_json(*groups, wanted.by) : as_table(*groups, wanted.by));
        !done) {
        return std::move(done).error();
    }
    if (left_out != 0 && !options.quiet)
        remark(fmt::format("{} more; --limit shows them", format_count(left_out)));
    return kExitOk;
}

}  // namespace

void add_stats(CLI::App& app, Session& session) {
    CLI::App* command = new_command(
        app, session, "stats", "Count spans and errors, and how long they took, in groups",
        "spanring stats\n"
        "spanring stats --by service,operation --sort p99 --since 1h\n"
        "spanring stats --service cart --by operation,status --json\n"
        "spanring stats --by .cloud.region --sort error-rate\n"
        "spanring stats --query '{ .http.status_code >= 500 }' --by service");
    auto wanted = std::make_shared<StatsOptions>();
    add_selection(*command, wanted->selection);
    command
        ->add_option("--by", wanted->by,
                     "What the spans of a group have in common: service, operation, kind, "
                     "status, scope, .KEY (an attribute)")
        ->delimiter(',')
        ->type_name("FIELD,...")
        ->capture_default_str();
    command->add_option("--sort", wanted->sort, "What most comes first by")
        ->check(CLI::IsMember({"spans", "errors", "error-rate", "p50", "p95", "p99"}))
        ->capture_default_str();
    command->add_option("-n,--limit", wanted->limit, "At most so many groups")
        ->check(CLI::PositiveNumber)
        ->type_name("N")
        ->capture_default_str();
    command->callback([&session, wanted] {
        session.action = [&session, wanted] { return show_stats(session.options, *wanted); };
    });
}

}  // namespace spanring::tools
