#include "spanring/sql/session.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <utility>

#include "columns.hpp"
#include "functions.hpp"
#include "list_table.hpp"
#include "source.hpp"
#include "sqlite_api.hpp"
#include "table_support.hpp"
#include "tables.hpp"

namespace spanring::sql {
namespace {

/// Operations of SQLite's machine between two looks at the clock: some 20 us.
constexpr int kStepsPerLook = 1000;

struct Close {
    void operator()(sqlite3* connection) const noexcept { sqlite3_close_v2(connection); }
};
struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
using Connection = std::unique_ptr<sqlite3, Close>;
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

/// Nothing but reading; what SQLite itself asks on the way to it included.
int authorize(void*, int action, const char* first, const char* second, const char*, const char*) {
    switch (action) {
        case SQLITE_SELECT:
        case SQLITE_READ:
        case SQLITE_RECURSIVE: return SQLITE_OK;
        case SQLITE_FUNCTION:
            return second != nullptr && std::strcmp(second, "load_extension") == 0 ? SQLITE_DENY
                                                                                   : SQLITE_OK;
        case SQLITE_PRAGMA: {
            static constexpr const char* kMayBeAsked[] = {"table_info", "table_xinfo", "table_list",
                                                          "function_list", "compile_options"};
            return std::ranges::any_of(
                       kMayBeAsked,
                       [first](const char* name) { return sqlite3_stricmp(first, name) == 0; })
                       ? SQLITE_OK
                       : SQLITE_DENY;
        }
        default: return SQLITE_DENY;
    }
}

Value value_of(sqlite3_stmt* statement, int column) {
    const auto bytes = [&] {
        return static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
    };
    switch (sqlite3_column_type(statement, column)) {
        case SQLITE_INTEGER: return std::int64_t{sqlite3_column_int64(statement, column)};
        case SQLITE_FLOAT: return sqlite3_column_double(statement, column);
        case SQLITE_TEXT: {
            const auto* text =
                reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
            return std::string_view(text, bytes());
        }
        case SQLITE_BLOB: {
            const auto* blob = static_cast<const char*>(sqlite3_column_blob(statement, column));
            return Blob{std::string_view(blob, bytes())};
        }
        default: return std::monostate{};
    }
}

bool is_blank(std::string_view text) {
    return std::ranges::all_of(
        text, [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0 || c == ';'; });
}

class SessionImpl final : public Session {
public:
    SessionImpl(Connection connection, std::shared_ptr<Source> source, const Limits& limits)
        : source_(std::move(source)), connection_(std::move(connection)), limits_(limits) {}

    Result<void> prepare() {
        sqlite3_hard_heap_limit64(static_cast<sqlite3_int64>(limits_.bytes_max));
        if (const int rc = add_functions(connection_.get()); rc != SQLITE_OK)
            return Error{ErrorCode::kIo, sqlite3_errstr(rc)};
        if (auto added = add_tables(connection_.get(), source_); !added) return added;
        auto keys = source_->reader->attribute_keys();
        if (!keys) return std::move(keys).error();
        keys_ = std::move(*keys);
        sqlite3_limit(connection_.get(), SQLITE_LIMIT_LENGTH, 64 << 20);
        sqlite3_limit(connection_.get(), SQLITE_LIMIT_SQL_LENGTH, 1 << 20);
        sqlite3_limit(connection_.get(), SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000);
        sqlite3_limit(connection_.get(), SQLITE_LIMIT_ATTACHED, 0);
        sqlite3_set_authorizer(connection_.get(), authorize, nullptr);
        sqlite3_progress_handler(
            connection_.get(), kStepsPerLook,
            [](void* source) { return static_cast<Source*>(source)->is_late() ? 1 : 0; },
            source_.get());
        return {};
    }

    Result<Names> run(std::string_view text, const RowVisitor& visitor) override {
        if (auto renewed = take_in_news(); !renewed) return std::move(renewed).error();
        source_->deadline = std::chrono::steady_clock::now() + limits_.time_max;
        auto ran = run_one(text, visitor);
        source_->deadline.reset();
        return ran;
    }

    Result<std::vector<TableInfo>> tables() override {
        if (auto renewed = take_in_news(); !renewed) return std::move(renewed).error();
        std::vector<TableInfo> all{
            {"spans", "a row for each span, also of those that are open", {}}};
        for (auto c = 0; c < static_cast<int>(Column::kFirstAttribute); ++c) {
            const ColumnInfo& info = info_of(static_cast<Column>(c));
            all[0].columns.push_back(
                {info.name, info.type, info.what, c < static_cast<int>(Column::kServiceId)});
        }
        const Columns columns(keys_);
        for (const std::string& key : columns.attributes())
            all[0].columns.push_back({key, "", "attribute", false});
        for (const ListTable& list : list_tables()) {
            TableInfo table{list.name, list.what, {}};
            // "name TYPE, name TYPE"
            std::string_view rest = list.columns;
            while (!rest.empty()) {
                const std::string_view column = rest.substr(0, rest.find(", "));
                rest.remove_prefix(std::min(column.size() + 2, rest.size()));
                const std::size_t space = column.find(' ');
                table.columns.push_back({std::string(column.substr(0, space)),
                                         std::string(column.substr(space + 1)), "", true});
            }
            all.push_back(std::move(table));
        }
        return all;
    }

    [[nodiscard]] const std::vector<std::string>& warnings() const noexcept override {
        return source_->reader->warnings();
    }

private:
    /// What was committed since, and columns for keys that came with it.
    Result<void> take_in_news() {
        auto keys = source_->reader->attribute_keys();
        if (!keys) return std::move(keys).error();
        if (*keys == keys_) return {};
        keys_ = std::move(*keys);
        sqlite3_set_authorizer(connection_.get(), nullptr, nullptr);
        auto renewed = renew_spans(connection_.get(), source_);
        sqlite3_set_authorizer(connection_.get(), authorize, nullptr);
        return renewed;
    }

    Result<Names> run_one(std::string_view text, const RowVisitor& visitor) {
        sqlite3_stmt* raw = nullptr;
        const char* rest = nullptr;
        const int prepared = sqlite3_prepare_v2(connection_.get(), text.data(),
                                                static_cast<int>(text.size()), &raw, &rest);
        const Statement statement(raw);
        if (prepared != SQLITE_OK) return fault(text);
        if (!statement)
            return Error{ErrorCode::kInvalidArgument, "no statement: give one, as SELECT ..."};
        if (!is_blank(text.substr(static_cast<std::size_t>(rest - text.data()))))
            return Error{ErrorCode::kInvalidArgument,
                         "one statement at a time; what is behind the ';' was not run"};
        Names names;
        const int columns = sqlite3_column_count(raw);
        for (int c = 0; c < columns; ++c) names.emplace_back(sqlite3_column_name(raw, c));
        Row row(names.size());
        int stepped = sqlite3_step(raw);
        for (; stepped == SQLITE_ROW; stepped = sqlite3_step(raw)) {
            for (int c = 0; c < columns; ++c) row[static_cast<std::size_t>(c)] = value_of(raw, c);
            if (!visitor(names, row)) return names;
        }
        if (stepped != SQLITE_DONE) return fault(text);
        return names;
    }

    /// Of the call that failed just now.
    Error fault(std::string_view text) {
        const int code = sqlite3_errcode(connection_.get());
        if (code == SQLITE_INTERRUPT || source_->is_late())
            return {ErrorCode::kTimeout, late_message()};
        if (code == SQLITE_NOMEM)
            return {ErrorCode::kNoSpace,
                    "the statement takes more memory than it may: ask for fewer rows or columns"};
        if (code == SQLITE_AUTH)
            return {ErrorCode::kInvalidArgument,
                    "the database is only read here: SELECT is what it answers"};
        std::string what = sqlite3_errmsg(connection_.get());
        const int offset = sqlite3_error_offset(connection_.get());
        if (offset >= 0 && static_cast<std::size_t>(offset) <= text.size())
            what = "column " + std::to_string(offset + 1) + ": " + what;
        return {ErrorCode::kInvalidArgument, what};
    }

    std::shared_ptr<Source> source_;
    Connection connection_;
    Limits limits_;
    std::vector<std::string> keys_;
};

}  // namespace

Result<std::unique_ptr<Session>> Session::open(const std::string& path, const Limits& limits) {
    auto source = Source::open(path);
    if (!source) return std::move(source).error();
    sqlite3* raw = nullptr;
    constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    const int rc = sqlite3_open_v2(":memory:", &raw, kFlags, nullptr);
    Connection connection(raw);
    if (rc != SQLITE_OK) return Error{ErrorCode::kIo, sqlite3_errstr(rc)};
    auto session = std::make_unique<SessionImpl>(std::move(connection), std::move(*source), limits);
    if (auto ready = session->prepare(); !ready) return std::move(ready).error();
    return std::unique_ptr<Session>(std::move(session));
}

}  // namespace spanring::sql
