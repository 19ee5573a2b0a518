// `spanring traces`: find traces, newest or slowest first, page by page.
#include <fmt/format.h>

#include <memory>

#include "commands.hpp"
#include "json.hpp"
#include "select.hpp"
#include "spanring/codec/jsonl.hpp"
#include "spanring/query/field_value.hpp"
#include "spanring/query/search.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

using query::FoundSpans;
using query::FoundTrace;
using query::SearchResult;
using store::TraceSummary;

constexpr std::size_t kTracesDefault = 20;     // a screen
constexpr std::size_t kTracesLimit = 100'000;  // summaries are held in memory
constexpr std::size_t kServicesShown = 4;
constexpr std::size_t kFoundColumns = 60;

struct TracesOptions {
    Selection selection;
    query::SearchOptions search{.limit = kTracesDefault};
    bool slowest{false};
    std::string cursor;
    std::string budget;
};

void put_span(Json& json, const codec::Span& span, const query::Query& query) {
    json.open_object()
        .field("span_id", to_hex(span.span_id))
        .field("name", span.name)
        .field("start_ns", span.start_ns)
        .field("duration_ns", span.duration_ns)
        .key("selected")
        .open_object();
    for (const store::Field& field : query.select)
        if (const auto value = query::value_of(span, field))
            json.field(query::to_string(field), codec::text_of(*value));
    json.close_object().close_object();
}

void put_sets(Json& json, const std::vector<FoundSpans>& sets, const query::Query& query) {
    json.key("span_sets").open_array();
    for (const FoundSpans& set : sets) {
        json.open_object();
        if (query.group_by) json.field("group", set.group);
        json.field("matched", std::uint64_t{set.matched}).key("spans").open_array();
        for (const codec::Span& span : set.spans) put_span(json, span, query);
        json.close_array().close_object();
    }
    json.close_array();
}

std::string as_json(const SearchResult& result, const query::Query& query, bool with_sets) {
    Json json;
    json.open_object().key("traces").open_array();
    for (const auto& [trace, sets] : result.traces) {
        json.open_object()
            .field("trace_id", to_hex(trace.trace_id, trace.trace_id_64))
            .field("root_service", trace.root_service)
            .field("root_operation", trace.root_operation)
            .field("start_ns", trace.start_ns)
            .field("duration_ns", trace.duration_ns)
            .field("spans", trace.span_count)
            .field("errors", trace.error_count)
            .key("services")
            .open_array();
        for (const std::string& service : trace.services) json.value(service);
        json.close_array();
        if (with_sets) put_sets(json, sets, query);
        json.close_object();
    }
    json.close_array().field("partial", result.partial).field("next", result.next).close_object();
    return json.line();
}

std::string services_of(const TraceSummary& trace, const Terminal& terminal) {
    std::string out;
    for (std::size_t i = 0; i < trace.services.size() && i < kServicesShown; ++i) {
        const std::string name = cut_to_width(printable(trace.services[i]), 24);
        out += (i == 0 ? "" : " ") + terminal.paint(style_of_name(trace.services[i]), name);
    }
    if (trace.services.size() > kServicesShown) {
        out += fmt::format(" +{}", trace.services.size() - kServicesShown);
    }
    return out;
}

/// "3 spans, .region=eu": of each set, with what was selected of its first span.
std::string found_in(const std::vector<FoundSpans>& sets, const query::Query& query) {
    std::string out;
    for (const FoundSpans& set : sets) {
        if (!out.empty()) out += "; ";
        if (query.group_by) out += set.group.value_or("(none)") + ": ";
        out += format_count(set.matched);
        for (const store::Field& field : query.select) {
            const auto value =
                set.spans.empty() ? std::nullopt : query::value_of(set.spans.front(), field);
            if (value) out += " " + query::to_string(field) + "=" + codec::text_of(*value);
        }
    }
    return cut_to_width(printable(out), kFoundColumns);
}

std::string as_table(const SearchResult& result, const query::Query& query, bool with_sets) {
    const Terminal terminal = Terminal::of(1);
    std::vector<Table::Column> columns{{"TRACE"},
                                       {"ROOT", Table::Align::kLeft, 44},
                                       {"START"},
                                       {"DURATION", Table::Align::kRight},
                                       {"SPANS", Table::Align::kRight},
                                       {"ERRORS", Table::Align::kRight},
                                       {"SERVICES"}};
    if (with_sets) columns.push_back({"FOUND"});
    Table table(std::move(columns));
    for (const auto& [trace, sets] : result.traces) {
        const std::string root = trace.root_service.empty() && trace.root_operation.empty()
                                     ? "(root not seen)"
                                     : trace.root_service + " · " + trace.root_operation;
        std::vector<std::string> cells{
            to_hex(trace.trace_id, trace.trace_id_64),
            printable(root),
            format_time(trace.start_ns),
            format_duration(trace.duration_ns),
            format_count(trace.span_count),
            terminal.paint(trace.error_count == 0 ? Style::kDim : Style::kRed,
                           format_count(trace.error_count)),
            services_of(trace, terminal)};
        if (with_sets) cells.push_back(found_in(sets, query));
        table.row(std::move(cells));
    }
    return table.render(terminal);
}

Result<query::SearchOptions> search_options(const TracesOptions& wanted) {
    query::SearchOptions search = wanted.search;
    if (wanted.slowest) search.order = query::SearchOptions::Order::kSlowest;
    if (!wanted.cursor.empty()) search.cursor = wanted.cursor;
    auto budget = budget_flag(wanted.budget);
    if (!budget) return std::move(budget).error();
    search.budget = *budget;
    return search;
}

Result<int> find_traces(const GlobalOptions& options, const TracesOptions& wanted) {
    auto query = to_query(wanted.selection, realtime_now_ns());
    if (!query) return std::move(query).error();
    auto search = search_options(wanted);
    if (!search) return std::move(search).error();
    auto reader = open_database(options);
    if (!reader) return std::move(reader).error();
    auto result = query::search(**reader, *query, *search);
    if (!result) return std::move(result).error().in("traces");
    remark_warnings(**reader, options);
    const bool with_sets = !wanted.selection.query.empty();
    if (auto done = print(options.json ? as_json(*result, *query, with_sets)
                                       : as_table(*result, *query, with_sets));
        !done) {
        return std::move(done).error();
    }
    if (options.quiet || options.json) return kExitOk;
    if (result->partial)
        remark("the time was up before all was looked at; --budget gives more");
    else if (result->traces.empty())
        remark("no trace matches");
    if (result->next) remark("there are more: --cursor " + *result->next);
    return kExitOk;
}

}  // namespace

void add_traces(CLI::App& app, Session& session) {
    CLI::App* command =
        new_command(app, session, "traces", "Find traces, newest or slowest first",
                    "spanring traces\n"
                    "spanring traces --service cart --min 50ms --since 15m\n"
                    "spanring traces --error --attribute http.status_code=500 --limit 5\n"
                    "spanring traces --slowest --service cart\n"
                    "spanring traces --query '{ .http.status_code >= 500 || duration > 1s }'\n"
                    "spanring traces --query '{ kind = server } | count() > 3 | select(.user.id)'\n"
                    "spanring traces --json | jq -r '.traces[0].trace_id' | xargs spanring trace");
    auto wanted = std::make_shared<TracesOptions>();
    add_selection(*command, wanted->selection);
    command->add_option("-n,--limit", wanted->search.limit, "At most so many")
        ->check(CLI::Range(std::size_t{1}, kTracesLimit))
        ->type_name("N")
        ->capture_default_str();
    command->add_flag("--slowest", wanted->slowest, "Those with the longest matching span first");
    command->add_option("--cursor", wanted->cursor, "The page behind the one that gave this")
        ->type_name("CURSOR");
    command->add_option("--budget", wanted->budget, "Show what is found in so much time")
        ->type_name("TIME");
    command->callback([&session, wanted] {
        session.action = [&session, wanted] { return find_traces(session.options, *wanted); };
    });
}

}  // namespace spanring::tools
