// The Reader's implementation: queries over the LogView. Simple walks are in reader.cpp, what needs
// whole traces or totals in reader_summaries.cpp. Threads: one owner.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "batch_cursor.hpp"
#include "condition_bounds.hpp"
#include "facts.hpp"
#include "log_view.hpp"
#include "spanring/store/database.hpp"
#include "trace_filter.hpp"

namespace spanring::store {

class Candidates;

class ReaderImpl final : public Reader {
public:
    explicit ReaderImpl(Folder folder) : view_(std::move(folder)) {}

    Result<void> refresh() override { return view_.refresh(); }
    Result<void> visit(const Condition& condition, const SpanVisitor& visitor,
                       const Progress& progress) override;
    Result<void> visit_batches(const Condition& condition, const BatchVisitor& visitor,
                               const VisitOptions& options) override;
    Result<void> visit_batches_together(const Condition& condition,
                                        const std::vector<BatchVisitor>& visitors,
                                        const VisitOptions& options) override;
    Result<std::unique_ptr<BatchCursor>> select(const Condition& condition,
                                                const VisitOptions& options) override;
    Result<std::uint64_t> visit_after(std::uint64_t after, const SpanVisitor& visitor) override;
    Result<std::uint64_t> visit_frames_after(std::uint64_t after,
                                             const FrameVisitor& visitor) override;
    [[nodiscard]] std::uint64_t newest_frame() const noexcept override {
        return view_.newest_frame();
    }
    Result<std::vector<codec::Span>> trace(const TraceId& id) override;
    Result<std::vector<TraceSummary>> traces(const Condition& condition,
                                             std::size_t limit) override;
    Result<std::vector<TraceCandidate>> candidates(const Condition& condition,
                                                   const CandidateOptions& options) override;
    std::vector<std::vector<codec::Span>> collect(const std::vector<TraceId>& ids) override;
    Result<std::vector<std::string>> services() override;
    Result<std::vector<std::string>> attribute_keys() override;
    Result<std::vector<OperationSummary>> operations(
        const std::optional<std::string>& service) override;
    Result<Digest> digest(std::int64_t from_ns, std::int64_t until_ns,
                          const Progress& progress) override;
    Result<std::vector<DelayStep>> delays(std::int64_t from_ns, std::int64_t until_ns) override;
    Result<DatabaseStats> stats() override;
    [[nodiscard]] const std::vector<std::string>& warnings() const noexcept override {
        return view_.warnings();
    }

private:
    /// Returns false if stopped.
    static bool each_batch(BatchCursor& cursor, const BatchVisitor& take);
    [[nodiscard]] std::unique_ptr<BatchCursor> every_batch(std::vector<Piece> pieces,
                                                           WithOpen with_open);
    /// Those that may hold spans within the bounds.
    [[nodiscard]] std::vector<Piece> pieces_for(const ConditionBounds& bounds,
                                                VisitOptions::Order order);
    /// The traces that the bounds name, or none.
    [[nodiscard]] WantedTraces wanted_by(const ConditionBounds& bounds);
    /// By what the catalogue knows. Tail pieces always may.
    bool may_match(const Piece& piece, const ConditionBounds& bounds);
    /// `held`: its filter, if that is in memory.
    bool filter_allows(const Piece& piece, const TraceFilter* held, const WantedTraces& wanted);
    /// Once for each refresh.
    void load_filters();
    void read_filters();
    void warn_of_filters(const Error& error);
    /// In the forms in which extents may hold them.
    [[nodiscard]] WantedTraces wanted_of(const std::vector<TraceId>& ids);
    /// Row `index` as a span; false with a warning if it cannot be read.
    bool materialise(const codec::Batch& batch, std::size_t index, codec::Span* span);

    /// Ranks traces with matching spans, until nothing can change the answer.
    [[nodiscard]] Result<void> rank(const Condition& condition, const CandidateOptions& options,
                                    Candidates& found);
    [[nodiscard]] Result<std::map<OperationKey, OperationCounts>> operation_counts();
    /// What `read_indexed` takes from the catalogue, after a refresh, and what is not indexed yet.
    [[nodiscard]] Result<Facts> facts_with(
        const std::function<Result<void>(CatalogueReader&, Facts&)>& read_indexed);

    [[nodiscard]] CommittedFrame committed(const FramePlace& place, const FrameView& view,
                                           const std::string& file);

    LogView view_;
    LogView::Mark cursor_;  ///< behind the last frame that visit_frames_after gave
    // Trace filters of extents by id, as far as the budget goes.
    struct HeldFilter {
        explicit HeldFilter(std::span<const std::byte> of)
            : bytes(of.begin(), of.end()), filter(bytes) {}
        std::vector<std::byte> bytes;
        TraceFilter filter;
    };
    std::unordered_map<std::int64_t, std::unique_ptr<const HeldFilter>> filters_;
    std::vector<const TraceFilter*> filter_of_piece_;  ///< by place; null: it is not held
    std::int64_t filters_loaded_{0};
    std::size_t filter_bytes_{0};
    std::uint64_t filters_as_of_{0};  ///< LogView::refreshes
    std::uint64_t filters_of_{0};     ///< LogView::extents_dropped
};

}  // namespace spanring::store
