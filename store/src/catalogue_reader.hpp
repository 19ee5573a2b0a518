// The catalogue as readers see it. Everything is read inside one transaction per refresh, so that
// extents, position, operations and losses speak of the same moment; none stays open in between,
// which would keep the writer from shortening its WAL. Threads: one owner.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "digest_builder.hpp"
#include "facts.hpp"
#include "folder.hpp"
#include "indexer.hpp"
#include "loss_totals.hpp"
#include "spanring/base/result.hpp"
#include "sqlite.hpp"

namespace spanring::store {

/// Above every start: of what is not known.
inline constexpr std::int64_t kNoStartMax = std::numeric_limits<std::int64_t>::max();

/// A range of bytes of one window that holds whole frames: an extent of the catalogue, or a part of
/// the tail that it does not hold yet (id 0; services and times unknown).
struct Piece {
    std::int64_t id{0};
    std::uint64_t window{0};
    std::uint64_t offset{0};
    std::uint64_t bytes{0};
    std::uint64_t first_number{0};
    std::uint64_t last_number{0};
    std::uint64_t frames{0};
    std::uint64_t spans{0};
    std::int64_t committed_ns_min{0};
    std::int64_t committed_ns_max{0};
    std::int64_t start_ns_min{0};
    std::int64_t start_ns_max{0};
    bool compacted{false};                ///< the offset is one of the window's compacted file
    std::vector<std::uint32_t> services;  ///< ids, ascending
    [[nodiscard]] bool indexed() const noexcept { return id != 0; }
    /// What the catalogue does not know may hold anything.
    [[nodiscard]] std::int64_t latest_start() const noexcept {
        return indexed() ? start_ns_max : kNoStartMax;
    }
};

class CatalogueReader {
public:
    /// Errors: none matters to the caller but that there is no catalogue to be had.
    [[nodiscard]] static Result<CatalogueReader> open(const Folder& folder);

    [[nodiscard]] Result<void> begin() { return database_.run("BEGIN"); }
    void end() { (void)database_.run("COMMIT"); }

    /// Inside begin/end. Appends the extents that came since the last call: of new frames, and of
    /// windows that were compacted, whose older extents are gone.
    [[nodiscard]] Result<void> load(std::vector<Piece>& pieces);
    [[nodiscard]] Result<std::map<OperationKey, OperationCounts>> operations();
    [[nodiscard]] Result<std::set<std::string>> attribute_keys();
    [[nodiscard]] Result<LossTotals> losses();
    /// Of which windows there is a digest; and what stands in them, in the range.
    [[nodiscard]] Result<std::set<std::uint64_t>> digested();
    [[nodiscard]] Result<Digest> digest(const DigestRange& range);
    [[nodiscard]] Result<std::vector<DelayStep>> delays(const DigestRange& range);

    /// Any time. The extent's trace filter; empty vector and false: it is gone, ask the log.
    [[nodiscard]] Result<bool> filter_of(std::int64_t extent, std::vector<std::byte>* filter);
    /// Calls take(id, filter) for extents above `after`, ascending, until it returns false.
    template <typename Take>
    [[nodiscard]] Result<void> filters_after(std::int64_t after, Take take);

    [[nodiscard]] const LogEnd& position() const noexcept { return position_; }
    [[nodiscard]] const std::set<Key128>& host_keys() const noexcept { return host_keys_; }
    [[nodiscard]] std::optional<std::uint32_t> service_id(const std::string& name) const;
    /// Whether the file in the folder is still the one that is open here.
    [[nodiscard]] bool current(const Folder& folder) const;

private:
    CatalogueReader(Database database, std::string file_identity)
        : database_(std::move(database)), file_identity_(std::move(file_identity)) {}
    [[nodiscard]] Result<void> load_names();

    Database database_;
    std::string file_identity_;
    LogEnd position_;
    std::int64_t last_extent_{0};
    std::set<Key128> host_keys_;
    std::map<std::string, std::uint32_t> services_;
};

template <typename Take>
Result<void> CatalogueReader::filters_after(std::int64_t after, Take take) {
    auto rows = database_.prepare("SELECT id, trace_filter FROM extents WHERE id > ? ORDER BY id");
    if (!rows) return std::move(rows).error();
    rows->bind(1, after);
    for (;;) {
        auto row = rows->step();
        if (!row) return std::move(row).error();
        if (!*row || !take(rows->integer(0), rows->bytes(1))) return {};
    }
}

}  // namespace spanring::store
