// SQLite, as the program's own library or, in the loadable extension, as the host's: there each
// call goes through the table that the host gives. One translation unit of the extension defines
// SPANRING_SQL_ENTRY before this: it holds that table. Threads: as SQLite.
#pragma once

#ifdef SPANRING_SQL_EXTENSION
#include <sqlite3ext.h>
#ifdef SPANRING_SQL_ENTRY
SQLITE_EXTENSION_INIT1
#else
SQLITE_EXTENSION_INIT3
#endif
#else
#include <sqlite3.h>
#endif
