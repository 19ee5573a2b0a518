// A query's walk over the log, batch by batch. Threads: its reader's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "log_view.hpp"
#include "spanring/store/database.hpp"

namespace spanring::store {

enum class WithOpen : std::uint8_t { kYes, kNo };

class BatchCursorImpl final : public BatchCursor {
public:
    /// Walks over these pieces, in this order, and over the spans that are open now: with kNewest
    /// before them, else behind.
    BatchCursorImpl(LogView& view, Matcher matcher, std::vector<Piece> pieces, WithOpen with_open,
                    const VisitOptions& options);

    bool next() override;
    codec::BatchView& batch() override { return *batch_; }
    const RowMask& matching() override { return *matching_; }
    std::span<const std::byte> encoded() const override { return encoded_[next_encoded_ - 1]; }
    BatchPlace place() const override;
    std::int64_t later_start_ns_max() const override;
    void refuse(const Error& error) override;

private:
    /// Goes to the next encoded batch, whatever is in it; false: there is none.
    bool next_encoded();
    /// Goes to the next part of the log, or to the open spans.
    bool next_part();
    bool open_spans_part();
    void part_is_done();
    [[nodiscard]] bool newest_first() const noexcept {
        return options_.order == VisitOptions::Order::kNewest;
    }

    LogView& view_;
    Matcher matcher_;
    std::vector<Piece> pieces_;
    VisitOptions options_;
    LogView::Pass pass_;
    std::shared_ptr<const LogView::EncodedBatches> open_;  ///< null: not reached yet
    std::size_t next_piece_{0};
    std::uint64_t bytes_total_{0};
    std::uint64_t bytes_done_{0};
    bool stopped_{false};
    // The part that is being read: frames of a piece, or else the open spans.
    std::optional<LogView::Frames> frames_;
    std::vector<std::span<const std::byte>> encoded_;  ///< of one frame, or of the open spans
    std::size_t next_encoded_{0};
    std::optional<codec::BatchView> batch_;
    std::optional<RowMask> matching_;
};

}  // namespace spanring::store
