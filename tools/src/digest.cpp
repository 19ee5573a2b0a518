// `spanring deps`: who calls whom. `spanring attributes`: keys and their most frequent values. Both
// read what the catalogue has summed up.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>

#include "commands.hpp"
#include "json.hpp"
#include "select.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

using store::AttributeSummary;
using store::Digest;
using store::DurationCounts;

constexpr std::size_t kNameColumns = 40;
constexpr std::size_t kValuesShown = 5;

struct DigestOptions {
    std::string since;
    std::string until;
    std::string key;
    bool dot{false};
};

Result<Digest> digest_of(store::Reader& reader, const GlobalOptions& options,
                         const DigestOptions& wanted) {
    const std::int64_t now = realtime_now_ns();
    const auto from = time_flag("--since", wanted.since, now);
    if (!from) return from.error();
    const auto until = time_flag("--until", wanted.until, now);
    if (!until) return until.error();
    ProgressLine progress("summing up", options.quiet);
    auto digest = reader.digest(
        from->value_or(std::numeric_limits<std::int64_t>::min()),
        until->value_or(std::numeric_limits<std::int64_t>::max()),
        [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total, "B"); });
    progress.clear();
    remark_warnings(reader, options);
    return digest;
}

struct Edge {
    std::uint64_t calls{0};
    std::uint64_t errors{0};
    DurationCounts durations;
};
using Edges = std::map<std::pair<std::string, std::string>, Edge>;

/// Over all steps of time.
Edges edges_of(const Digest& digest) {
    Edges edges;
    for (const store::ServiceEdge& one : digest.edges) {
        Edge& edge = edges[{one.caller, one.callee}];
        edge.calls += one.calls;
        edge.errors += one.errors;
        edge.durations.add(one.durations);
    }
    return edges;
}

std::string as_json(const Edges& edges) {
    Json json;
    json.open_array();
    for (const auto& [names, edge] : edges)
        json.open_object()
            .field("caller", names.first)
            .field("callee", names.second)
            .field("calls", edge.calls)
            .field("errors", edge.errors)
            .field("p50_ns", edge.durations.percentile(0.5))
            .field("p99_ns", edge.durations.percentile(0.99))
            .close_object();
    json.close_array();
    return json.line();
}

std::string quoted(const std::string& name) {
    std::string out = "\"";
    for (const char c : printable(name))
        out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    return out + "\"";
}

/// For Graphviz.
std::string as_dot(const Edges& edges) {
    std::string out = "digraph services {\n  rankdir=LR;\n  node [shape=box];\n";
    for (const auto& [names, edge] : edges)
        out += fmt::format("  {} -> {} [label=\"{}, p99 {}\"{}];\n", quoted(names.first),
                           quoted(names.second), format_count(edge.calls),
                           format_duration(edge.durations.percentile(0.99)),
                           edge.errors == 0 ? "" : " color=red");
    return out + "}\n";
}

std::string as_table(const Edges& edges) {
    const Terminal terminal = Terminal::of(1);
    Table table({{"CALLER"},
                 {"CALLEE"},
                 {"CALLS", Table::Align::kRight},
                 {"ERRORS", Table::Align::kRight},
                 {"P50", Table::Align::kRight},
                 {"P99", Table::Align::kRight}});
    const auto name = [&](const std::string& service) {
        return terminal.paint(style_of_name(service),
                              cut_to_width(printable(service), kNameColumns));
    };
    for (const auto& [names, edge] : edges)
        table.row({name(names.first), name(names.second), format_count(edge.calls),
                   terminal.paint(edge.errors == 0 ? Style::kDim : Style::kRed,
                                  format_count(edge.errors)),
                   format_duration(edge.durations.percentile(0.5)),
                   format_duration(edge.durations.percentile(0.99))});
    return table.render(terminal);
}

Result<int> show_deps(const GlobalOptions& options, const DigestOptions& wanted) {
    auto reader = open_database(options);
    if (!reader) return std::move(reader).error();
    const auto digest = digest_of(**reader, options, wanted);
    if (!digest) return digest.error();
    const Edges edges = edges_of(*digest);
    if (edges.empty() && !options.quiet) remark("no service calls another");
    if (auto done = print(options.json ? as_json(edges)
                          : wanted.dot ? as_dot(edges)
                                       : as_table(edges));
        !done)
        return std::move(done).error();
    return kExitOk;
}

std::string as_json(const std::vector<AttributeSummary>& attributes) {
    Json json;
    json.open_array();
    for (const AttributeSummary& one : attributes) {
        json.open_object().field("key", one.key).field("spans", one.spans).key("values");
        json.open_array();
        for (const auto& [value, times] : one.values)
            json.open_object().field("value", value).field("spans", times).close_object();
        json.close_array().close_object();
    }
    json.close_array();
    return json.line();
}

std::string as_table(const std::vector<AttributeSummary>& attributes) {
    Table table({{"KEY"}, {"SPANS", Table::Align::kRight}, {"MOST FREQUENT"}});
    for (const AttributeSummary& one : attributes) {
        std::string values;
        for (std::size_t i = 0; i < std::min(one.values.size(), kValuesShown); ++i)
            values += (i == 0 ? "" : ", ") + one.values[i].first;
        if (one.values.size() > kValuesShown) values += ", ...";
        table.row({cut_to_width(printable(one.key), kNameColumns), format_count(one.spans),
                   cut_to_width(printable(values), 2 * kNameColumns)});
    }
    return table.render(Terminal::of(1));
}

std::string values_table(const AttributeSummary& one) {
    Table table({{"VALUE"}, {"SPANS", Table::Align::kRight}});
    for (const auto& [value, times] : one.values)
        table.row({cut_to_width(printable(value), 2 * kNameColumns), format_count(times)});
    return table.render(Terminal::of(1));
}

Result<int> show_attributes(const GlobalOptions& options, const DigestOptions& wanted) {
    auto reader = open_database(options);
    if (!reader) return std::move(reader).error();
    auto digest = digest_of(**reader, options, wanted);
    if (!digest) return std::move(digest).error();
    auto& attributes = digest->attributes;
    if (!wanted.key.empty()) {
        std::erase_if(attributes, [&](const auto& one) { return one.key != wanted.key; });
        if (attributes.empty())
            return Error{ErrorCode::kNotFound, "no span has an attribute '" + wanted.key +
                                                   "'; `spanring attributes` lists the keys"};
    }
    std::string out;
    if (options.json)
        out = as_json(attributes);
    else
        out = wanted.key.empty() ? as_table(attributes) : values_table(attributes.front());
    if (auto done = print(out); !done) return std::move(done).error();
    return kExitOk;
}

}  // namespace

void add_deps(CLI::App& app, Session& session) {
    CLI::App* command = new_command(app, session, "deps", "Show which service calls which",
                                    "spanring deps\n"
                                    "spanring deps --since 1h --json\n"
                                    "spanring deps --dot | dot -Tsvg > services.svg");
    auto wanted = std::make_shared<DigestOptions>();
    command->add_option("--since", wanted->since, "Calls since then (1h ago, or a date, RFC 3339)")
        ->type_name("TIME");
    command->add_option("--until", wanted->until, "Calls before")->type_name("TIME");
    command->add_flag("--dot", wanted->dot, "A graph for Graphviz");
    command->callback([&session, wanted] {
        session.action = [&session, wanted] { return show_deps(session.options, *wanted); };
    });
}

void add_attributes(CLI::App& app, Session& session) {
    CLI::App* command =
        new_command(app, session, "attributes", "List attributes and their most frequent values",
                    "spanring attributes\n"
                    "spanring attributes http.response.status_code");
    auto wanted = std::make_shared<DigestOptions>();
    command->add_option("key", wanted->key, "The values of this one")->type_name("KEY");
    command->callback([&session, wanted] {
        session.action = [&session, wanted] { return show_attributes(session.options, *wanted); };
    });
}

}  // namespace spanring::tools
