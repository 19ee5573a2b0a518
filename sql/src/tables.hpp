// All tables of a database on one connection. Threads: the connection's.
#pragma once

#include <memory>

#include "source.hpp"
#include "spanring/base/result.hpp"
#include "sqlite_api.hpp"

namespace spanring::sql {

/// Adds the tables. They are there without CREATE, in every schema. Errors: kIo: what
/// SQLite says.
[[nodiscard]] Result<void> add_tables(sqlite3* connection, const std::shared_ptr<Source>& source);
/// Makes `spans` anew, as keys of attributes came. No statement may run.
[[nodiscard]] Result<void> renew_spans(sqlite3* connection, const std::shared_ptr<Source>& source);

}  // namespace spanring::sql
