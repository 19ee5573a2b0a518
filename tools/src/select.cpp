#include "select.hpp"

#include <fmt/format.h>

#include "spanring/query/traceql.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

constexpr std::size_t kWarningsShown = 5;  // one broken disk block can make thousands

Error wrong_query(const std::string& what) {
    return {ErrorCode::kInvalidArgument, "--query: " + what};
}

Result<query::Query> parse_query(const std::string& text) {
    query::Fault fault;
    auto parsed = query::parse(text, &fault);
    if (!parsed) return wrong_query(fault.line() + " in " + text);
    return std::move(*parsed);
}

// The spans that a TraceQL query names: what it says of whole traces is not for all commands.
Result<store::Condition> spans_of_query(const std::string& text) {
    const auto parsed = parse_query(text);
    if (!parsed) return parsed.error();
    query::Query spans_alone;
    spans_alone.spans.condition = parsed->spans.condition;
    if (*parsed != spans_alone)
        return wrong_query("one '{ ... }' is expected, and nothing behind it");
    if (auto matcher = store::Matcher::make(parsed->spans.condition); !matcher)
        return wrong_query(matcher.error().message);
    return parsed->spans.condition;
}

void add_to_each(query::Spanset& set, const store::Condition& condition) {
    if (set.kind == query::Spanset::Kind::kOne) {
        if (set.condition == store::Condition{}) {
            set.condition = condition;
        } else if (condition != store::Condition{}) {
            set.condition = store::Condition::all_of({condition, std::move(set.condition)});
        }
    }
    for (query::Spanset& child : set.children) add_to_each(child, condition);
}

}  // namespace

Result<std::optional<std::int64_t>> duration_flag(const char* flag, const std::string& text) {
    if (text.empty()) return std::optional<std::int64_t>();
    auto ns = parse_duration(text);
    if (!ns) return std::move(ns).error().in(flag);
    return std::optional<std::int64_t>(*ns);
}

Result<std::optional<std::int64_t>> time_flag(const char* flag, const std::string& text,
                                              std::int64_t now_ns) {
    if (text.empty()) return std::optional<std::int64_t>();
    auto ns = parse_time(text, now_ns);
    if (!ns) return std::move(ns).error().in(flag);
    return std::optional<std::int64_t>(*ns);
}

Result<std::optional<std::chrono::milliseconds>> budget_flag(const std::string& text) {
    const auto ns = duration_flag("--budget", text);
    if (!ns) return ns.error();
    if (!*ns) return std::optional<std::chrono::milliseconds>();
    return std::optional<std::chrono::milliseconds>(**ns / 1'000'000);
}

void add_selection(CLI::App& command, Selection& selection) {
    constexpr const char* kGroup = "Which spans";
    const auto option = [&](const char* name, std::string& target, const char* type,
                            const char* what) {
        command.add_option(name, target, what)->type_name(type)->group(kGroup);
    };
    option("-s,--service", selection.service, "NAME", "Of this service");
    option("--operation", selection.operation, "NAME", "With this name");
    option("--min", selection.duration_min, "TIME", "At least this long (1.5ms, 2s)");
    option("--max", selection.duration_max, "TIME", "At most this long");
    option("--since", selection.since, "TIME", "Started since (15m ago, or a date, RFC 3339)");
    option("--until", selection.until, "TIME", "Started before");
    command
        .add_option("-a,--attribute", selection.attributes,
                    "With this attribute (may be repeated: all must match)")
        ->type_name("KEY=VALUE")
        ->group(kGroup);
    option("--query", selection.query, "TRACEQL",
           "That match: { span.code >= 500 && (duration > 1s || name =~ \"GET .*\") }");
    command.add_flag("-e,--error", selection.errors, "With an error")->group(kGroup);
}

namespace {

// All but --query.
Result<store::Condition> condition_of_flags(const Selection& selection, std::int64_t now_ns) {
    store::SpanFilter filter;
    if (!selection.service.empty()) filter.service = selection.service;
    if (!selection.operation.empty()) filter.operation = selection.operation;
    filter.errors_only = selection.errors;

    auto shortest = duration_flag("--min", selection.duration_min);
    if (!shortest) return std::move(shortest).error();
    auto longest = duration_flag("--max", selection.duration_max);
    if (!longest) return std::move(longest).error();
    auto since = time_flag("--since", selection.since, now_ns);
    if (!since) return std::move(since).error();
    auto until = time_flag("--until", selection.until, now_ns);
    if (!until) return std::move(until).error();
    filter.duration_ns_min = *shortest;
    filter.duration_ns_max = *longest;
    filter.since_ns = *since;
    filter.until_ns = *until;

    for (const std::string& pair : selection.attributes) {
        const std::size_t equals = pair.find('=');
        if (equals == std::string::npos || equals == 0) {
            return Error{ErrorCode::kInvalidArgument,
                         fmt::format("--attribute: '{}' has no '='; give KEY=VALUE", pair)};
        }
        filter.attributes.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
    }
    return store::Condition(filter);
}

}  // namespace

Result<store::Condition> to_condition(const Selection& selection, std::int64_t now_ns) {
    auto flags = condition_of_flags(selection, now_ns);
    if (!flags || selection.query.empty()) return flags;
    auto query = spans_of_query(selection.query);
    if (!query) return std::move(query).error();
    return store::Condition::all_of({std::move(*flags), std::move(*query)});
}

Result<query::Query> to_query(const Selection& selection, std::int64_t now_ns) {
    auto flags = condition_of_flags(selection, now_ns);
    if (!flags) return std::move(flags).error();
    query::Query query;
    if (!selection.query.empty()) {
        auto parsed = parse_query(selection.query);
        if (!parsed) return std::move(parsed).error();
        query = std::move(*parsed);
    }
    add_to_each(query.spans, *flags);
    return query;
}

Result<store::Field> parse_field(const std::string& text) {
    using store::Property;
    static const std::vector<std::pair<std::string, Property>> kWords{
        {"service", Property::kService},
        {"operation", Property::kName},
        {"scope", Property::kScopeName},
        {"scope-version", Property::kScopeVersion}};
    for (const auto& [word, property] : kWords)
        if (text == word) return store::Field{property, store::Scope::kAny, {}};
    query::Fault fault;
    const auto parsed = query::parse("{} | by(" + text + ")", &fault);
    if (parsed && parsed->group_by) return *parsed->group_by;
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("'{}' is no field: service, operation, kind, status, scope, "
                             "scope-version, or an attribute: .KEY, span.KEY, resource.KEY",
                             text)};
}

Result<std::unique_ptr<store::Reader>> open_database(const GlobalOptions& options) {
    auto path = database_path(options);
    if (!path) return std::move(path).error();
    return store::Reader::open(*path);
}

void remark_all(const std::vector<std::string>& warnings, const GlobalOptions& options) {
    if (options.quiet) return;
    for (std::size_t i = 0; i < warnings.size() && i < kWarningsShown; ++i) {
        remark("skipped: " + warnings[i]);
    }
    if (warnings.size() > kWarningsShown) {
        remark(fmt::format("skipped: {} more; `spanring fsck` lists them all",
                           warnings.size() - kWarningsShown));
    }
}

void remark_warnings(const store::Reader& reader, const GlobalOptions& options) {
    remark_all(reader.warnings(), options);
}

Result<TraceId> parse_trace_id(const std::string& text) {
    TraceId id;
    if (from_hex(text, &id) && id.valid()) return id;
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("'{}' is no trace id; give 32 (or 16) hex digits, as `spanring "
                             "traces` shows them",
                             text)};
}

}  // namespace spanring::tools
