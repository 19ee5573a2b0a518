// Small tables that are read whole: what the catalogue knows. Threads: the connection's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "source.hpp"
#include "sqlite_api.hpp"

namespace spanring::sql {

using Cell = std::variant<std::monostate, std::int64_t, double, std::string>;
using Cells = std::vector<Cell>;

struct ListTable {
    const char* name;
    const char* columns;  ///< "name TEXT, spans INTEGER"
    const char* what;
    Result<std::vector<Cells>> (*rows)(store::Reader& reader);
};

/// All of them, in the order in which they are shown.
[[nodiscard]] const std::vector<ListTable>& list_tables();

/// Adds them. Returns an SQLite result code.
[[nodiscard]] int add_list_modules(sqlite3* connection, const std::shared_ptr<Source>& source);

}  // namespace spanring::sql
