// Which spans: the filter flags that `traces`, `export` and `tail` share, and opening the database
// that they ask. Threads: the main thread only.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands.hpp"
#include "spanring/query/traceql.hpp"
#include "spanring/store/database.hpp"

namespace spanring::tools {

/// The flags as the user typed them.
struct Selection {
    std::string service;
    std::string operation;
    std::string duration_min;
    std::string duration_max;
    std::string since;
    std::string until;
    std::vector<std::string> attributes;
    std::string query;
    bool errors{false};
};

/// The value of a flag that may be absent. Errors: kInvalidArgument, naming the flag.
[[nodiscard]] Result<std::optional<std::int64_t>> duration_flag(const char* flag,
                                                                const std::string& text);
[[nodiscard]] Result<std::optional<std::int64_t>> time_flag(const char* flag,
                                                            const std::string& text,
                                                            std::int64_t now_ns);
[[nodiscard]] Result<std::optional<std::chrono::milliseconds>> budget_flag(const std::string& text);

/// Adds --service, --operation, --min, --max, --since, --until, --attribute, --query, --error.
void add_selection(CLI::App& command, Selection& selection);

/// Returns the condition that the flags describe. `now_ns`: what relative times count from.
/// Errors: kInvalidArgument, naming the flag.
[[nodiscard]] Result<store::Condition> to_condition(const Selection& selection,
                                                    std::int64_t now_ns);

/// The same for who answers whole queries: each '{ ... }' of --query with the other flags. Errors:
/// kInvalidArgument, naming the flag.
[[nodiscard]] Result<query::Query> to_query(const Selection& selection, std::int64_t now_ns);

/// Returns the field that `text` spells as TraceQL does (.region, resource.host.name, kind), or by
/// one of the words service, operation, scope, scope-version. Errors: kInvalidArgument.
[[nodiscard]] Result<store::Field> parse_field(const std::string& text);

/// Opens the database that the options name.
[[nodiscard]] Result<std::unique_ptr<store::Reader>> open_database(const GlobalOptions& options);

/// Says on stderr what had to be skipped, the first few lines of it.
void remark_all(const std::vector<std::string>& warnings, const GlobalOptions& options);
/// The same of what the reader had to skip.
void remark_warnings(const store::Reader& reader, const GlobalOptions& options);

/// Returns the id that `text` spells in 32 or 16 hex digits. Errors: kInvalidArgument.
[[nodiscard]] Result<TraceId> parse_trace_id(const std::string& text);

}  // namespace spanring::tools
