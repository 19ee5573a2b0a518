// Segment: one producer's ring as the consumer serves it: the reader of shared memory, the
// assembler, and how far each page has been read. Threads: the drain thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spanring/base/clock.hpp"
#include "spanring/consumer/assembler.hpp"
#include "spanring/shm/mapping/segment_reader.hpp"
#include "spanring/store/frame.hpp"
#include "turn.hpp"

namespace spanring::consumer {

/// The clocks of the host, one per kind that a producer may use; made when first asked for.
class Clocks {
public:
    [[nodiscard]] TickClock& of(std::uint32_t kind);
    /// Goes on with the counter's line that stands in the control page, and keeps it up there.
    void keep_in(shm::ControlPage& control) noexcept { control_ = &control; }
    /// Takes anchors that are due.
    void anchor_if_due();

private:
    void keep_line();

    shm::ControlPage* control_{nullptr};
    std::unique_ptr<TickClock> counter_;
    std::unique_ptr<TickClock> monotonic_;
};

class Segment final : public StringSource {
public:
    struct Drained {
        std::size_t bytes{0};
        bool complete{false};  ///< this call ended a round
        bool at_once{false};   ///< and had begun it
    };

    Segment(shm::SegmentReader reader, std::uint64_t number, TickClock& clock,
            const Limits& limits);

    /// Resumes where the last consumer stopped. Errors: kCorrupt.
    [[nodiscard]] Result<void> restore(const store::InstanceDelta& recovered,
                                       const codec::Batch& open, std::span<const std::size_t> rows,
                                       std::span<const std::byte> deferred);

    /// Copies and assembles what is published and was not read yet, at most about `budget` bytes.
    /// One look at all pages begins a round; as many calls as the budget asks for read what that
    /// look saw, and then the round is complete. Errors: kCorrupt, kIo: quarantine it.
    [[nodiscard]] Result<Drained> drain(RowSink& sink, std::size_t budget);
    /// Behind each drain(): applies what was held back and is due. Errors: kCorrupt: as above.
    [[nodiscard]] Result<void> end_turn(const Drained& drained, RowSink& sink);
    /// Returns whether something is published that was not read yet.
    [[nodiscard]] bool has_news();
    [[nodiscard]] Result<void> refresh_resource();
    /// Reads the loss counters; returns whether they changed.
    bool refresh_losses();

    /// What changed since the last call (`whole`: everything); false if nothing did.
    bool fill_delta(bool whole, store::InstanceDelta& delta);
    /// What the commit of this turn, which fill_delta described, lets the producer know.
    [[nodiscard]] SegmentMarks take_marks();
    /// The turn of these marks is committed: says so to the producer.
    [[nodiscard]] Result<void> commit(const SegmentMarks& marks);

    /// Of a process that was judged dead. If that was a mistake, its threads must not publish
    /// behind our last look: all are told to leave their pages, and then none of them is inside a
    /// tracepoint when this returns true. A thread that stays inside, because it was killed there,
    /// is not waited for longer than kInsideMax.
    bool stands_still();
    /// Takes the pages of threads that have written nothing since the last call, if the ring is
    /// nearly used up. Returns how many; those inside a tracepoint are left alone.
    std::size_t take_idle_pages();

    std::optional<std::string_view> string(std::uint32_t number) override;

    [[nodiscard]] const shm::SegmentIdentity& identity() const noexcept {
        return reader_.identity();
    }
    [[nodiscard]] shm::SegmentReader& reader() noexcept { return reader_; }
    [[nodiscard]] const shm::SegmentReader& reader() const noexcept { return reader_; }
    [[nodiscard]] Assembler& assembler() noexcept { return assembler_; }
    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
    [[nodiscard]] std::uint64_t losses_total() const noexcept;
    [[nodiscard]] const std::vector<store::StreamLosses>& losses() const noexcept {
        return losses_;
    }

    // The drain thread's notes on its life.
    enum class Life : std::uint8_t { kLive, kDead, kEnded, kGone };
    Life life{Life::kLive};
    bool quarantined{false};
    bool end_said{false};  ///< a turn says that it has ended
    std::string quarantine_reason;
    std::uint32_t turns_in_flight{0};
    std::uint64_t tracepoints_reported{0};
    std::uint64_t tracepoints_parked{0};
    std::uint64_t closed_early_reported{0};
    std::uint64_t ends_late_reported{0};

private:
    struct Position {
        std::uint32_t generation{0};
        std::uint32_t bytes{0};  ///< read so far, header included
        bool changed{false};
        bool released{false};  ///< its release is on the way
        bool untold{false};    ///< committed by the last consumer, which may have died of telling
    };
    struct Cursor {
        bool known{false};
        bool waited{false};
        std::uint64_t sequence{0};
    };

    Result<void> begin_round();
    void skip_stream();
    Result<bool> may_read(shm::PageView& view, bool look_again);
    Result<void> read_page(const shm::PageView& view, RowSink& sink, Drained& drained);
    Result<Position*> position_of(const shm::PageView& view);
    [[nodiscard]] Result<std::span<const std::byte>> copy_of(std::uint32_t page, std::uint32_t from,
                                                             std::uint32_t to);
    Result<void> catch_up(const shm::PageView& view, std::uint32_t to);
    [[nodiscard]] bool anybody_inside() const;
    [[nodiscard]] bool gap_before(const shm::PageView& view, Cursor& cursor) const noexcept;

    shm::SegmentReader reader_;
    std::uint64_t number_;
    Assembler assembler_;
    std::vector<std::string> strings_;
    std::vector<Position> positions_;
    std::vector<std::uint32_t> changed_pages_;
    std::vector<std::uint32_t> released_pages_;
    std::vector<Position> quiet_before_;  ///< by page, as take_idle_pages last saw them
    std::vector<Cursor> cursors_;
    std::vector<shm::PageView> views_;
    std::vector<shm::PageView> round_;  ///< by stream and sequence
    std::size_t round_at_{0};           ///< the next of them
    bool round_whole_{true};            ///< no stream had to be left for the next round
    std::vector<std::byte> copy_;       ///< of a page; only grows
    std::vector<std::byte> resource_;
    std::vector<store::StreamLosses> losses_;
    std::vector<bool> losses_changed_;
    // Turns in which something was read, counted on over the lives of consumers.
    std::uint64_t turn_{0};
    std::uint64_t round_end_{0};  ///< the turn in which the last complete round ended
    std::uint64_t settled_{0};    ///< the turn up to which nothing is held back
    std::uint64_t settled_said_{0};
    std::uint64_t turn_told_{0};
    std::uint64_t settled_told_{0};
    bool stands_still_{false};
    SteadyClock::time_point revoked_at_{};
    RowSink muted_;  ///< rows of what another database already has
};

}  // namespace spanring::consumer
