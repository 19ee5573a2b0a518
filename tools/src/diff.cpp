// `spanring diff A B`: two traces, or two ranges of time, operation by operation.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "commands.hpp"
#include "json.hpp"
#include "select.hpp"
#include "spanring/analysis/difference.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

using analysis::OperationDifference;
using analysis::Side;

constexpr std::size_t kRowsDefault = 30;
constexpr std::size_t kNameMax = 36;

struct DiffOptions {
    std::string before;
    std::string after;
    Selection selection;
    std::size_t limit{kRowsDefault};
};

struct Differences {
    std::vector<OperationDifference> operations;
    bool of_traces{false};
};

Result<std::vector<codec::Span>> trace_of(store::Reader& reader, const std::string& text) {
    auto id = parse_trace_id(text);
    if (!id) return std::move(id).error();
    return reader.trace(*id);
}

/// "FROM..TO"; none: it is no range.
std::optional<std::pair<std::string, std::string>> range_of(const std::string& text) {
    const std::size_t dots = text.find("..");
    if (dots == std::string::npos) return std::nullopt;
    return std::pair(text.substr(0, dots), text.substr(dots + 2));
}

Result<std::vector<query::Group>> groups_of(store::Reader& reader, const DiffOptions& wanted,
                                            const std::pair<std::string, std::string>& range,
                                            const GlobalOptions& options) {
    Selection selection = wanted.selection;
    selection.since = range.first;
    selection.until = range.second;
    auto condition = to_condition(selection, realtime_now_ns());
    if (!condition) return std::move(condition).error();
    const auto field = [](store::Property property) {
        return store::Field{property, store::Scope::kAny, {}};
    };
    ProgressLine progress("diff", options.quiet);
    return query::group_spans(
        reader, *condition, {field(store::Property::kService), field(store::Property::kName)},
        [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total, "B"); });
}

Result<Differences> compare(store::Reader& reader, const DiffOptions& wanted,
                            const GlobalOptions& options) {
    const auto before = range_of(wanted.before);
    const auto after = range_of(wanted.after);
    if (before.has_value() != after.has_value())
        return Error{ErrorCode::kInvalidArgument,
                     "diff: give two trace ids, or two ranges of time as 2h..1h"};
    if (!before) {
        auto a = trace_of(reader, wanted.before);
        if (!a) return std::move(a).error();
        auto b = trace_of(reader, wanted.after);
        if (!b) return std::move(b).error();
        return Differences{analysis::difference_of(*a, *b), true};
    }
    auto a = groups_of(reader, wanted, *before, options);
    if (!a) return std::move(a).error();
    auto b = groups_of(reader, wanted, *after, options);
    if (!b) return std::move(b).error();
    return Differences{analysis::difference_of(*a, *b), false};
}

void put_side(Json& json, const char* name, const Side& side, bool of_traces) {
    json.key(name)
        .open_object()
        .field("spans", side.spans)
        .field("errors", side.errors)
        .field("p50_ns", side.p50_ns)
        .field("p99_ns", side.p99_ns);
    if (of_traces) json.field("self_ns", side.self_ns);
    json.close_object();
}

std::string as_json(const Differences& differences) {
    Json json;
    json.open_array();
    for (const OperationDifference& one : differences.operations) {
        json.open_object().field("service", one.service).field("operation", one.operation);
        put_side(json, "before", one.before, differences.of_traces);
        put_side(json, "after", one.after, differences.of_traces);
        json.close_object();
    }
    json.close_array();
    return json.line();
}

std::string time_text(const Side& side, std::int64_t ns) {
    return side.spans == 0 ? "-" : format_duration(ns);
}

std::string change_text(std::int64_t before, std::int64_t after) {
    const std::int64_t change = after - before;
    if (change == 0) return "=";
    return (change > 0 ? "+" : "-") + format_duration(change > 0 ? change : -change);
}

std::string as_table(const Differences& differences, std::size_t limit) {
    const Terminal terminal = Terminal::of(1);
    const char* const what = differences.of_traces ? "SELF" : "P99";
    Table table({{"SERVICE", Table::Align::kLeft, 24},
                 {"OPERATION", Table::Align::kLeft, kNameMax},
                 {"SPANS A", Table::Align::kRight},
                 {"B", Table::Align::kRight},
                 {"ERRORS A", Table::Align::kRight},
                 {"B", Table::Align::kRight},
                 {std::string(what) + " A", Table::Align::kRight},
                 {"B", Table::Align::kRight},
                 {"CHANGE", Table::Align::kRight}});
    for (std::size_t i = 0; i < std::min(limit, differences.operations.size()); ++i) {
        const OperationDifference& one = differences.operations[i];
        const std::int64_t a = differences.of_traces ? one.before.self_ns : one.before.p99_ns;
        const std::int64_t b = differences.of_traces ? one.after.self_ns : one.after.p99_ns;
        const Style style = b > a ? Style::kRed : b < a ? Style::kGreen : Style::kDim;
        table.row({printable(one.service), printable(one.operation), format_count(one.before.spans),
                   format_count(one.after.spans), format_count(one.before.errors),
                   format_count(one.after.errors), time_text(one.before, a),
                   time_text(one.after, b), terminal.paint(style, change_text(a, b))});
    }
    return table.render(terminal);
}

Result<int> show_diff(const GlobalOptions& options, const DiffOptions& wanted) {
    auto reader = open_database(options);
    if (!reader) return std::move(reader).error();
    auto differences = compare(**reader, wanted, options);
    if (!differences) return std::move(differences).error();
    remark_warnings(**reader, options);
    if (differences->operations.empty() && !options.quiet) remark("no span on either side");
    if (auto done =
            print(options.json ? as_json(*differences) : as_table(*differences, wanted.limit));
        !done)
        return std::move(done).error();
    if (!options.json && !options.quiet && differences->operations.size() > wanted.limit)
        remark(fmt::format("{} more operations; --limit shows them",
                           differences->operations.size() - wanted.limit));
    return kExitOk;
}

}  // namespace

void add_diff(CLI::App& app, Session& session) {
    CLI::App* command = new_command(
        app, session, "diff", "Compare two traces, or two ranges of time, by operation",
        "spanring diff 2h..1h 1h..0s\n"
        "spanring diff 2026-11-22T09:00:00Z..2026-11-22T10:00:00Z 1h..0s --service cart\n"
        "spanring diff 4bf92f3577b34da6a3ce929d0e0e4736 7ab1f6d4cc0b4b3b9d0b8e1f2a3c4d5e");
    auto wanted = std::make_shared<DiffOptions>();
    command->add_option("A", wanted->before, "A trace id, or FROM..TO")->required();
    command->add_option("B", wanted->after, "The same, of what to compare it with")->required();
    command->add_option("-s,--service", wanted->selection.service, "Of this service")
        ->type_name("NAME");
    command->add_option("--query", wanted->selection.query, "Spans that match")
        ->type_name("TRACEQL");
    command->add_option("-n,--limit", wanted->limit, "At most so many operations")
        ->check(CLI::PositiveNumber)
        ->type_name("N")
        ->capture_default_str();
    command->callback([&session, wanted] {
        session.action = [&session, wanted] { return show_diff(session.options, *wanted); };
    });
}

}  // namespace spanring::tools
