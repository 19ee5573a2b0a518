#include "tables.hpp"

#include <string>

#include "list_table.hpp"
#include "spans_table.hpp"

namespace spanring::sql {
namespace {

Result<void> checked(int code) {
    if (code == SQLITE_OK) return {};
    return Error{ErrorCode::kIo, sqlite3_errstr(code)};
}

/// A table is declared when a statement first names it: now, while nothing forbids that.
Result<void> declare(sqlite3* connection, const std::string& name) {
    const std::string sql = "SELECT 1 FROM " + name + " LIMIT 0";
    return checked(sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, nullptr));
}

}  // namespace

Result<void> add_tables(sqlite3* connection, const std::shared_ptr<Source>& source) {
    if (auto added = checked(add_list_modules(connection, source)); !added) return added;
    for (const ListTable& list : list_tables())
        if (auto declared = declare(connection, list.name); !declared) return declared;
    return renew_spans(connection, source);
}

Result<void> renew_spans(sqlite3* connection, const std::shared_ptr<Source>& source) {
    if (auto added = checked(add_spans_module(connection, source)); !added) return added;
    return declare(connection, "spans");
}

}  // namespace spanring::sql
