#include "catalogue_writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "catalogue_schema.hpp"
#include "recovery.hpp"
#include "spanring/base/os.hpp"
#include "spanring/base/testpoint.hpp"

namespace spanring::store {
namespace {

// An extent ends at the spans of one full batch: what a reader decodes for one trace. Small frames
// are gathered, at most so many bytes of them.
constexpr std::uint64_t kExtentSpans = codec::kBatchSpansMax;
constexpr std::uint64_t kExtentBytes = 1u << 20;
// One transaction: about 50 ms of decoding, so that catching up is visible and stoppable.
constexpr std::uint64_t kTurnBytes = 16u << 20;

Result<bool> is_ours(Database& database, const std::string& uuid) {
    auto version = database.prepare("PRAGMA user_version");
    if (!version) return std::move(version).error();
    auto row = version->step();
    if (!row) return row;
    if (version->integer(0) != kCatalogueVersion) return false;
    auto identity = database.prepare("SELECT uuid FROM position");
    if (!identity) return std::move(identity).error();
    row = identity->step();
    if (!row) return row;
    return *row && identity->text(0) == uuid;
}

// One that stayed would be taken for the next one's.
Result<void> remove_files(const Folder& folder) {
    for (const char* suffix : {"", "-wal", "-shm"}) {
        const std::string name = std::string(kCatalogueName) + suffix;
        if (os::unlink_at(folder.fd(), name.c_str()) != 0 && errno != ENOENT)
            return os_error(errno, folder.file(name));
    }
    // Before a new one is made: after a power loss, an old WAL beside it would be replayed into it.
    (void)folder.sync_names();
    return {};
}

Result<Database> create(const Folder& folder) {
    const auto names = CatalogueNames::change(folder);
    if (!names) return names.error();
    if (auto removed = remove_files(folder); !removed) return std::move(removed).error();
    auto database = Database::open(folder.file(kCatalogueName), Database::Mode::kCreate);
    if (!database) return database;
    const std::string version = "PRAGMA user_version=" + std::to_string(kCatalogueVersion);
    const std::string position =
        "INSERT INTO position VALUES(1, '" + folder.uuid() + "', 0, 0, 0, 0)";
    for (const char* sql : {kCatalogueFirstPragmas, kCataloguePragmas, "BEGIN IMMEDIATE",
                            kCatalogueSchema, position.c_str(), version.c_str(), "COMMIT"})
        if (auto ran = database->run(sql); !ran) return std::move(ran).error();
    return database;
}

Result<Database> open_existing(const Folder& folder) {
    struct stat found {};
    if (os::stat_at(folder.fd(), kCatalogueName, &found, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno != ENOENT) return os_error(errno, folder.file(kCatalogueName));
        return Error{ErrorCode::kCorrupt, folder.file(kCatalogueName) + ": not there"};
    }
    auto database = Database::open(folder.file(kCatalogueName), Database::Mode::kWrite);
    if (!database) return database;
    // Or a damaged page that only readers need would never be mended.
    if (auto whole = database->check_pages(); !whole) return std::move(whole).error();
    if (auto ran = database->run(kCataloguePragmas); !ran) return std::move(ran).error();
    auto ours = is_ours(*database, folder.uuid());
    if (!ours) return std::move(ours).error();
    if (!*ours) return Error{ErrorCode::kCorrupt, "the catalogue is another database's"};
    return database;
}

}  // namespace

Result<void> CatalogueWriter::discard(const Folder& folder) {
    const auto names = CatalogueNames::change(folder);
    if (!names) return names.error();
    return remove_files(folder);
}

Result<std::unique_ptr<CatalogueWriter>> CatalogueWriter::open(const Folder& folder,
                                                               const LogEnd& end, FactsSource facts,
                                                               Start start) {
    for (;; start = Start::kAnew) {
        Result<void> failed;
        auto database = start == Start::kAnew ? create(folder) : open_existing(folder);
        if (!database) {
            failed = std::move(database).error();
        } else {
            std::unique_ptr<CatalogueWriter> catalogue(
                new CatalogueWriter(folder, std::move(*database), facts));
            failed = catalogue->prepare();
            if (failed) failed = catalogue->load(end);
            if (failed) return catalogue;
        }
        // Only what a rebuild heals is thrown away: not a catalogue that is locked or on a full
        // disk.
        if (failed.error().code != ErrorCode::kCorrupt || start == Start::kAnew)
            return std::move(failed).error();
    }
}

Result<void> CatalogueWriter::prepare() {
    const struct {
        Statement* statement;
        const char* sql;
    } statements[] = {
        {&insert_extent_,
         "INSERT INTO extents(window, offset, bytes, first_number, last_number, frames, spans,"
         " tracepoints, committed_ns_min, committed_ns_max, start_ns_min, start_ns_max, compacted,"
         " services, trace_filter) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
        {&insert_service_, "INSERT INTO services(id, name) VALUES(?, ?)"},
        {&add_operation_,
         "INSERT INTO operations VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
         " spans = spans + excluded.spans, errors = errors + excluded.errors"},
        {&add_key_, "INSERT OR IGNORE INTO attribute_keys VALUES(?, ?)"},
        {&add_host_key_, "INSERT OR IGNORE INTO host_keys VALUES(?)"},
        {&put_instance_,
         "INSERT INTO instances VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET"
         " window = ?2, pid = iif(?3 = 0, pid, ?3), name = iif(?4 = '', name, ?4),"
         " ended = max(ended, ?5)"},
        {&put_losses_, "INSERT OR REPLACE INTO losses VALUES(?, ?, ?, ?, ?, ?)"},
        {&put_position_, "UPDATE position SET window = ?, offset = ?, number = ?, compacted = ?"},
        {&add_delay_,
         "INSERT INTO delays VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
         " frames = frames + excluded.frames, spans = spans + excluded.spans,"
         " delay_count = delay_count + excluded.delay_count,"
         " delay_sum_ns = delay_sum_ns + excluded.delay_sum_ns,"
         " delay_max_ns = max(delay_max_ns, excluded.delay_max_ns),"
         " lost_spans = lost_spans + excluded.lost_spans,"
         " lost_ends = lost_ends + excluded.lost_ends,"
         " lost_details = lost_details + excluded.lost_details"},
        {&put_digest_, "INSERT INTO digests VALUES(?)"},
        {&put_metric_, "INSERT INTO metrics VALUES(?, ?, ?, ?, ?, ?, ?, ?)"},
        {&put_edge_, "INSERT INTO edges VALUES(?, ?, ?, ?, ?, ?, ?)"},
        {&put_values_, "INSERT INTO attribute_values VALUES(?, ?, ?, ?)"},
    };
    for (const auto& [statement, sql] : statements) {
        auto prepared = database_.prepare(sql);
        if (!prepared) return std::move(prepared).error();
        *statement = std::move(*prepared);
    }
    return {};
}

Result<void> CatalogueWriter::load(const LogEnd& end) {
    auto position = database_.prepare("SELECT window, offset, number, compacted FROM position");
    if (!position) return std::move(position).error();
    auto row = position->step();
    if (!row) return std::move(row).error();
    position_ = {position->unsigned_integer(0), position->unsigned_integer(1),
                 position->unsigned_integer(2), position->integer(3) != 0};
    windows_.clear();
    // The log was cut behind the catalogue's back: power loss, or a commit that failed after all.
    const bool ahead = position_.window > end.window ||
                       (position_.window == end.window && position_.offset > end.offset) ||
                       position_.number > end.number;
    if (ahead) return Error{ErrorCode::kCorrupt, "the catalogue is ahead of the log"};
    digested_.clear();
    losses_.clear();
    auto read = each_row(
        database_, "SELECT DISTINCT window, compacted FROM extents",
        [this](Statement& found) { windows_[found.unsigned_integer(0)] = found.integer(1) != 0; });
    if (read)
        read = each_row(database_, "SELECT id, name FROM services", [this](Statement& found) {
            services_[found.text(1)] = static_cast<std::uint32_t>(found.integer(0));
        });
    if (read)
        read = each_row(database_, "SELECT window FROM digests",
                        [this](Statement& found) { digested_.insert(found.unsigned_integer(0)); });
    if (read)
        read = each_row(
            database_, "SELECT instance, stream, spans, ends, details FROM losses",
            [this](Statement& found) {
                losses_[instance_of(found.bytes(0))][static_cast<std::uint32_t>(found.integer(1))] =
                    {found.unsigned_integer(2), found.unsigned_integer(3),
                     found.unsigned_integer(4)};
            });
    return read;
}

Result<bool> CatalogueWriter::advance(const LogEnd& end) {
    if (auto begun = database_.run("BEGIN IMMEDIATE"); !begun) return std::move(begun).error();
    const LogEnd before = position_;
    auto reached = advance_in_transaction(end);
    if (reached) {
        SPANRING_TESTPOINT("index.written");
        auto committed = database_.run("COMMIT");
        SPANRING_TESTPOINT("index.committed");
        if (committed) return reached;
        reached = database_.error();
    }
    if (auto undone = undo(before, end); !undone) return std::move(undone).error();
    return reached;
}

Result<void> CatalogueWriter::undo(const LogEnd& before, const LogEnd& end) {
    (void)database_.run("ROLLBACK");
    // The caches speak of rows that the rollback took away.
    position_ = before;
    services_.clear();
    known_keys_.clear();
    known_host_keys_.clear();
    return load(end);
}

Result<bool> CatalogueWriter::advance_in_transaction(const LogEnd& end) {
    auto windows = folder_.windows();
    if (!windows) return std::move(windows).error();
    const std::set<std::uint64_t> existing(windows->begin(), windows->end());
    if (auto forgotten = forget_windows(existing); !forgotten) return std::move(forgotten).error();
    bool reached = true;
    for (auto window = existing.lower_bound(position_.window);
         window != existing.end() && *window <= end.window && reached; ++window) {
        auto frames_end = void_from(folder_, *windows, *window);
        if (!frames_end) return std::move(frames_end).error();
        const std::uint64_t limit =
            *window == end.window ? end.offset : std::numeric_limits<std::uint64_t>::max();
        auto indexed = index_window(*window, limit, *frames_end);
        if (!indexed) return indexed;
        reached = *indexed;
    }
    if (auto stored = store_position(); !stored) return std::move(stored).error();
    return reached;
}

/// Returns whether the window's (committed) end was reached within this turn's budget.
Result<bool> CatalogueWriter::index_window(std::uint64_t window, std::uint64_t limit,
                                           std::uint64_t void_from) {
    auto fd = folder_.open_window(window, O_RDONLY);
    if (!fd) {
        if (fd.error().code == ErrorCode::kNotFound) return true;  // retired meanwhile
        return std::move(fd).error();
    }
    const std::string name = folder_.file(window_name(window));
    auto is_merged_file = is_compacted(fd->get(), name);
    if (!is_merged_file) return std::move(is_merged_file).error();
    const bool compacted = *is_merged_file;
    if (position_.window != window) {
        known_keys_.clear();
        position_.window = window;
        position_.offset = 0;
    }
    if (position_.offset != 0 && position_.compacted != compacted)
        return Error{ErrorCode::kCorrupt, name + ": was compacted before it was indexed"};
    position_.compacted = compacted;
    LogScanner scanner(fd->get(), name, position_.offset, Verify::kPositions);
    scanner.limit(limit);
    Turn turn;
    turn.compacted = compacted;
    Extent extent;
    FramePlace place;
    bool reached = false;
    while (turn.log_bytes < kTurnBytes) {
        auto found = scanner.next(&place);
        if (!found) return found;
        if (!*found || place.header.number >= void_from) {
            reached = true;
            break;
        }
        if (place.header.number <= position_.number)
            return Error{ErrorCode::kCorrupt, "frames that are indexed have become void"};
        if (extent.frames == 0) extent.offset = position_.offset;
        if (auto added = add_frame(scanner, place, extent, turn); !added)
            return std::move(added).error();
        position_.offset = scanner.position();
        position_.number = place.header.number;
        if (extent.facts.spans >= kExtentSpans || extent.bytes >= kExtentBytes)
            if (auto stored = store(window, extent, turn); !stored)
                return std::move(stored).error();
    }
    if (auto stored = store(window, extent, turn); !stored) return std::move(stored).error();
    if (auto stored = store_losses(window, turn); !stored) return std::move(stored).error();
    if (auto stored = store_delays(window, turn); !stored) return std::move(stored).error();
    return reached;
}

Result<void> CatalogueWriter::take_compacted() {
    bool any = false;
    for (auto& [window, known] : windows_) {
        if (known || window >= position_.window) continue;
        auto fd = folder_.open_window(window, O_RDONLY);
        if (!fd) continue;
        auto compacted = is_compacted(fd->get(), folder_.file(window_name(window)));
        if (!compacted) return std::move(compacted).error();
        if (!*compacted) continue;
        if (auto begun = database_.run("BEGIN IMMEDIATE"); !begun) return begun;
        auto replaced = replace_extents(window);
        SPANRING_TESTPOINT("compact.indexed");
        if (replaced) replaced = database_.run("COMMIT");
        if (!replaced) {
            const LogEnd position = position_;
            if (auto undone = undo(position, position); !undone) return undone;
            return replaced;
        }
        known = any = true;
    }
    for (const auto& [window, compacted] : windows_)
        if (compacted && window < position_.window)
            if (auto digested = digest_window(window); !digested) return digested;
    // Gives the pages of the old extents back to the file system.
    return any ? database_.run("PRAGMA incremental_vacuum") : Result<void>{};
}

/// What else is known of the window does not change: its spans are the same.
Result<void> CatalogueWriter::replace_extents(std::uint64_t window) {
    auto fd = folder_.open_window(window, O_RDONLY);
    if (!fd) return std::move(fd).error();
    const std::string sql = "DELETE FROM extents WHERE window = " + std::to_string(window);
    if (auto ran = database_.run(sql.c_str()); !ran) return ran;
    LogScanner scanner(fd->get(), folder_.file(window_name(window)), 0, Verify::kPositions);
    Turn turn;
    turn.compacted = turn.extents_alone = true;
    FramePlace place;
    for (Extent extent;;) {
        auto found = scanner.next(&place);
        if (!found) return std::move(found).error();
        if (!*found) return store(window, extent, turn);
        if (extent.frames == 0) extent.offset = place.offset;
        if (auto added = add_frame(scanner, place, extent, turn); !added) return added;
        if (extent.facts.spans >= kExtentSpans || extent.bytes >= kExtentBytes)
            if (auto stored = store(window, extent, turn); !stored) return stored;
    }
}

}  // namespace spanring::store
