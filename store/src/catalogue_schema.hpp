// The catalogue's tables. Everything in them can be computed from the log; a catalogue of another
// version or database is thrown away and rebuilt. Its pages have checksums: checksum_vfs.hpp.
#pragma once

namespace spanring::store {

/// PRAGMA user_version. Raise it with every change below.
inline constexpr int kCatalogueVersion = 5;

// Before the first table is made, or it has no effect.
inline constexpr const char* kCatalogueFirstPragmas =
    "PRAGMA page_size=4096;"  // kCataloguePageBytes
    "PRAGMA auto_vacuum=INCREMENTAL;";
// WAL: readers never wait for the writer. NORMAL: no fsync but at checkpoints; after a power loss
// the catalogue may lack its last groups, which are then read from the log again. The WAL is
// bounded by the automatic checkpoint at 1,000 pages and cut to 16 MiB after a burst.
inline constexpr const char* kCataloguePragmas =
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=NORMAL;"
    "PRAGMA wal_autocheckpoint=1000;"
    "PRAGMA journal_size_limit=16777216;";

// extents: neighbouring frames of one window as a range of bytes, which is what readers skip or
// read. services: u32 ids, ascending. trace_filter: docs/format/frame.md. start_ns_*: of spans that
// have a start; none: min > max.
// compacted: offsets are those of the window's compacted file. A window's extents change to them in
// one transaction, some time after the file did.
// position: up to which byte of which window, and which frame number, all of this is true.
// digests: windows that metrics, edges and attribute_values speak of: those that are compacted.
// What they mean: digest.hpp. delays: DelayStep, of all windows. losses: totals of each stream as
// last seen, with the window where that was (they go with it).
inline constexpr const char* kCatalogueSchema =
    "CREATE TABLE position(one INTEGER PRIMARY KEY CHECK(one = 1), uuid TEXT, window INTEGER,"
    "  offset INTEGER, number INTEGER, compacted INTEGER);"
    "CREATE TABLE extents(id INTEGER PRIMARY KEY AUTOINCREMENT, window INTEGER, offset INTEGER,"
    "  bytes INTEGER, first_number INTEGER, last_number INTEGER, frames INTEGER, spans INTEGER,"
    "  tracepoints INTEGER, committed_ns_min INTEGER, committed_ns_max INTEGER,"
    "  start_ns_min INTEGER, start_ns_max INTEGER, compacted INTEGER, services BLOB,"
    "  trace_filter BLOB);"
    "CREATE TABLE services(id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL);"
    "CREATE TABLE operations(window INTEGER, service INTEGER, name TEXT, kind INTEGER,"
    "  spans INTEGER, errors INTEGER, PRIMARY KEY(window, service, name, kind)) WITHOUT ROWID;"
    "CREATE TABLE attribute_keys(window INTEGER, key TEXT, PRIMARY KEY(window, key))"
    "  WITHOUT ROWID;"
    "CREATE TABLE digests(window INTEGER PRIMARY KEY);"
    "CREATE TABLE metrics(window INTEGER, start_ns INTEGER, service INTEGER, name TEXT,"
    "  kind INTEGER, spans INTEGER, errors INTEGER, durations BLOB,"
    "  PRIMARY KEY(window, start_ns, service, name, kind)) WITHOUT ROWID;"
    "CREATE TABLE edges(window INTEGER, start_ns INTEGER, caller INTEGER, callee INTEGER,"
    "  calls INTEGER, errors INTEGER, durations BLOB,"
    "  PRIMARY KEY(window, start_ns, caller, callee)) WITHOUT ROWID;"
    "CREATE TABLE attribute_values(window INTEGER, key TEXT, spans INTEGER, top BLOB,"
    "  PRIMARY KEY(window, key)) WITHOUT ROWID;"
    "CREATE TABLE delays(window INTEGER, start_ns INTEGER, frames INTEGER, spans INTEGER,"
    "  delay_count INTEGER, delay_sum_ns INTEGER, delay_max_ns INTEGER, lost_spans INTEGER,"
    "  lost_ends INTEGER, lost_details INTEGER, PRIMARY KEY(window, start_ns)) WITHOUT ROWID;"
    "CREATE TABLE host_keys(key BLOB PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE instances(id BLOB PRIMARY KEY, window INTEGER, pid INTEGER, name TEXT,"
    "  ended INTEGER) WITHOUT ROWID;"
    "CREATE TABLE losses(instance BLOB, stream INTEGER, window INTEGER, spans INTEGER,"
    "  ends INTEGER, details INTEGER, PRIMARY KEY(instance, stream)) WITHOUT ROWID;";

}  // namespace spanring::store
