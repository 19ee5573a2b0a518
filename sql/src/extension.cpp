// The extension spanring_sqlite, for the sqlite3 shell, Python's sqlite3 and whoever else loads
// such:
//
//   .load ./spanring_sqlite
//   SELECT spanring_open('/var/lib/spanring/db');
//   SELECT service, count(*) FROM spans GROUP BY service;
//
// spanring_open makes the tables known to the connection; without an argument it opens the
// default database (SPANRING_DB). Each statement sees what is committed when it starts. Threads: as
// SQLite.
#define SPANRING_SQL_ENTRY
#include <new>
#include <string>

#include "functions.hpp"
#include "source.hpp"
#include "sqlite_api.hpp"
#include "tables.hpp"

namespace spanring::sql {
namespace {

/// sqlite3_vtab_in, sqlite3_error_offset.
constexpr int kSqliteMin = 3038000;

void open_database(sqlite3_context* context, int count, sqlite3_value** arguments) {
    try {
        const auto* given =
            count == 0 ? nullptr : reinterpret_cast<const char*>(sqlite3_value_text(arguments[0]));
        const std::string path = given == nullptr ? store::default_database_path() : given;
        auto source = Source::open(path);
        if (!source) return sqlite3_result_error(context, source.error().message.c_str(), -1);
        (*source)->refreshes_itself = true;
        auto added = add_tables(sqlite3_context_db_handle(context), *source);
        if (!added) return sqlite3_result_error(context, added.error().message.c_str(), -1);
        sqlite3_result_text64(context, path.data(), path.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    } catch (const std::bad_alloc&) {
        sqlite3_result_error_nomem(context);
    }
}

}  // namespace
}  // namespace spanring::sql

// By the name that SQLite makes of that of the file.
extern "C" __attribute__((visibility("default"))) int sqlite3_spanringsqlite_init(
    sqlite3* connection, char** message, const sqlite3_api_routines* api) {
    SQLITE_EXTENSION_INIT2(api);
    if (sqlite3_libversion_number() < spanring::sql::kSqliteMin) {
        *message = sqlite3_mprintf("spanring_sqlite wants SQLite 3.38 or newer, this is %s",
                                   sqlite3_libversion());
        return SQLITE_ERROR;
    }
    // Now, not by spanring_open: a host may have one of the same name, which cannot be replaced
    // while a statement runs.
    if (const int rc = spanring::sql::add_functions(connection); rc != SQLITE_OK) return rc;
    for (const int arguments : {0, 1}) {
        const int rc = sqlite3_create_function_v2(
            connection, "spanring_open", arguments, SQLITE_UTF8 | SQLITE_DIRECTONLY, nullptr,
            spanring::sql::open_database, nullptr, nullptr, nullptr);
        if (rc != SQLITE_OK) return rc;
    }
    return SQLITE_OK;
}
