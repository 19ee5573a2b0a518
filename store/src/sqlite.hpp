// The little of SQLite that the catalogue needs, as RAII and Result. The header of SQLite itself is
// seen by sqlite.cpp and checksum_vfs.cpp
// alone. Threads: a Database and its statements belong to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "spanring/base/result.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace spanring::store {

class Statement;

class Database {
public:
    enum class Mode : std::uint8_t { kRead, kWrite, kCreate };
    /// kCreate: to write, and makes the file if it is not there. Errors: kCorrupt for everything
    /// that a rebuild would heal, else kPermission, kNoSpace, kIo, kBusy.
    [[nodiscard]] static Result<Database> open(const std::string& file, Mode mode);

    /// Runs statements that give no rows.
    [[nodiscard]] Result<void> run(const char* sql);
    [[nodiscard]] Result<Statement> prepare(const char* sql);
    /// Looks at all pages, where the statements look at those only that they need. Errors:
    /// kCorrupt: one is damaged.
    [[nodiscard]] Result<void> check_pages();
    [[nodiscard]] Error error() const;

private:
    struct Close {
        void operator()(sqlite3* handle) const noexcept;
    };
    std::unique_ptr<sqlite3, Close> handle_;
    std::string file_;
};

/// A prepared statement: bind, then step until false; reset() before the next use.
class Statement {
public:
    Statement& bind(int index, std::int64_t value);
    Statement& bind(int index, std::uint64_t value) {
        return bind(index, static_cast<std::int64_t>(value));
    }
    /// Borrowed until the statement is reset.
    Statement& bind(int index, std::string_view text);
    Statement& bind(int index, std::span<const std::byte> bytes);

    /// True: a row is there.
    [[nodiscard]] Result<bool> step();
    /// step() and reset() of a statement that gives no rows.
    [[nodiscard]] Result<void> run();
    void reset() noexcept;

    [[nodiscard]] std::int64_t integer(int column) const noexcept;
    [[nodiscard]] std::uint64_t unsigned_integer(int column) const noexcept {
        return static_cast<std::uint64_t>(integer(column));
    }
    [[nodiscard]] std::string text(int column) const;
    /// Valid until the next step.
    [[nodiscard]] std::span<const std::byte> bytes(int column) const noexcept;

private:
    friend class Database;
    struct Finalize {
        void operator()(sqlite3_stmt* handle) const noexcept;
    };
    std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

/// Runs a query with these parameters and calls take(statement) for each row. Errors: of the query,
/// or what take returns, if it returns a Result.
template <typename Take, typename... Parameters>
[[nodiscard]] Result<void> each_row(Database& database, const char* sql, Take take,
                                    Parameters... parameters) {
    auto rows = database.prepare(sql);
    if (!rows) return std::move(rows).error();
    int index = 0;
    (rows->bind(++index, parameters), ...);
    for (;;) {
        auto row = rows->step();
        if (!row) return std::move(row).error();
        if (!*row) return {};
        if constexpr (std::is_void_v<decltype(take(*rows))>) {
            take(*rows);
        } else if (auto taken = take(*rows); !taken) {
            return taken;
        }
    }
}

}  // namespace spanring::store
