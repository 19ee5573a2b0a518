// What of a WHERE clause the store can answer: comparisons of columns with constants become a
// store::Condition that every row of the result satisfies; SQLite looks at the rows again, so
// that it may be wider than the clause, never narrower. Threads: pure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "columns.hpp"
#include "grouped_rows.hpp"
#include "source.hpp"
#include "spanring/store/condition.hpp"
#include "sqlite_api.hpp"

namespace spanring::sql {

/// One comparison that a plan hands on; its right side is an argument of xFilter, in their order.
struct Pushed {
    int column{0};
    unsigned char op{0};  ///< SQLITE_INDEX_CONSTRAINT_*
    bool list{false};     ///< IN: all values at once
};

struct Plan {
    std::vector<Pushed> pushed;
    bool newest_first{false};
    std::vector<GroupColumn> groups;        ///< rows come in the order of these; empty: in any
    std::uint64_t used{~std::uint64_t{0}};  ///< a bit for each column; the last for all from 63 on

    [[nodiscard]] std::string text() const;  ///< for idxStr
    [[nodiscard]] static Plan parse(const char* text);
};

/// xBestIndex: fills the plan into `info`. Returns an SQLite result code.
[[nodiscard]] int choose_plan(const Columns& columns, sqlite3_index_info* info);

/// xFilter: the condition that the plan's comparisons make of these arguments.
[[nodiscard]] store::Condition condition_of(const Plan& plan, const Columns& columns,
                                            const TextNumbers& texts, sqlite3_value** arguments);

}  // namespace spanring::sql
