// The embedded trace database: a folder of windows, each one append-only log of frames, with a
// SQLite catalogue behind.
//
//   DB/  uuid  lock  catalogue.sqlite  w-0000000000000001.log  w-0000000000000002.log ...
//
// One Writer per database (a lock says so), any number of Readers in any processes, while it
// writes. The append is the commit; the catalogue follows in the background, can be rebuilt from
// the logs at any time, and readers also scan what it does not hold yet.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "spanring/base/background.hpp"
#include "spanring/base/ids.hpp"
#include "spanring/base/result.hpp"
#include "spanring/codec/batch.hpp"
#include "spanring/codec/batch_view.hpp"
#include "spanring/codec/span.hpp"
#include "spanring/store/condition.hpp"
#include "spanring/store/digest.hpp"
#include "spanring/store/frame.hpp"
#include "spanring/store/row_mask.hpp"

namespace spanring::store {

enum class Durability : std::uint8_t {
    kInterval,  ///< fdatasync every sync_interval: power loss may cost that much, a process's death
                ///< nothing
    kCommit     ///< fdatasync before a commit returns
};

inline constexpr int kZstdLevelMax = 19;  ///< above it memory grows, bytes hardly shrink

/// How sealed windows are merged in the background.
struct CompactionOptions {
    bool enabled{true};
    unsigned cpu_percent{10};  ///< of one core, at most, while there is something to do
    int zstd_level{0};  ///< 1 to kZstdLevelMax: zstd where it makes a column smaller; 0: LZ4 alone
};

struct WriterOptions {
    /// A window is sealed at these bytes or this age, and compacted then. At 1,000 spans a second,
    /// each in a frame of its own, that is after two minutes; what is not compacted yet is about
    /// two windows.
    std::uint64_t window_bytes_max{64u << 20};
    std::chrono::seconds window_age_max{300};
    std::uint64_t database_bytes_max{10ull << 30};  ///< retirement by size; never the newest window
    std::chrono::seconds retention{7 * 24 * 3600};  ///< retirement by age
    std::chrono::milliseconds sync_interval{100};
    Durability durability{Durability::kInterval};
    CompactionOptions compaction{};
    Background background{Background::kThreads};  ///< kCaller: see Writer::do_chore
    std::function<std::int64_t()>
        now_ns{};  ///< realtime clock, of any thread; empty: the system's. Injected by tests
};

/// Everything a starting consumer must know to go on where the last one stopped: the fold of the
/// newest window.
struct RecoveredState {
    std::vector<InstanceDelta> instances;  ///< complete, of those not ended
    std::vector<InstanceId> ended;         ///< said to have ended in the windows that were folded
    codec::Batch open_spans;               ///< complete rows (appended details folded in)
    std::vector<std::byte> deferred;
    std::uint64_t tail_bytes_cut{0};  ///< of a torn frame at the end, cut off
};

/// What a writer leaves to the background.
enum class Chore : std::uint8_t {
    kSync,     ///< makes durable what is not yet
    kIndex,    ///< the catalogue, retirement and the reserve
    kCompact,  ///< a pass, if windows were sealed
};

struct CompactReport {
    std::uint64_t windows{0};  ///< that were compacted now
    std::uint64_t spans{0};    ///< in these
    std::uint64_t bytes_before{0};
    std::uint64_t bytes_after{0};
    std::vector<std::string> problems;  ///< windows that stay as they are: file and cause
};

class Writer {
public:
    /// Opens or creates the database at `path` and takes its lock. Cuts a torn tail.
    /// Errors: kBusy (another writer; names its pid), kPermission, kNoSpace, kVersion, kCorrupt
    /// (with the file and offset).
    [[nodiscard]] static Result<std::unique_ptr<Writer>> open(const std::string& path,
                                                              const WriterOptions& options);
    virtual ~Writer() = default;

    [[nodiscard]] virtual const RecoveredState& recovered() const noexcept = 0;

    /// True: the next frame starts a window, so the caller must give a complete snapshot
    /// (Frame::snapshot).
    [[nodiscard]] virtual bool wants_snapshot() const noexcept = 0;

    /// Appends the frame: once this returns it is committed, visible to every reader, and survives
    /// the death of every process. Threads: one caller at a time. Errors: kNoSpace, kIo: nothing of
    /// it is visible; the writer has closed the window and wants a snapshot next. kInvalidArgument:
    /// more than kFramePayloadMax, or no snapshot where one is due; nothing has changed.
    /// `facts`: of each batch of the frame, in their order; without them the catalogue's thread
    /// decodes the batches again. The frame's number and time are the writer's to give.
    [[nodiscard]] virtual Result<std::uint64_t> commit(const Frame& frame,
                                                       const FrameSummary& summary,
                                                       BatchFacts facts = {}) = 0;

    /// fdatasync of what is committed so far.
    [[nodiscard]] virtual Result<void> sync() = 0;
    /// With Background::kCaller: does now, if there is any, what a thread would do in its time.
    /// Threads: the caller's. What fails is tried again with the next call.
    virtual void do_chore(Chore chore) = 0;
    /// Waits until the catalogue holds everything committed so far, at most `time_max` if that is
    /// given: it can be rebuilt from the log, and readers scan what it lacks. Errors: kTimeout;
    /// what stopped the catalogue.
    [[nodiscard]] virtual Result<void> index_now(
        std::optional<std::chrono::milliseconds> time_max = std::nullopt) = 0;
    /// Unlinks windows over age or over size, never the newest. Returns how many. Also runs in the
    /// background at every new window.
    [[nodiscard]] virtual Result<std::uint64_t> retire() = 0;
    /// Compacts all sealed windows now, on this thread, without pauses. Errors: kBusy: somebody
    /// else compacts this database. Threads: any.
    [[nodiscard]] virtual Result<CompactReport> compact() = 0;
    /// Frames above `number` are kept as they were committed: somebody reads them one by one, by a
    /// cursor that must outlive the process. Threads: any. Default: none are.
    virtual void keep_frames_above(std::uint64_t number) = 0;
};

/// The usual condition: every given field must match. Strings are exact.
struct SpanFilter {
    std::optional<std::string> service{};
    std::optional<std::string> operation{};
    std::optional<std::int64_t> duration_ns_min{};
    std::optional<std::int64_t> duration_ns_max{};
    std::optional<std::int64_t> since_ns{};  ///< start >= since
    std::optional<std::int64_t> until_ns{};  ///< start < until
    std::vector<std::pair<std::string, std::string>>
        attributes{};  ///< key, value as text (integers in decimal, true/false)
    bool errors_only{false};
    std::optional<TraceId> trace_id{};
    operator Condition() const;  // NOLINT: it is one
};

struct TraceSummary {
    TraceId trace_id;
    bool trace_id_64{false};
    std::string root_service;
    std::string root_operation;
    std::int64_t start_ns{0};
    std::int64_t duration_ns{0};
    std::uint64_t span_count{0};
    std::uint64_t error_count{0};
    std::vector<std::string> services;
};

/// `spans`: all of a trace, by start, not empty.
[[nodiscard]] TraceSummary summary_of(const std::vector<codec::Span>& spans);

/// A trace that has matching spans.
struct TraceCandidate {
    std::int64_t rank_ns{0};  ///< see CandidateOptions
    TraceId id;
    auto operator<=>(const TraceCandidate&) const = default;
};
struct CandidateOptions {
    enum class Rank : std::uint8_t {
        kNewest,   ///< by the latest start of a matching span; without a start: INT64_MIN
        kSlowest,  ///< by the longest duration of a matching span; without one it has no rank
    };
    Rank rank{Rank::kNewest};
    std::size_t limit{0};
    /// Those behind this one. A trace that stands before it may come again, with the rank of its
    /// matching spans that rank lower.
    std::optional<TraceCandidate> behind{};
    std::function<bool()> go_on{};  ///< asked before each part of the log; false: that is all
};

struct OperationSummary {
    std::string service;
    std::string operation;
    codec::SpanKind kind{codec::SpanKind::kUnset};
    std::uint64_t count{0};
    std::uint64_t error_count{0};
};

struct InstanceLosses {
    InstanceId id;
    std::uint32_t pid{0};
    std::string process_name;
    bool ended{false};
    std::uint64_t spans{0};
    std::uint64_t ends{0};
    std::uint64_t details{0};
};

struct DatabaseStats {
    std::uint64_t spans{0};
    std::uint64_t bytes{0};  ///< all files
    std::uint64_t windows{0};
    std::uint64_t frames{0};
    std::int64_t oldest_commit_ns{0};
    std::int64_t newest_commit_ns{0};
    std::vector<InstanceLosses> losses;
};

using SpanVisitor = std::function<bool(const codec::Span&)>;  ///< false: stop
/// A batch that holds spans that satisfy a condition, and which rows they are. Returns false: stop;
/// an error: this batch cannot be read, it is skipped with a warning. What was loaded of the batch
/// to find the rows is there; other parts are decoded when the visitor loads them.
using BatchVisitor = std::function<Result<bool>(codec::BatchView& batch, const RowMask& matching)>;
/// One committed frame: what it is, and its finished spans, batch by batch.
struct CommittedFrame {
    std::uint64_t number{0};
    std::int64_t committed_ns{0};
    std::uint64_t tracepoints{0};  ///< drained into it, over all instances
    /// The same per instance (only those with any): `spanring top` shows G of each process.
    std::vector<std::pair<InstanceId, std::uint64_t>> instance_tracepoints;
    std::uint64_t bytes{0};  ///< on disk
    std::vector<codec::Batch> batches;
};
using FrameVisitor = std::function<bool(const CommittedFrame&)>;  ///< false: stop
using Progress = std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)>;

struct VisitOptions {
    enum class Order : std::uint8_t {
        kCommit,  ///< windows and frames as they were committed, open spans last
        kNewest,  ///< open spans and what is not indexed yet first, then by the latest start
    };
    Order order{Order::kCommit};
    /// Asked before each part of the log, of some 16,384 spans, is read: no span in it starts later
    /// than `start_ns_max` (what has none, never). False: stop. For time budgets, and for the first
    /// spans of an order.
    std::function<bool(std::int64_t start_ns_max)> go_on{};
    Progress progress{};
};

/// Where a batch stands. Of the spans that are open: window 0.
struct BatchPlace {
    std::uint64_t window{0};
    std::uint64_t offset{0};  ///< of its frame
    bool compacted{false};    ///< the offset is one of the window's compacted file
    std::uint32_t index{0};   ///< among the frame's batches
    bool operator==(const BatchPlace&) const = default;
};

/// The batches that hold spans that satisfy a condition, one after the other, of the log as it was
/// when the cursor was made. Threads: its reader's. Must not outlive its reader; what else the
/// reader is asked meanwhile, a refresh included, does not matter to it.
class BatchCursor {
public:
    BatchCursor() = default;
    BatchCursor(const BatchCursor&) = delete;
    BatchCursor& operator=(const BatchCursor&) = delete;
    virtual ~BatchCursor() = default;

    /// Goes to the next batch; false: there is none left. One that cannot be read is skipped with a
    /// warning.
    [[nodiscard]] virtual bool next() = 0;
    /// These are valid until the next call of next(), which must have been true.
    [[nodiscard]] virtual codec::BatchView& batch() = 0;
    [[nodiscard]] virtual const RowMask& matching() = 0;
    /// The bytes of the batch: copied, they outlive the cursor.
    [[nodiscard]] virtual std::span<const std::byte> encoded() const = 0;
    [[nodiscard]] virtual BatchPlace place() const = 0;
    /// No span of a batch that is yet to come starts later. With VisitOptions::Order::kNewest it
    /// falls from part to part of the log.
    [[nodiscard]] virtual std::int64_t later_start_ns_max() const = 0;
    /// Says that the batch turned out to be unreadable: a warning of the reader.
    virtual void refuse(const Error& error) = 0;
};

/// How many visitors are worth their threads here: one for each core, at most eight.
[[nodiscard]] unsigned visitors_max() noexcept;

class Reader {
public:
    /// Opens the database read-only; needs no running consumer and no lock.
    /// Errors: kNotFound ("no trace database at PATH; start one with `spanring up`"), kPermission,
    /// kVersion.
    [[nodiscard]] static Result<std::unique_ptr<Reader>> open(const std::string& path);
    virtual ~Reader() = default;

    /// Takes in what was committed since the last call. Every query sees the state of the last
    /// refresh (open does one).
    [[nodiscard]] virtual Result<void> refresh() = 0;

    /// Visits every span that satisfies the condition, windows and frames in commit order, then the
    /// spans that are open now (unfinished). Frames that cannot match are skipped by the catalogue.
    /// A corrupt frame is skipped, counted in `warnings()`, the visit goes on. Errors:
    /// kInvalidArgument, of the condition.
    [[nodiscard]] virtual Result<void> visit(const Condition& condition, const SpanVisitor& visitor,
                                             const Progress& progress = {}) = 0;
    /// As visit, batch by batch: no span is made of a row. Open spans come in batches, too.
    [[nodiscard]] virtual Result<void> visit_batches(const Condition& condition,
                                                     const BatchVisitor& visitor,
                                                     const VisitOptions& options = {}) = 0;
    /// As visit_batches, on several threads at once: each visitor is called by a thread of its own
    /// (the first by the caller's), for its share of the batches, in the order asked for. `go_on`
    /// and `progress` are called by all of them, one at a time; a thread that must not go on stops
    /// alone, a visitor that returns false stops all.
    [[nodiscard]] virtual Result<void> visit_batches_together(
        const Condition& condition, const std::vector<BatchVisitor>& visitors,
        const VisitOptions& options = {}) = 0;
    /// As visit_batches, for who wants to ask for the next batch when it suits.
    [[nodiscard]] virtual Result<std::unique_ptr<BatchCursor>> select(
        const Condition& condition, const VisitOptions& options = {}) = 0;
    /// Visits spans of frames committed after frame `after`; returns the newest frame number seen.
    /// For `tail` and sinks.
    [[nodiscard]] virtual Result<std::uint64_t> visit_after(std::uint64_t after,
                                                            const SpanVisitor& visitor) = 0;
    /// As visit_after, but frame by frame, with what the frame says of itself. For `top` and sinks
    /// that send batches on.
    [[nodiscard]] virtual Result<std::uint64_t> visit_frames_after(std::uint64_t after,
                                                                   const FrameVisitor& visitor) = 0;
    [[nodiscard]] virtual std::uint64_t newest_frame() const noexcept = 0;

    /// All spans of a trace, by start. Errors: kNotFound.
    [[nodiscard]] virtual Result<std::vector<codec::Span>> trace(const TraceId& id) = 0;
    /// The `limit` traces with the latest matching spans, newest start first; summaries are over
    /// the whole trace, matching or not.
    [[nodiscard]] virtual Result<std::vector<TraceSummary>> traces(const Condition& condition,
                                                                   std::size_t limit) = 0;
    /// The `limit` traces with matching spans that rank highest, the highest first. Takes memory
    /// for some times the limit, whatever matches.
    [[nodiscard]] virtual Result<std::vector<TraceCandidate>> candidates(
        const Condition& condition, const CandidateOptions& options) = 0;
    /// All spans of these traces, also open ones, by start; in the order of `ids`.
    [[nodiscard]] virtual std::vector<std::vector<codec::Span>> collect(
        const std::vector<TraceId>& ids) = 0;
    [[nodiscard]] virtual Result<std::vector<std::string>> services() = 0;
    /// Of spans, their events and links, and resources; ascending. Refreshes, as the other
    /// questions to the catalogue do.
    [[nodiscard]] virtual Result<std::vector<std::string>> attribute_keys() = 0;
    [[nodiscard]] virtual Result<std::vector<OperationSummary>> operations(
        const std::optional<std::string>& service) = 0;
    /// What spans that start in [from, until) are in sum, in steps of kDigestStepNs: a step that
    /// the range begins or ends in may be there whole or in part. Attributes are those of all spans
    /// of the windows. Reads what is not compacted yet; a span whose parent stands in another
    /// window may be missing from the edges.
    [[nodiscard]] virtual Result<Digest> digest(std::int64_t from_ns, std::int64_t until_ns,
                                                const Progress& progress = {}) = 0;
    /// By the time of the commits; without what is not indexed yet (the last 200 ms).
    [[nodiscard]] virtual Result<std::vector<DelayStep>> delays(std::int64_t from_ns,
                                                                std::int64_t until_ns) = 0;
    [[nodiscard]] virtual Result<DatabaseStats> stats() = 0;
    /// One line for each thing that was skipped: file, offset, cause.
    [[nodiscard]] virtual const std::vector<std::string>& warnings() const noexcept = 0;
};

/// Rebuilds the catalogue of a closed database from its logs. Errors: kBusy while a writer holds
/// it, or a reader that has stopped while it opened the old one.
[[nodiscard]] Result<void> rebuild_catalogue(const std::string& path,
                                             const Progress& progress = {});

/// Compacts what is sealed. Without a consumer, the newest window is sealed first, so that
/// everything is compacted. With one, it may go on: windows that its catalogue does not hold yet
/// stay. Errors: kBusy: somebody else compacts it, also after a wait of some seconds.
[[nodiscard]] Result<CompactReport> compact(const std::string& path,
                                            const CompactionOptions& options = {});

/// What a look at every byte of every window found.
struct CheckReport {
    std::uint64_t windows{0};
    std::uint64_t frames_good{0};
    std::uint64_t frames_bad{
        0};  ///< runs of bytes that are no frame, or a batch that cannot be read
    std::uint64_t spans{0};
    std::uint64_t bytes{0};
    std::uint64_t tail_bytes{0};        ///< of a torn frame at the end of the newest window
    std::vector<std::string> problems;  ///< file, offset, cause
};

/// Reads every frame and every batch; changes nothing; may run beside a writer. Errors: as
/// Reader::open.
[[nodiscard]] Result<CheckReport> check(const std::string& path, const Progress& progress = {});

struct RepairReport {
    std::uint64_t windows{0};          ///< that were damaged, and are not any more
    std::uint64_t bytes_taken_out{0};  ///< that were no frame
    std::vector<std::string> kept;     ///< paths of the damaged files, one for each such window
};

/// Takes out of every window what is no frame. The damaged file stays beside it under another name;
/// a window without any good frame goes. Readers that have the database open read on. Killed at any
/// point, it leaves every window as it was, or repaired.
/// Errors: kBusy (a consumer runs, or somebody compacts), kNoSpace, kIo, as Reader::open.
[[nodiscard]] Result<RepairReport> repair(const std::string& path, const Progress& progress = {});

/// Default database directory: SPANRING_DB, else $XDG_STATE_HOME/spanring/db, else
/// ~/.local/state/spanring/db.
[[nodiscard]] std::string default_database_path();

}  // namespace spanring::store
