// `spanring traces`: find traces, newest first.
#include <fmt/format.h>

#include <memory>

#include "commands.hpp"
#include "json.hpp"
#include "select.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

using store::TraceSummary;

constexpr std::size_t kTracesDefault = 20;     // a screen
constexpr std::size_t kTracesLimit = 100'000;  // summaries are held in memory
constexpr std::size_t kServicesShown = 4;

struct TracesOptions {
    Selection selection;
    std::size_t limit{kTracesDefault};
};

std::string as_json(const std::vector<TraceSummary>& traces) {
    Json json;
    json.open_array();
    for (const TraceSummary& trace : traces) {
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
        json.close_array().close_object();
    }
    json.close_array();
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

std::string as_table(const std::vector<TraceSummary>& traces) {
    const Terminal terminal = Terminal::of(1);
    Table table({{"TRACE"},
                 {"ROOT", Table::Align::kLeft, 44},
                 {"START"},
                 {"DURATION", Table::Align::kRight},
                 {"SPANS", Table::Align::kRight},
                 {"ERRORS", Table::Align::kRight},
                 {"SERVICES"}});
    for (const TraceSummary& trace : traces) {
        const std::string root = trace.root_service.empty() && trace.root_operation.empty()
                                     ? "(root not seen)"
                                     : trace.root_service + " · " + trace.root_operation;
        table.row({to_hex(trace.trace_id, trace.trace_id_64), printable(root),
                   format_time(trace.start_ns), format_duration(trace.duration_ns),
                   format_count(trace.span_count),
                   terminal.paint(trace.error_count == 0 ? Style::kDim : Style::kRed,
                                  format_count(trace.error_count)),
                   services_of(trace, terminal)});
    }
    return table.render(terminal);
}

Result<int> find_traces(const GlobalOptions& options, const TracesOptions& wanted) {
    auto condition = to_condition(wanted.selection, realtime_now_ns());
    if (!condition) return std::move(condition).error();
    auto reader = open_database(options);
    if (!reader) return std::move(reader).error();
    auto traces = (*reader)->traces(*condition, wanted.limit);
    if (!traces) return std::move(traces).error();
    remark_warnings(**reader, options);
    if (traces->empty() && !options.quiet) remark("no trace matches");
    if (auto done = print(options.json ? as_json(*traces) : as_table(*traces)); !done) {
        return std::move(done).error();
    }
    return kExitOk;
}

}  // namespace

void add_traces(CLI::App& app, Session& session) {
    CLI::App* command =
        new_command(app, session, "traces", "Find traces, newest first",
                    "spanring traces\n"
                    "spanring traces --service cart --min 50ms --since 15m\n"
                    "spanring traces --error --attribute http.status_code=500 --limit 5\n"
                    "spanring traces --query '{ .http.status_code >= 500 || duration > 1s }'\n"
                    "spanring traces --json | jq -r '.[0].trace_id' | xargs spanring trace");
    auto wanted = std::make_shared<TracesOptions>();
    add_selection(*command, wanted->selection);
    command->add_option("-n,--limit", wanted->limit, "At most so many")
        ->check(CLI::Range(std::size_t{1}, kTracesLimit))
        ->type_name("N")
        ->capture_default_str();
    command->callback([&session, wanted] {
        session.action = [&session, wanted] { return find_traces(session.options, *wanted); };
    });
}

}  // namespace spanring::tools
