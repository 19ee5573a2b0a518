#include "columns.hpp"

#include <array>
#include <memory>
#include <new>
#include <set>

#include "sqlite_api.hpp"

namespace spanring::sql {
namespace {

constexpr std::size_t kModelColumns = static_cast<std::size_t>(Column::kFirstAttribute);
constexpr std::size_t kHiddenFrom = static_cast<std::size_t>(Column::kServiceId);
/// SQLite's own limit of columns is 2,000.
constexpr std::size_t kAttributesMax = 1900;

constexpr std::array<ColumnInfo, kModelColumns> kModel = {{
    {"trace_id", "TEXT", "32 hex digits, or 16 of a trace whose id came as 64 bits"},
    {"span_id", "TEXT", "16 hex digits"},
    {"parent_id", "TEXT", "16 hex digits; NULL: a root"},
    {"service", "TEXT", "service.name of the resource, or unknown_service"},
    {"name", "TEXT", "of the operation"},
    {"kind", "TEXT", "unset, internal, server, client, producer, consumer"},
    {"status", "TEXT", "unset, ok, error"},
    {"status_message", "TEXT", "NULL: none"},
    {"start_ns", "INTEGER", "nanoseconds since 1970-01-01 UTC"},
    {"duration_ns", "INTEGER", "nanoseconds; NULL: it has not ended, or its end is not known"},
    {"end_ns", "INTEGER", "start_ns + duration_ns"},
    {"scope_name", "TEXT", "of the instrumentation scope; NULL: none"},
    {"scope_version", "TEXT", "NULL: none"},
    {"flags", "INTEGER", "trace flags of W3C Trace Context"},
    {"trace_state", "TEXT", "NULL: none"},
    {"unfinished", "INTEGER", "1: open, or its process died first"},
    {"end_lost", "INTEGER", "1: its end was lost"},
    {"truncated", "INTEGER", "1: details over the limit of 1 MiB were cut"},
    {"dropped_attributes", "INTEGER", "that its source left out"},
    {"dropped_events", "INTEGER", "that its source left out"},
    {"dropped_links", "INTEGER", "that its source left out"},
    {"attributes", "TEXT", "JSON object: key, value"},
    {"resource", "TEXT", "JSON object: key, value"},
    {"events", "TEXT", "JSON array of {name, time_ns, attributes}"},
    {"links", "TEXT", "JSON array of {trace_id, span_id, attributes, ...}"},
    {"service_id", "INTEGER", "a number for each service: cheaper to group by than its text"},
    {"name_id", "INTEGER", "a number for each name"},
    {"kind_id", "INTEGER", "OpenTelemetry's number of the kind, 0 to 5"},
    {"status_id", "INTEGER", "OpenTelemetry's number of the status: 0 unset, 1 ok, 2 error"},
    {"scope_name_id", "INTEGER", "a number for each scope's name"},
}};

/// As SQL tells names apart.
struct NameLess {
    bool operator()(const std::string& a, const std::string& b) const {
        return sqlite3_stricmp(a.c_str(), b.c_str()) < 0;
    }
};

std::string quoted(const std::string& name) {
    const std::unique_ptr<char, void (*)(void*)> text(sqlite3_mprintf("\"%w\"", name.c_str()),
                                                      sqlite3_free);
    if (!text) throw std::bad_alloc();
    return text.get();
}

}  // namespace

const ColumnInfo& info_of(Column column) noexcept {
    return kModel[static_cast<std::size_t>(column)];
}

Columns::Columns(const std::vector<std::string>& keys) {
    std::set<std::string, NameLess> taken;
    for (const ColumnInfo& column : kModel) taken.insert(column.name);
    for (const std::string& key : keys) {
        if (keys_.size() == kAttributesMax) break;
        // A name ends at its first zero byte.
        if (key.empty() || key.find('\0') != std::string::npos) continue;
        if (taken.insert(key).second) keys_.push_back(key);
    }
}

std::string Columns::declaration() const {
    std::string sql = "CREATE TABLE spans(";
    for (std::size_t i = 0; i < kModel.size(); ++i) {
        if (i != 0) sql += ", ";
        sql += std::string(kModel[i].name) + " " + kModel[i].type;
        if (i >= kHiddenFrom) sql += " HIDDEN";
    }
    // BLOB: comparisons take the values as they are. Without a type, they would be made numbers.
    for (const std::string& key : keys_) sql += ", " + quoted(key) + " BLOB HIDDEN";
    return sql + ")";
}

const std::string* Columns::attribute(int column) const noexcept {
    const auto index = static_cast<std::size_t>(column);
    return index < kModelColumns ? nullptr : &keys_[index - kModelColumns];
}

}  // namespace spanring::sql
