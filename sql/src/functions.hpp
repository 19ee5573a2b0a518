// Functions that statements may call beside SQLite's own. Threads: the connection's.
#pragma once

#include "sqlite_api.hpp"

namespace spanring::sql {

/// percentile(X, P): the smallest X that at least P percent (0 to 100) of the values do not exceed,
/// at most 0.8 % off, in little memory whatever their number; X: nanoseconds, or other whole
/// numbers from 0. NULLs do not count.
/// regexp(PATTERN, X), which is X REGEXP PATTERN: whether the text has a part that matches (RE2).
/// Returns an SQLite result code.
[[nodiscard]] int add_functions(sqlite3* connection);

}  // namespace spanring::sql
