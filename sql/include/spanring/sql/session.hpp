// SQL over a trace database: the table `spans` and what the catalogue knows, in SQLite's dialect,
// read-only, with limits on time and memory. Who has an SQLite of his own loads the extension
// spanring_sqlite instead (docs/guides/query.md).
//
// Threads: one owner.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "spanring/base/result.hpp"

namespace spanring::sql {

struct Blob {
    std::string_view bytes;
};
/// A value of a result; NULL: monostate. Borrowed until the next row.
using Value = std::variant<std::monostate, std::int64_t, double, std::string_view, Blob>;

struct Limits {
    std::chrono::milliseconds time_max{30'000};     ///< of one statement
    std::size_t bytes_max{std::size_t{256} << 20};  ///< of memory that SQLite takes, in the process
};

struct TableInfo {
    struct Column {
        std::string name;
        std::string type;
        std::string what;
        bool shown{true};  ///< by SELECT *
    };
    std::string name;
    std::string what;
    std::vector<Column> columns;
};

class Session {
public:
    /// Errors: as store::Reader::open.
    [[nodiscard]] static Result<std::unique_ptr<Session>> open(const std::string& path,
                                                               const Limits& limits = {});
    virtual ~Session() = default;

    using Names = std::vector<std::string>;
    using Row = std::vector<Value>;
    /// False: stop.
    using RowVisitor = std::function<bool(const Names& columns, const Row& row)>;

    /// Runs one statement over what is committed now; returns its columns. Errors:
    /// kInvalidArgument: what SQLite says is wrong with it, a second statement, one that would
    /// write; kTimeout; kNoSpace: more memory than it may.
    [[nodiscard]] virtual Result<Names> run(std::string_view statement,
                                            const RowVisitor& visitor) = 0;
    /// What can be asked.
    [[nodiscard]] virtual Result<std::vector<TableInfo>> tables() = 0;
    /// What the reader had to skip so far.
    [[nodiscard]] virtual const std::vector<std::string>& warnings() const noexcept = 0;
};

}  // namespace spanring::sql
