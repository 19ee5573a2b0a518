// `compact` of a whole database, beside a consumer or without one.
#include <fcntl.h>

#include <chrono>
#include <set>

#include "catalogue_reader.hpp"
#include "compactor.hpp"
#include "log_scanner.hpp"
#include "recovery.hpp"
#include "spanring/base/clock.hpp"
#include "spanring/store/database.hpp"

namespace spanring::store {
namespace {

// A consumer's own pass lasts some seconds per window, because it rests.
constexpr std::chrono::seconds kWaitForOther{30};
constexpr std::chrono::milliseconds kAskAgain{100};

/// Whether the newest window has more than the snapshot that it begins with.
Result<bool> worth_sealing(const Folder& folder) {
    auto windows = folder.windows();
    if (!windows) return std::move(windows).error();
    if (windows->empty()) return false;
    auto fd = folder.open_window(windows->back(), O_RDONLY);
    if (!fd) return std::move(fd).error();
    LogScanner scanner(fd->get(), folder.file(window_name(windows->back())), 0, Verify::kPositions);
    FramePlace place;
    auto first = scanner.next(&place);
    if (!first || !*first) return first;
    if (place.header.spans != 0) return true;
    return scanner.next(&place);
}

/// A snapshot that says what recovery found.
Result<Frame> snapshot_of(const RecoveredState& state) {
    Frame frame;
    frame.snapshot = true;
    frame.instances = state.instances;
    for (const InstanceId& id : state.ended) {
        InstanceDelta ended;
        ended.id = id;
        ended.ended = true;
        frame.instances.push_back(std::move(ended));
    }
    frame.deferred = state.deferred;
    codec::Batch open = state.open_spans;
    const std::vector<codec::Row> rows = std::move(open.rows);
    for (std::size_t begin = 0; begin < rows.size(); begin += codec::kBatchSpansMax) {
        const auto end = std::min(begin + codec::kBatchSpansMax, rows.size());
        open.rows.assign(rows.begin() + static_cast<std::ptrdiff_t>(begin),
                         rows.begin() + static_cast<std::ptrdiff_t>(end));
        auto encoded = codec::encode(open);
        if (!encoded) return std::move(encoded).error();
        frame.open_spans.push_back(std::move(*encoded));
    }
    return frame;
}

Result<CompactReport> compact_closed(const std::string& path, Writer& writer) {
    auto folder = Folder::open(path);
    if (!folder) return std::move(folder).error();
    auto worth = worth_sealing(*folder);
    if (!worth) return std::move(worth).error();
    if (*worth) {
        auto snapshot = snapshot_of(writer.recovered());
        if (!snapshot) return std::move(snapshot).error();
        auto sealed = writer.commit(std::move(*snapshot), {});
        if (!sealed) return std::move(sealed).error();
    }
    if (auto indexed = writer.index_now(); !indexed) return std::move(indexed).error();
    auto report = writer.compact();
    if (!report) return report;
    if (auto indexed = writer.index_now(); !indexed) return std::move(indexed).error();
    return report;
}

Result<CompactReport> compact_beside_writer(const std::string& path,
                                            const CompactionOptions& options) {
    auto folder = Folder::open(path);
    if (!folder) return std::move(folder).error();
    auto catalogue = CatalogueReader::open(*folder);
    if (!catalogue) return std::move(catalogue).error().in("what is indexed cannot be seen");
    std::vector<Piece> pieces;
    if (auto loaded = catalogue->load(pieces); !loaded) return std::move(loaded).error();
    CompactionTask task;
    task.encode = {.small = true, .zstd_level = options.zstd_level};
    std::set<std::uint64_t> left_alone;
    return compact_windows(*folder, catalogue->position().window, task, left_alone);
}

}  // namespace

Result<CompactReport> compact(const std::string& path, const CompactionOptions& options) {
    // It must exist: a writer would make it.
    if (auto folder = Folder::open(path); !folder) return std::move(folder).error();
    WriterOptions alone;
    alone.compaction = options;
    alone.compaction.enabled = false;
    // What may go is for the consumer's configuration to say.
    alone.database_bytes_max = UINT64_MAX;
    alone.retention = std::chrono::hours(24 * 365 * 100);
    const auto give_up = SteadyClock::now() + kWaitForOther;
    for (;;) {
        auto writer = Writer::open(path, alone);
        if (!writer && writer.error().code != ErrorCode::kBusy) return std::move(writer).error();
        auto report =
            writer ? compact_closed(path, **writer) : compact_beside_writer(path, options);
        const bool busy = !report && report.error().code == ErrorCode::kBusy;
        if (!busy || SteadyClock::now() > give_up) return report;
        sleep_ns(std::chrono::nanoseconds(kAskAgain).count());
    }
}

}  // namespace spanring::store
