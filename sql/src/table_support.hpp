// A virtual table of SQLite, out of two classes: what each kind of them shares. Threads: the
// connection's.
//
// A Table has:   using Registration = ...            what is given to sqlite3_create_module_v2
//                static Result<std::unique_ptr<Table>> connect(const Registration&)
//                std::string declaration() const     CREATE TABLE ...
//                int choose(sqlite3_index_info*)     xBestIndex, a result code
//                Source& source()
// a Cursor:      explicit Cursor(Table&)
//                Result<void> filter(const char* plan, sqlite3_value** arguments), next(),
//                             put(sqlite3_context*, int column)
//                bool at_end() const, std::int64_t number() const
#pragma once

#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "source.hpp"
#include "spanring/base/result.hpp"
#include "sqlite_api.hpp"

namespace spanring::sql {

inline const char* late_message() {
    return "the statement took longer than it may: ask for less (a WHERE with start_ns, a LIMIT), "
           "or allow more";
}

/// The callbacks of a table: no exception passes through SQLite.
template <typename Table, typename Cursor>
class TableModule {
    struct TableBase : sqlite3_vtab {
        explicit TableBase(std::unique_ptr<Table> of) : sqlite3_vtab{}, table(std::move(of)) {}
        std::unique_ptr<Table> table;
    };
    struct CursorBase : sqlite3_vtab_cursor {
        explicit CursorBase(Table& of) : sqlite3_vtab_cursor{}, cursor(of) {}
        Cursor cursor;
    };
    using Registration = typename Table::Registration;

    static Table& of(sqlite3_vtab* table) { return *static_cast<TableBase*>(table)->table; }
    static Cursor& of(sqlite3_vtab_cursor* cursor) {
        return static_cast<CursorBase*>(cursor)->cursor;
    }
    static int fail(char** where, const std::string& message) {
        sqlite3_free(*where);
        *where = sqlite3_mprintf("%s", message.c_str());
        return SQLITE_ERROR;
    }
    static int code_of(const Result<void>& done, char** where) {
        return done ? SQLITE_OK : fail(where, done.error().message);
    }
    /// Runs `action`, which returns a result code.
    template <typename Action>
    static int guarded(char** where, Action&& action) noexcept {
        try {
            return action();
        } catch (const std::bad_alloc&) {
            return SQLITE_NOMEM;
        } catch (const std::exception& error) {
            return fail(where, error.what());
        }
    }

    static int connect(sqlite3* connection, void* registration, int, const char* const*,
                       sqlite3_vtab** made, char** message) {
        return guarded(message, [&] {
            auto table = Table::connect(*static_cast<const Registration*>(registration));
            if (!table) return fail(message, table.error().message);
            const int rc = sqlite3_declare_vtab(connection, (*table)->declaration().c_str());
            if (rc == SQLITE_OK) *made = new TableBase(std::move(*table));
            return rc;
        });
    }
    static int disconnect(sqlite3_vtab* table) {
        delete static_cast<TableBase*>(table);
        return SQLITE_OK;
    }
    static int choose(sqlite3_vtab* table, sqlite3_index_info* info) {
        return guarded(&table->zErrMsg, [&] { return of(table).choose(info); });
    }
    static int open(sqlite3_vtab* table, sqlite3_vtab_cursor** made) {
        return guarded(&table->zErrMsg, [&] {
            auto cursor = std::make_unique<CursorBase>(of(table));
            if (auto opened = of(table).source().open_cursor(); !opened)
                return fail(&table->zErrMsg, opened.error().message);
            *made = cursor.release();
            return SQLITE_OK;
        });
    }
    static int close(sqlite3_vtab_cursor* cursor) {
        Source& source = of(cursor->pVtab).source();
        delete static_cast<CursorBase*>(cursor);
        source.close_cursor();
        return SQLITE_OK;
    }
    static int filter(sqlite3_vtab_cursor* cursor, int, const char* plan, int,
                      sqlite3_value** arguments) {
        char** where = &cursor->pVtab->zErrMsg;
        return guarded(where, [&] { return code_of(of(cursor).filter(plan, arguments), where); });
    }
    static int next(sqlite3_vtab_cursor* cursor) {
        char** where = &cursor->pVtab->zErrMsg;
        return guarded(where, [&] { return code_of(of(cursor).next(), where); });
    }
    static int at_end(sqlite3_vtab_cursor* cursor) { return of(cursor).at_end() ? 1 : 0; }
    static int put(sqlite3_vtab_cursor* cursor, sqlite3_context* context, int column) {
        char** where = &cursor->pVtab->zErrMsg;
        return guarded(where, [&] { return code_of(of(cursor).put(context, column), where); });
    }
    static int number(sqlite3_vtab_cursor* cursor, sqlite3_int64* id) {
        *id = of(cursor).number();
        return SQLITE_OK;
    }
    /// Without xCreate: the table is there by the module's name, and cannot be made.
    static constexpr sqlite3_module callbacks() {
        sqlite3_module module{};
        module.xConnect = connect;
        module.xBestIndex = choose;
        module.xDisconnect = disconnect;
        module.xOpen = open;
        module.xClose = close;
        module.xFilter = filter;
        module.xNext = next;
        module.xEof = at_end;
        module.xColumn = put;
        module.xRowid = number;
        return module;
    }

public:
    /// Returns an SQLite result code.
    [[nodiscard]] static int add(sqlite3* connection, const std::string& name,
                                 Registration registration) {
        static constexpr sqlite3_module kCallbacks = callbacks();
        return sqlite3_create_module_v2(
            connection, name.c_str(), &kCallbacks, new Registration(std::move(registration)),
            [](void* pointer) { delete static_cast<Registration*>(pointer); });
    }
};

}  // namespace spanring::sql
