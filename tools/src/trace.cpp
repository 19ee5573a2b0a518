// `spanring trace ID`: one trace as a tree with time bars across the terminal.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <utility>

#include "commands.hpp"
#include "json.hpp"
#include "select.hpp"
#include "spanring/analysis/critical_path.hpp"
#include "spanring/codec/jsonl.hpp"
#include "term.hpp"
#include "tree.hpp"
#include "value.hpp"

namespace spanring::tools {
namespace {

using codec::Span;
using codec::StatusCode;

constexpr std::size_t kDurationColumns = 9;  // "12.3 ms", "2 h 10 m"
constexpr std::size_t kBarColumnsMin = 16;
constexpr std::size_t kLabelColumnsMin = 24;
constexpr std::size_t kSpansHeld = 20'000;  // of one trace: some 20 MiB
constexpr std::size_t kFlushBytes = 64u << 10;
constexpr std::size_t kPathNameColumns = 40;
constexpr std::size_t kPathBarColumns = 40;

struct TraceOptions {
    std::string id;
    bool verbose{false};
    bool critical_path{false};
};

struct Columns {
    std::size_t label;
    std::size_t bar;
};

std::string label_text(const TreeRow& row) {
    return row.guides + printable(codec::service_of(*row.span)) + "  " + printable(row.span->name);
}

// The bars get what the labels leave, but at least a third of the line.
Columns share_line(const std::vector<TreeRow>& rows, const Terminal& terminal) {
    std::size_t widest = kLabelColumnsMin;
    for (const TreeRow& row : rows) widest = std::max(widest, display_width(label_text(row)));
    const std::size_t fixed = 2 + kDurationColumns + 2 + 2;  // mark, duration, gaps
    const std::size_t free = terminal.columns > fixed ? terminal.columns - fixed : 0;
    const std::size_t bar_min = std::max(kBarColumnsMin, free / 3);
    const std::size_t label_max = free > bar_min ? free - bar_min : kLabelColumnsMin;
    const std::size_t label = std::min(widest, label_max);
    return {label, free > label ? free - label : kBarColumnsMin};
}

std::string remarks_of(const TreeRow& row) {
    const Span& span = *row.span;
    std::string out;
    const auto add = [&](const char* text) { out += std::string(out.empty() ? "" : ", ") + text; };
    if (row.orphan) add("parent not seen");
    if (span.unfinished) add("unfinished");
    if (span.end_lost) add("end lost");
    if (span.truncated) add("truncated");
    if (!span.start_ns) add("no start time");
    return out;
}

std::string painted_label(const TreeRow& row, std::size_t columns, const Terminal& terminal) {
    const std::string service = codec::service_of(*row.span);
    const std::string whole = cut_to_width(label_text(row), columns);
    const std::string pad(columns - display_width(whole), ' ');
    if (!terminal.colour || whole.size() < row.guides.size()) return whole + pad;
    // The guides dim, the service in its colour, the name bold if it failed.
    const std::string rest = whole.substr(row.guides.size());
    const std::size_t service_bytes = std::min(printable(service).size(), rest.size());
    return terminal.paint(Style::kDim, row.guides) +
           terminal.paint(style_of_name(service), rest.substr(0, service_bytes)) +
           terminal.paint(row.span->status == StatusCode::kError ? Style::kBold : Style::kPlain,
                          rest.substr(service_bytes)) +
           pad;
}

std::string row_line(const TreeRow& row, const Extent& extent, const Columns& columns,
                     const Terminal& terminal) {
    const Span& span = *row.span;
    const bool failed = span.status == StatusCode::kError;
    const std::string duration =
        span.duration_ns ? format_duration(*span.duration_ns) : std::string("–");
    const std::string pad(kDurationColumns - std::min(kDurationColumns, display_width(duration)),
                          ' ');
    std::string line = failed ? terminal.paint(Style::kRed, "✗") + " " : "  ";
    line += painted_label(row, columns.label, terminal) + "  " + pad + duration + "  ";
    line += terminal.paint(failed ? Style::kRed : style_of_name(codec::service_of(span)),
                           time_bar(span, extent, columns.bar));
    line.erase(line.find_last_not_of(' ') + 1);
    line += "\n";
    const std::string margin(2 + display_width(row.guides), ' ');
    if (const std::string remarks = remarks_of(row); !remarks.empty()) {
        line += margin + terminal.paint(Style::kYellow, "(" + remarks + ")") + "\n";
    }
    if (failed && !span.status_message.empty()) {
        line += margin + terminal.paint(Style::kRed, printable(span.status_message)) + "\n";
    }
    return line;
}

void append_attributes(const codec::Attributes& attributes, const std::string& margin,
                       const Terminal& terminal, std::string* out) {
    for (const auto& [key, value] : attributes) {
        *out +=
            margin + terminal.paint(Style::kDim, printable(key) + " = ") + value_text(value) + "\n";
    }
}

std::string details_of(const TreeRow& row, const Terminal& terminal) {
    const Span& span = *row.span;
    const std::string margin(4 + display_width(row.guides), ' ');
    const auto dim = [&](const std::string& text) { return terminal.paint(Style::kDim, text); };
    std::string out = margin + dim("span " + to_hex(span.span_id));
    if (span.kind != codec::SpanKind::kUnset)
        out += dim(fmt::format(" · {}", to_string(span.kind)));
    if (span.start_ns) out += dim(" · " + format_time(*span.start_ns));
    out += "\n";
    append_attributes(span.attributes, margin, terminal, &out);
    for (const codec::Event& event : span.events) {
        const std::string offset =
            span.start_ns ? "+" + format_duration(event.time_ns - *span.start_ns) + " " : "";
        out += margin + "• " + dim(offset) + printable(event.name) + "\n";
        append_attributes(event.attributes, margin + "    ", terminal, &out);
    }
    for (const codec::Link& link : span.links) {
        out += margin + "↗ " + dim("linked to ") + to_hex(link.trace_id, link.trace_id_64) + " " +
               to_hex(link.span_id) + "\n";
        append_attributes(link.attributes, margin + "    ", terminal, &out);
    }
    return out;
}

std::string headline(const std::vector<Span>& spans, const Extent& extent,
                     const Terminal& terminal) {
    std::set<std::string> services;
    std::uint64_t errors = 0;
    for (const Span& span : spans) {
        services.insert(codec::service_of(span));
        errors += span.status == StatusCode::kError ? 1 : 0;
    }
    const auto plural = [](std::uint64_t n, const char* word) {
        return fmt::format("{} {}{}", format_count(n), word, n == 1 ? "" : "s");
    };
    const Span& any = spans.front();
    std::string out =
        terminal.paint(Style::kBold, "trace " + to_hex(any.trace_id, any.trace_id_64));
    out += "\n" + format_time(extent.start_ns) + " · " + format_duration(extent.duration_ns()) +
           " · " + plural(spans.size(), "span") + " · " + plural(services.size(), "service");
    if (errors != 0) out += " · " + terminal.paint(Style::kRed, plural(errors, "error"));
    return out + "\n\n";
}

std::string as_tree(const std::vector<Span>& spans, bool verbose) {
    const Terminal terminal = Terminal::of(1);
    const Extent extent = extent_of(spans);
    const std::vector<TreeRow> rows = lay_out_tree(spans);
    const Columns columns = share_line(rows, terminal);
    std::string out = headline(spans, extent, terminal);
    for (const TreeRow& row : rows) {
        out += row_line(row, extent, columns, terminal);
        if (verbose) out += details_of(row, terminal);
    }
    return out;
}

/// One span of an array, a line.
std::string json_of(const Span& span, bool first) {
    std::string line = codec::to_jsonl(span);
    while (!line.empty() && line.back() == '\n') line.pop_back();
    return (first ? "[" : ",\n ") + line;
}

std::string as_json(const std::vector<Span>& spans) {
    std::string out;
    for (const Span& span : spans) out += json_of(span, out.empty());
    return out + "]\n";
}

/// What of a trace is held in memory, by start: all of it, or the first spans that were found of
/// one that is larger than kSpansHeld.
struct HeldTrace {
    std::vector<Span> spans;
    std::uint64_t count{0};  ///< of all
};

/// Finds the spans; `overflow` takes those that are not held, one after the other, the held ones
/// first. False from it: stop.
Result<HeldTrace> find_trace(store::Reader& reader, const TraceId& id,
                             const std::function<bool(const Span&)>& overflow) {
    HeldTrace trace;
    bool goes_on = true;
    auto visited = reader.visit(
        store::Condition::compare(store::Property::kTraceId, store::Operator::kEqual, id),
        [&](const Span& span) {
            ++trace.count;
            if (trace.count <= kSpansHeld) {
                trace.spans.push_back(span);
                return true;
            }
            if (trace.count == kSpansHeld + 1)
                for (const Span& held : trace.spans) goes_on = goes_on && overflow(held);
            goes_on = goes_on && overflow(span);
            return goes_on;
        });
    if (!visited) return std::move(visited).error();
    std::ranges::stable_sort(trace.spans, {}, [](const Span& span) {
        return span.start_ns.value_or(std::numeric_limits<std::int64_t>::min());
    });
    return trace;
}

std::string path_json(const std::vector<Span>& spans,
                      const std::vector<analysis::PathSegment>& path) {
    Json json;
    json.open_array();
    for (const analysis::PathSegment& segment : path) {
        const Span& span = spans[segment.span];
        json.open_object()
            .field("span_id", to_hex(span.span_id))
            .field("service", codec::service_of(span))
            .field("operation", span.name)
            .field("start_ns", segment.time.start_ns)
            .field("duration_ns", segment.time.length_ns())
            .close_object();
    }
    json.close_array();
    return json.line();
}

std::string share_text(std::int64_t part, std::int64_t whole) {
    return fmt::format(
        "{:.1f} %",
        whole == 0 ? 0.0 : 100 * static_cast<double>(part) / static_cast<double>(whole));
}

/// The segments in the order of time, then what each operation took of them.
std::string path_text(const std::vector<Span>& spans,
                      const std::vector<analysis::PathSegment>& path) {
    const Terminal terminal = Terminal::of(1);
    std::string out = headline(spans, extent_of(spans), terminal);
    if (path.empty()) return out + "no span took any time\n";
    const analysis::Interval whole{path.front().time.start_ns, path.back().time.end_ns};
    const Extent extent{whole.start_ns, whole.end_ns};
    const auto name = [&](const std::string& service, const std::string& operation) {
        return terminal.paint(style_of_name(service), printable(service)) + "  " +
               cut_to_width(printable(operation), kPathNameColumns);
    };
    Table segments({{"AT", Table::Align::kRight},
                    {"TIME", Table::Align::kRight},
                    {"SPENT IN"},
                    {"CRITICAL PATH"}});
    for (const analysis::PathSegment& segment : path) {
        Span drawn;
        drawn.start_ns = segment.time.start_ns;
        drawn.duration_ns = segment.time.length_ns();
        const Span& span = spans[segment.span];
        segments.row({format_duration(segment.time.start_ns - whole.start_ns),
                      format_duration(segment.time.length_ns()),
                      name(codec::service_of(span), span.name),
                      time_bar(drawn, extent, kPathBarColumns)});
    }
    Table shares({{"SHARE", Table::Align::kRight},
                  {"TIME", Table::Align::kRight},
                  {"SPANS", Table::Align::kRight},
                  {"OPERATION"}});
    for (const analysis::PathShare& share : analysis::shares_of(spans, path))
        shares.row({share_text(share.time_ns, whole.length_ns()), format_duration(share.time_ns),
                    format_count(share.spans), name(share.service, share.operation)});
    return out + segments.render(terminal) + "\n" + shares.render(terminal);
}

std::string as_path(const std::vector<Span>& spans, bool json) {
    const auto path = analysis::critical_path(spans);
    return json ? path_json(spans, path) : path_text(spans, path);
}

Result<int> show_trace(const GlobalOptions& options, const TraceOptions& wanted) {
    auto id = parse_trace_id(wanted.id);
    if (!id) return std::move(id).error();
    auto reader = open_database(options);
    if (!reader) return std::move(reader).error();
    // A large trace is written while it is read, in the order of the log.
    Result<void> written;
    std::string pending;
    bool first = true;
    const auto stream = [&](const Span& span) {
        if (!options.json || wanted.critical_path) return true;
        pending += json_of(span, std::exchange(first, false));
        if (pending.size() < kFlushBytes) return true;
        written = print(std::exchange(pending, {}));
        return written.ok();
    };
    auto trace = find_trace(**reader, *id, stream);
    remark_warnings(**reader, options);
    if (!trace) return std::move(trace).error();
    if (!written) return std::move(written).error();
    if (trace->count == 0) {
        auto path = database_path(options);
        return Error{ErrorCode::kNotFound,
                     fmt::format("no trace {} in {}; `spanring traces` lists those there are",
                                 wanted.id, path ? *path : "the database")};
    }
    const bool cut = trace->count > kSpansHeld;
    if (cut && wanted.critical_path)
        return Error{ErrorCode::kInvalidArgument,
                     fmt::format("the trace has {} spans; a critical path is shown of up to {}",
                                 format_count(trace->count), format_count(kSpansHeld))};
    std::string out = wanted.critical_path ? as_path(trace->spans, options.json)
                      : !options.json      ? as_tree(trace->spans, wanted.verbose)
                      : cut                ? pending + "]\n"
                                           : as_json(trace->spans);
    if (auto done = print(out); !done) return std::move(done).error();
    if (cut && !options.json && !options.quiet)
        remark(fmt::format("these are {} of {} spans; --json writes them all",
                           format_count(kSpansHeld), format_count(trace->count)));
    return kExitOk;
}

}  // namespace

void add_trace(CLI::App& app, Session& session) {
    CLI::App* command = new_command(app, session, "trace", "Show a trace as a tree with time bars",
                                    "spanring trace 4bf92f3577b34da6a3ce929d0e0e4736\n"
                                    "spanring trace -v 4bf92f3577b34da6a3ce929d0e0e4736\n"
                                    "spanring trace --critical-path "
                                    "4bf92f3577b34da6a3ce929d0e0e4736\n"
                                    "spanring trace --json 4bf92f3577b34da6a3ce929d0e0e4736");
    auto wanted = std::make_shared<TraceOptions>();
    command->add_option("ID", wanted->id, "Trace id: 32 hex digits (or 16)")->required();
    command->add_flag("-v,--verbose", wanted->verbose, "Attributes, events and links too");
    command->add_flag("--critical-path", wanted->critical_path,
                      "Which spans the trace waited for, one after the other");
    command->callback([&session, wanted] {
        session.action = [&session, wanted] { return show_trace(session.options, *wanted); };
    });
}

}  // namespace spanring::tools
