// The virtual table `spans`. Threads: the connection's.
#pragma once

#include <memory>

#include "source.hpp"
#include "sqlite_api.hpp"

namespace spanring::sql {

/// Adds the table. Returns an SQLite result code.
[[nodiscard]] int add_spans_module(sqlite3* connection, const std::shared_ptr<Source>& source);

}  // namespace spanring::sql
