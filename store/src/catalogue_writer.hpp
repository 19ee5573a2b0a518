// Keeps the catalogue up with the log. One per database, used by the indexer's thread or by a
// rebuild. Never part of a commit.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "facts.hpp"
#include "folder.hpp"
#include "indexer.hpp"
#include "log_scanner.hpp"
#include "loss_totals.hpp"
#include "spanring/base/result.hpp"
#include "spanring/store/digest.hpp"
#include "sqlite.hpp"

namespace spanring::store {

class CatalogueWriter {
public:
    using FactsSource = std::function<BatchFacts(std::uint64_t number)>;
    enum class Start : std::uint8_t { kGoOn, kAnew };

    /// Opens the catalogue. One that is missing, corrupt, of another version or database, or ahead
    /// of the log (`end`), is made anew, empty, as with kAnew. `facts`: returns what is known of a
    /// frame's batches; asked for each frame once, in their order. Errors: kBusy: somebody has been
    /// opening the old one for two seconds; others as the system's.
    [[nodiscard]] static Result<std::unique_ptr<CatalogueWriter>> open(const Folder& folder,
                                                                       const LogEnd& end,
                                                                       FactsSource facts,
                                                                       Start start = Start::kGoOn);
    /// Removes the files. Errors: kBusy as above.
    [[nodiscard]] static Result<void> discard(const Folder& folder);

    /// Takes in the next part of the log, at most to `end`, in one transaction, and forgets windows
    /// that are gone. Returns whether `end` is reached. Errors: kCorrupt: open it anew;
    /// others: nothing has changed, try later.
    [[nodiscard]] Result<bool> advance(const LogEnd& end);

    /// Replaces the extents of windows that have been compacted since they were indexed, and sums
    /// up what is compacted. Errors: as advance.
    [[nodiscard]] Result<void> take_compacted();

    /// How far it reaches.
    [[nodiscard]] const LogEnd& position() const noexcept { return position_; }

private:
    struct Extent {
        std::uint64_t offset{0};
        std::uint64_t bytes{0};
        std::uint64_t first_number{0};
        std::uint64_t last_number{0};
        std::uint64_t frames{0};
        std::uint64_t tracepoints{0};
        std::int64_t committed_ns_min{0};
        std::int64_t committed_ns_max{0};
        Facts facts;
    };
    struct Turn {
        std::uint64_t log_bytes{0};
        bool compacted{false};      ///< the window's file is
        bool extents_alone{false};  ///< all else is known from before it was compacted
        LossTotals losses;
        std::map<std::int64_t, DelayStep> delays;  ///< by their steps
    };

    CatalogueWriter(const Folder& folder, Database database, FactsSource facts)
        : folder_(folder), database_(std::move(database)), facts_(std::move(facts)) {}
    [[nodiscard]] Result<void> prepare();
    [[nodiscard]] Result<void> load(const LogEnd& end);
    [[nodiscard]] Result<bool> advance_in_transaction(const LogEnd& end);
    [[nodiscard]] Result<bool> index_window(std::uint64_t window, std::uint64_t limit,
                                            std::uint64_t void_from);
    [[nodiscard]] Result<void> add_frame(LogScanner& scanner, const FramePlace& place,
                                         Extent& extent, Turn& turn);
    [[nodiscard]] Result<void> store(std::uint64_t window, Extent& extent, const Turn& turn);
    [[nodiscard]] Result<void> replace_extents(std::uint64_t window);
    /// Rolls back and reads the caches anew.
    [[nodiscard]] Result<void> undo(const LogEnd& before, const LogEnd& end);
    [[nodiscard]] Result<void> store_operations(std::uint64_t window, const Facts& facts);
    [[nodiscard]] Result<void> store_losses(std::uint64_t window, Turn& turn);
    static void count_losses(StreamTotals& known, const StreamTotals& now, Turn& turn);
    [[nodiscard]] Result<void> store_delays(std::uint64_t window, Turn& turn);
    /// Adds the frame's spans to the steps; `facts` are those of one batch.
    static void add_delay(const spanring_frame_header& header, const Facts& facts, Turn& turn);
    /// Sums up a compacted window, unless that was done.
    [[nodiscard]] Result<void> digest_window(std::uint64_t window);
    [[nodiscard]] Result<void> store_digest(std::uint64_t window, const Digest& digest);
    [[nodiscard]] Result<void> store_position();
    [[nodiscard]] Result<std::uint32_t> service_id(const std::string& name);
    [[nodiscard]] Result<void> forget_windows(const std::set<std::uint64_t>& existing);

    const Folder& folder_;
    Database database_;
    const FactsSource facts_;
    LogEnd position_;
    std::map<std::uint64_t, bool>
        windows_;  ///< that the catalogue has something of; whether of the compacted file
    std::map<std::string, std::uint32_t> services_;
    std::set<std::uint64_t> digested_;
    std::map<InstanceId, std::map<std::uint32_t, StreamTotals>> losses_;  ///< as in the table
    std::set<std::string> known_keys_;  ///< attribute keys of the current window
    std::set<Key128> known_host_keys_;
    Statement insert_extent_;
    Statement insert_service_;
    Statement add_operation_;
    Statement add_key_;
    Statement add_host_key_;
    Statement put_instance_;
    Statement put_losses_;
    Statement put_position_;
    Statement add_delay_;
    Statement put_digest_;
    Statement put_metric_;
    Statement put_edge_;
    Statement put_values_;
};

}  // namespace spanring::store
