#include "list_table.hpp"

#include <limits>
#include <map>
#include <string_view>
#include <utility>

#include "table_support.hpp"

namespace spanring::sql {
namespace {

std::int64_t number(std::uint64_t count) {
    return static_cast<std::int64_t>(count);
}

Result<std::vector<Cells>> services(store::Reader& reader) {
    const auto operations = reader.operations({});
    if (!operations) return operations.error();
    std::map<std::string, std::pair<std::int64_t, std::int64_t>> counts;
    for (const auto& operation : *operations) {
        auto& [spans, errors] = counts[operation.service];
        spans += number(operation.count);
        errors += number(operation.error_count);
    }
    std::vector<Cells> rows;
    for (const auto& [name, count] : counts) rows.push_back({name, count.first, count.second});
    return rows;
}

Result<std::vector<Cells>> operations(store::Reader& reader) {
    const auto operations = reader.operations({});
    if (!operations) return operations.error();
    std::vector<Cells> rows;
    for (const auto& o : *operations)
        rows.push_back({o.service, o.operation, std::string(to_string(o.kind)), number(o.count),
                        number(o.error_count)});
    return rows;
}

Result<std::vector<Cells>> attribute_keys(store::Reader& reader) {
    const auto keys = reader.attribute_keys();
    if (!keys) return keys.error();
    std::vector<Cells> rows;
    for (const std::string& key : *keys) rows.push_back({key});
    return rows;
}

Result<std::vector<Cells>> processes(store::Reader& reader) {
    const auto stats = reader.stats();
    if (!stats) return stats.error();
    std::vector<Cells> rows;
    for (const auto& one : stats->losses)
        rows.push_back({number(one.id.number()), number(one.pid), one.process_name,
                        std::int64_t{one.ended ? 1 : 0}, number(one.spans), number(one.ends),
                        number(one.details)});
    return rows;
}

Result<std::vector<Cells>> database(store::Reader& reader) {
    const auto stats = reader.stats();
    if (!stats) return stats.error();
    return std::vector<Cells>{{number(stats->spans), number(stats->bytes), number(stats->windows),
                               number(stats->frames), stats->oldest_commit_ns,
                               stats->newest_commit_ns}};
}

constexpr std::int64_t kEver = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kAlways = std::numeric_limits<std::int64_t>::min();

/// p50, p95, p99.
void add_percentiles(Cells& row, const store::DurationCounts& durations) {
    for (const double fraction : {0.5, 0.95, 0.99})
        row.push_back(durations.count() == 0 ? Cell() : Cell(durations.percentile(fraction)));
}

/// Of the whole database, in steps of a minute.
Result<std::vector<Cells>> span_metrics(store::Reader& reader) {
    const auto digest = reader.digest(kAlways, kEver);
    if (!digest) return digest.error();
    std::vector<Cells> rows;
    for (const auto& one : digest->operations) {
        rows.push_back({one.start_ns, one.service, one.operation, std::string(to_string(one.kind)),
                        number(one.spans), number(one.errors), number(one.durations.sum_ns())});
        add_percentiles(rows.back(), one.durations);
    }
    return rows;
}

Result<std::vector<Cells>> edges(store::Reader& reader) {
    const auto digest = reader.digest(kAlways, kEver);
    if (!digest) return digest.error();
    std::vector<Cells> rows;
    for (const auto& one : digest->edges) {
        rows.push_back({one.start_ns, one.caller, one.callee, number(one.calls), number(one.errors),
                        number(one.durations.sum_ns())});
        add_percentiles(rows.back(), one.durations);
    }
    return rows;
}

Result<std::vector<Cells>> attribute_values(store::Reader& reader) {
    const auto digest = reader.digest(kAlways, kEver);
    if (!digest) return digest.error();
    std::vector<Cells> rows;
    for (const auto& one : digest->attributes)
        for (const auto& [value, times] : one.values)
            rows.push_back({one.key, value, number(times)});
    return rows;
}

Result<std::vector<Cells>> delays(store::Reader& reader) {
    const auto steps = reader.delays(kAlways, kEver);
    if (!steps) return steps.error();
    std::vector<Cells> rows;
    for (const auto& one : *steps)
        rows.push_back(
            {one.start_ns, number(one.frames), number(one.spans),
             one.delay_count == 0 ? Cell() : Cell(number(one.delay_sum_ns / one.delay_count)),
             one.delay_count == 0 ? Cell() : Cell(number(one.delay_max_ns)), number(one.lost_spans),
             number(one.lost_ends), number(one.lost_details)});
    return rows;
}

class WholeTable {
public:
    struct Registration {
        std::shared_ptr<Source> source;
        const ListTable* list;
    };

    explicit WholeTable(Registration of) : of_(std::move(of)) {}

    static Result<std::unique_ptr<WholeTable>> connect(const Registration& of) {
        return std::make_unique<WholeTable>(of);
    }
    [[nodiscard]] std::string declaration() const {
        return std::string("CREATE TABLE ") + of_.list->name + "(" + of_.list->columns + ")";
    }
    static int choose(sqlite3_index_info* info) {
        constexpr int kRows = 1000;
        info->estimatedCost = kRows;
        info->estimatedRows = kRows;
        return SQLITE_OK;
    }
    [[nodiscard]] Source& source() noexcept { return *of_.source; }
    [[nodiscard]] Result<std::vector<Cells>> rows() { return of_.list->rows(*of_.source->reader); }

private:
    Registration of_;
};

class WholeCursor {
public:
    explicit WholeCursor(WholeTable& of) : table_(of) {}

    Result<void> filter(const char*, sqlite3_value**) {
        auto rows = table_.rows();
        if (!rows) return std::move(rows).error();
        rows_ = std::move(*rows);
        position_ = 0;
        return {};
    }
    Result<void> next() {
        ++position_;
        return {};
    }
    [[nodiscard]] bool at_end() const noexcept { return position_ >= rows_.size(); }
    [[nodiscard]] std::int64_t number() const noexcept {
        return static_cast<std::int64_t>(position_);
    }
    Result<void> put(sqlite3_context* context, int column) {
        const Cell& cell = rows_[position_][static_cast<std::size_t>(column)];
        if (const auto* whole = std::get_if<std::int64_t>(&cell)) {
            sqlite3_result_int64(context, *whole);
        } else if (const auto* real = std::get_if<double>(&cell)) {
            sqlite3_result_double(context, *real);
        } else if (const auto* text = std::get_if<std::string>(&cell)) {
            sqlite3_result_text64(context, text->data(), text->size(), SQLITE_TRANSIENT,
                                  SQLITE_UTF8);
        }
        return {};
    }

private:
    WholeTable& table_;
    std::vector<Cells> rows_;
    std::size_t position_{0};
};

}  // namespace

const std::vector<ListTable>& list_tables() {
    static const std::vector<ListTable> kTables{
        {"services", "service TEXT, spans INTEGER, errors INTEGER",
         "finished spans of each service", services},
        {"operations", "service TEXT, name TEXT, kind TEXT, spans INTEGER, errors INTEGER",
         "finished spans of each operation", operations},
        {"attribute_keys", "key TEXT", "keys of attributes: of spans, events, links, resources",
         attribute_keys},
        {"processes",
         "instance INTEGER, pid INTEGER, process_name TEXT, ended INTEGER, lost_spans INTEGER,"
         " lost_ends INTEGER, lost_details INTEGER",
         "traced processes, and what of them was lost", processes},
        {"span_metrics",
         "start_ns INTEGER, service TEXT, name TEXT, kind TEXT, spans INTEGER, errors INTEGER,"
         " duration_sum_ns INTEGER, p50_ns INTEGER, p95_ns INTEGER, p99_ns INTEGER",
         "each operation in each minute; percentiles are at most 6 % off", span_metrics},
        {"edges",
         "start_ns INTEGER, caller TEXT, callee TEXT, calls INTEGER, errors INTEGER,"
         " duration_sum_ns INTEGER, p50_ns INTEGER, p95_ns INTEGER, p99_ns INTEGER",
         "calls from service to service in each minute", edges},
        {"attribute_values", "key TEXT, value TEXT, spans INTEGER",
         "the most frequent values of each attribute", attribute_values},
        {"delays",
         "start_ns INTEGER, frames INTEGER, spans INTEGER, delay_avg_ns INTEGER,"
         " delay_max_ns INTEGER, lost_spans INTEGER, lost_ends INTEGER, lost_details INTEGER",
         "from a span's end to its commit, and what was lost, in each minute", delays},
        {"database",
         "spans INTEGER, bytes INTEGER, windows INTEGER, frames INTEGER, oldest_commit_ns INTEGER,"
         " newest_commit_ns INTEGER",
         "one row: how much there is", database},
    };
    return kTables;
}

int add_list_modules(sqlite3* connection, const std::shared_ptr<Source>& source) {
    for (const ListTable& list : list_tables()) {
        const int rc =
            TableModule<WholeTable, WholeCursor>::add(connection, list.name, {source, &list});
        if (rc != SQLITE_OK) return rc;
    }
    return SQLITE_OK;
}

}  // namespace spanring::sql
