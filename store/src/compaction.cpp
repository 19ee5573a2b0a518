#include "compaction.hpp"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <utility>

#include "log_scanner.hpp"
#include "merge_pool.hpp"
#include "new_window.hpp"
#include "recovery.hpp"

namespace spanring::store {
namespace {

/// What is kept of the drain's state: losses and identities, for readers and the catalogue.
class History {
public:
    void apply(std::vector<InstanceDelta>&& deltas) {
        for (InstanceDelta& delta : deltas) {
            InstanceDelta& kept = instances_[delta.id];
            kept.id = delta.id;
            if (delta.pid != 0) kept.pid = delta.pid;
            if (!delta.process_name.empty()) kept.process_name = std::move(delta.process_name);
            kept.ended = kept.ended || delta.ended;
            kept.tracepoints += delta.tracepoints;
            for (const StreamLosses& losses : delta.losses) put(kept.losses, losses);
        }
    }
    [[nodiscard]] std::vector<InstanceDelta> take() {
        std::vector<InstanceDelta> out;
        out.reserve(instances_.size());
        for (auto& [id, instance] : std::exchange(instances_, {}))
            out.push_back(std::move(instance));
        return out;
    }

private:
    /// In the order of the streams. Totals: the newest says it all.
    static void put(std::vector<StreamLosses>& all, const StreamLosses& losses) {
        const auto at = std::ranges::lower_bound(all, losses.stream, {}, &StreamLosses::stream);
        if (at != all.end() && at->stream == losses.stream)
            *at = losses;
        else
            all.insert(at, losses);
    }

    std::map<InstanceId, InstanceDelta> instances_;
};

class Compaction {
public:
    Compaction(const Folder& folder, std::uint64_t window, const CompactionTask& task)
        : folder_(folder), window_(window), task_(task), file_(folder, window) {}

    Result<CompactedWindow> run() {
        auto fd = folder_.open_window(window_, O_RDONLY);
        if (!fd) {
            if (fd.error().code == ErrorCode::kNotFound) return CompactedWindow{};
            return std::move(fd).error();
        }
        const std::string name = folder_.file(window_name(window_));
        auto done = is_compacted(fd->get(), name);
        if (!done) return std::move(done).error();
        if (*done) return CompactedWindow{};
        auto before = file_bytes(fd->get(), name);
        if (!before) return std::move(before).error();
        auto may = prepare(fd->get(), name);
        if (!may) return std::move(may).error();
        if (!*may) return CompactedWindow{};
        if (auto created = file_.create(); !created) return std::move(created).error();
        if (auto merged = merge(fd->get(), name); !merged) return std::move(merged).error();
        auto took = file_.take_name(task_.names);
        if (!took) return std::move(took).error();
        return CompactedWindow{*took, spans_, *before, file_.bytes()};
    }

private:
    /// Walks the window once for its history. Returns whether there is something to merge.
    Result<bool> prepare(int fd, const std::string& name) {
        auto windows = folder_.windows();
        if (!windows) return std::move(windows).error();
        auto end = void_from(folder_, *windows, window_);
        if (!end) return std::move(end).error();
        end_ = *end;
        LogScanner scanner(fd, name, 0, Verify::kPositions);
        std::uint64_t last = 0;
        auto walked = walk(scanner, [&](const FramePlace& place) -> Result<void> {
            auto meta = scanner.meta(place);
            if (!meta) return std::move(meta).error();
            auto deltas = decode_instances(meta->instances);
            if (!deltas) return std::move(deltas).error();
            history_.apply(std::move(*deltas));
            last = place.header.number;
            return {};
        });
        if (!walked) return std::move(walked).error();
        return last != 0 && last <= task_.last_frame_max;
    }

    Result<void> merge(int fd, const std::string& name) {
        LogScanner scanner(fd, name, 0, Verify::kPositions);
        auto walked = walk(scanner, [&](const FramePlace& place) -> Result<void> {
            auto frame = scanner.frame(place);
            if (!frame) return std::move(frame).error();
            for (const auto encoded : frame->batches) {
                auto batch = codec::decode(encoded);
                if (!batch) return std::move(batch).error();
                if (auto added = pool_.add(*batch); !added) return added;
            }
            if (range_.first == 0) range_.first = place.header.number;
            range_.last = place.header.number;
            committed_ns_ = place.header.committed_ns;
            spans_ += place.header.spans;
            return pool_.full() ? flush() : Result<void>{};
        });
        if (!walked) return walked;
        // The last part may hold nothing but the end of the range, the only one the history.
        return range_.first != 0 ? flush() : Result<void>{};
    }

    template <typename Take>
    Result<void> walk(LogScanner& scanner, Take take) {
        FramePlace place;
        for (;;) {
            if (task_.go_on && !task_.go_on())
                return Error{ErrorCode::kUnavailable, "compaction was stopped"};
            auto found = scanner.next(&place);
            if (!found) return std::move(found).error();
            if (!*found || place.header.number >= end_) break;
            if (auto taken = take(place); !taken)
                return std::move(taken).error().in(scanner.name() + " at " +
                                                   std::to_string(place.offset));
        }
        // Damage is not cleared away by a copy without it: fsck shows it.
        if (!scanner.skipped().empty() || scanner.tail_bytes() != 0)
            return Error{ErrorCode::kCorrupt, scanner.name() + ": is damaged and not compacted"};
        return {};
    }

    /// Writes the pool as frames that answer for range_ together, and begins the next range.
    Result<void> flush() {
        auto parts = pool_.take(task_.encode);
        if (!parts) return std::move(parts).error();
        if (parts->empty()) parts->emplace_back();
        // Each frame has a number of its own, the last one the last of the range. Fewer numbers
        // than batches: the range was of few large frames.
        const std::uint64_t numbers = range_.last - range_.first + 1;
        const std::size_t frames = std::min<std::uint64_t>(parts->size(), numbers);
        for (std::size_t i = 0, part = 0; i < frames; ++i) {
            Frame frame;
            frame.number = range_.last - (frames - 1 - i);
            frame.committed_ns = committed_ns_;
            frame.merged = range_;
            frame.instances = history_.take();
            FrameSummary summary;
            for (const std::size_t end = parts->size() * (i + 1) / frames; part < end; ++part)
                join((*parts)[part], frame, summary);
            if (auto put = file_.append(encode(frame, summary)); !put) return put;
        }
        range_ = {};
        return {};
    }

    static void join(MergePool::Part& part, Frame& frame, FrameSummary& summary) {
        if (part.summary.spans == 0) return;
        const bool first = summary.spans == 0;
        const FrameSummary& more = part.summary;
        summary.start_ns_min =
            first ? more.start_ns_min : std::min(summary.start_ns_min, more.start_ns_min);
        summary.start_ns_max =
            first ? more.start_ns_max : std::max(summary.start_ns_max, more.start_ns_max);
        summary.spans += more.spans;
        frame.batches.push_back(std::move(part.batch));
    }

    const Folder& folder_;
    const std::uint64_t window_;
    const CompactionTask& task_;
    NewWindow file_;
    History history_;
    MergePool pool_;
    MergedRange range_;  ///< of what is in the pool; first 0: nothing
    std::int64_t committed_ns_{0};
    std::uint64_t spans_{0};
    std::uint64_t end_{UINT64_MAX};  ///< frames from here on are void
};

}  // namespace

Result<CompactedWindow> compact_window(const Folder& folder, std::uint64_t window,
                                       const CompactionTask& task) {
    return Compaction(folder, window, task).run();
}

}  // namespace spanring::store
