#include "catalogue_reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include "catalogue_schema.hpp"
#include "spanring/base/os.hpp"

namespace spanring::store {
namespace {

std::string identity_of(const Folder& folder) {
    struct stat found {};
    if (os::stat_at(folder.fd(), kCatalogueName, &found, AT_SYMLINK_NOFOLLOW) != 0) return {};
    return std::to_string(found.st_dev) + ":" + std::to_string(found.st_ino);
}

Piece piece_of(const Statement& row) {
    Piece piece;
    piece.id = row.integer(0);
    piece.window = row.unsigned_integer(1);
    piece.offset = row.unsigned_integer(2);
    piece.bytes = row.unsigned_integer(3);
    piece.first_number = row.unsigned_integer(4);
    piece.last_number = row.unsigned_integer(5);
    piece.frames = row.unsigned_integer(6);
    piece.spans = row.unsigned_integer(7);
    piece.committed_ns_min = row.integer(8);
    piece.committed_ns_max = row.integer(9);
    piece.start_ns_min = row.integer(10);
    piece.start_ns_max = row.integer(11);
    piece.compacted = row.integer(12) != 0;
    const auto services = row.bytes(13);
    piece.services.resize(services.size() / sizeof(std::uint32_t));
    if (!piece.services.empty())
        std::memcpy(piece.services.data(), services.data(),
                    piece.services.size() * sizeof(std::uint32_t));
    return piece;
}

}  // namespace

Result<CatalogueReader> CatalogueReader::open(const Folder& folder) {
    // Until the first statements have opened -wal and -shm too.
    const auto names = CatalogueNames::keep(folder);
    if (!names) return names.error();
    const std::string identity = identity_of(folder);
    if (identity.empty())
        return Error{ErrorCode::kNotFound, folder.file(kCatalogueName) + ": not there"};
    auto database = Database::open(folder.file(kCatalogueName), Database::Mode::kRead);
    if (!database) return std::move(database).error();
    std::int64_t version = 0;
    std::string uuid;
    auto asked = each_row(*database, "PRAGMA user_version",
                          [&](Statement& row) { version = row.integer(0); });
    // One that is being made has neither version nor tables.
    if (asked && version == kCatalogueVersion)
        asked = each_row(*database, "SELECT uuid FROM position",
                         [&](Statement& row) { uuid = row.text(0); });
    if (!asked) return std::move(asked).error();
    if (version != kCatalogueVersion || uuid != folder.uuid())
        return Error{ErrorCode::kVersion, folder.file(kCatalogueName) + ": of another database"};
    return CatalogueReader(std::move(*database), identity);
}

bool CatalogueReader::current(const Folder& folder) const {
    return identity_of(folder) == file_identity_;
}

Result<void> CatalogueReader::load(std::vector<Piece>& pieces) {
    LogEnd position;
    auto read = each_row(database_, "SELECT window, offset, number, compacted FROM position",
                         [&](Statement& row) {
                             position = {row.unsigned_integer(0), row.unsigned_integer(1),
                                         row.unsigned_integer(2), row.integer(3) != 0};
                         });
    if (!read) return read;
    const bool moved = position.number != position_.number || position.window != position_.window;
    position_ = position;
    if (moved)
        if (auto names = load_names(); !names) return names;
    return each_row(
        database_,
        "SELECT id, window, offset, bytes, first_number, last_number, frames, spans,"
        " committed_ns_min, committed_ns_max, start_ns_min, start_ns_max, compacted,"
        " services"
        " FROM extents WHERE id > ? ORDER BY id",
        [&](Statement& row) {
            pieces.push_back(piece_of(row));
            last_extent_ = pieces.back().id;
        },
        last_extent_);
}

Result<void> CatalogueReader::load_names() {
    auto read = each_row(database_, "SELECT id, name FROM services", [&](Statement& row) {
        services_[row.text(1)] = static_cast<std::uint32_t>(row.integer(0));
    });
    if (!read) return read;
    return each_row(database_, "SELECT key FROM host_keys",
                    [&](Statement& row) { host_keys_.insert(instance_of(row.bytes(0)).bytes); });
}

Result<std::map<OperationKey, OperationCounts>> CatalogueReader::operations() {
    std::map<OperationKey, OperationCounts> found;
    auto read = each_row(
        database_,
        "SELECT s.name, o.name, o.kind, sum(o.spans), sum(o.errors) FROM operations o"
        " JOIN services s ON s.id = o.service GROUP BY o.service, o.name, o.kind",
        [&](Statement& row) {
            found[{row.text(0), row.text(1), static_cast<codec::SpanKind>(row.integer(2))}] = {
                row.unsigned_integer(3), row.unsigned_integer(4)};
        });
    if (!read) return std::move(read).error();
    return found;
}

Result<std::set<std::string>> CatalogueReader::attribute_keys() {
    std::set<std::string> keys;
    auto read = each_row(database_, "SELECT DISTINCT key FROM attribute_keys",
                         [&](Statement& row) { keys.insert(row.text(0)); });
    if (!read) return std::move(read).error();
    return keys;
}

Result<LossTotals> CatalogueReader::losses() {
    LossTotals totals;
    auto read =
        each_row(database_, "SELECT id, pid, name, ended FROM instances", [&](Statement& row) {
            auto& instance = totals.instances[instance_of(row.bytes(0))];
            instance.pid = static_cast<std::uint32_t>(row.integer(1));
            instance.process_name = row.text(2);
            instance.ended = row.integer(3) != 0;
        });
    if (!read) return std::move(read).error();
    read =
        each_row(database_, "SELECT instance, stream, spans, ends, details FROM losses",
                 [&](Statement& row) {
                     auto& instance = totals.instances[instance_of(row.bytes(0))];
                     instance.streams[static_cast<std::uint32_t>(row.integer(1))] = {
                         row.unsigned_integer(2), row.unsigned_integer(3), row.unsigned_integer(4)};
                 });
    if (!read) return std::move(read).error();
    return totals;
}

Result<bool> CatalogueReader::filter_of(std::int64_t extent, std::vector<std::byte>* filter) {
    bool found = false;
    auto read = each_row(
        database_, "SELECT trace_filter FROM extents WHERE id = ?",
        [&](Statement& row) {
            const auto bytes = row.bytes(0);
            filter->assign(bytes.begin(), bytes.end());
            found = true;
        },
        extent);
    if (!read) return std::move(read).error();
    return found;
}

std::optional<std::uint32_t> CatalogueReader::service_id(const std::string& name) const {
    const auto found = services_.find(name);
    if (found == services_.end()) return std::nullopt;
    return found->second;
}

}  // namespace spanring::store
