// The assembler: bytes of one segment's pages become rows of batches.
//
// It pairs begins and ends per stream, keeps each stream's stack as the writer does, resolves
// names, converts the clock, and implements the rules of ARCHITECTURE.md ("The stack", "Losses",
// "Order between streams", "Recovery"). Its input is a copy of what a producer wrote, and is
// trusted in nothing: malformed bytes give an error, which quarantines the segment; work and memory
// are bounded by Limits. It makes no system call and reads no shared memory (strings come through
// StringSource). Threads: one at a time (the drain thread).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "spanring/base/ids.hpp"
#include "spanring/base/result.hpp"
#include "spanring/codec/batch.hpp"
#include "spanring/consumer/clock.hpp"
#include "spanring/consumer/limits.hpp"
#include "spanring/consumer/row_sink.hpp"
#include "spanring/store/frame.hpp"

namespace spanring::consumer {

/// A run of records that was copied out of one page.
struct PageBytes {
    std::uint32_t stream{0};
    std::uint64_t sequence{0};
    std::uint64_t base_ticks{0};
    std::uint64_t first_ordinal{1};
    bool from_start{true};  ///< begins with the page's first record
    std::span<const std::byte> records;
};

/// What an assembler has seen since it was made.
struct AssemblerCounts {
    std::uint64_t tracepoints{0};
    std::uint64_t rows{0};  ///< finished spans
    std::uint64_t spans_end_lost{0};
    std::uint64_t spans_unfinished{0};
    std::uint64_t spans_truncated{0};
    std::uint64_t spans_closed_early{0};  ///< over a limit, stored as unfinished
    std::uint64_t ends_late{0};           ///< of such spans: dropped
};

class Assembler {
public:
    /// `clock` and `strings` must outlive it.
    Assembler(const codec::Instance& instance, const TickClock& clock, StringSource& strings,
              const Limits& limits = {});
    ~Assembler();
    Assembler(const Assembler&) = delete;
    Assembler& operator=(const Assembler&) = delete;

    /// The process's resource: attribute records, keys inline. Applies to rows from now on.
    void set_resource(std::span<const std::byte> attribute_records);

    /// Takes records in. Pages of a stream must come in the order of their sequence, bytes of a
    /// page in order; finished spans go to `sink`.
    /// Errors: kCorrupt: no library of ours wrote this. The assembler may then only be asked to
    /// close().
    [[nodiscard]] Result<void> feed(const PageBytes& page, RowSink& sink);

    /// Ends a turn. `complete`: every stream was drained up to a `committed` that was loaded in
    /// this turn; only then operations held back by the turn before are applied.
    [[nodiscard]] Result<void> end_turn(bool complete, RowSink& sink);

    /// The process is dead and wholly drained, or quarantined: what is held back is applied, every
    /// open span goes to `sink` as unfinished.
    void close(RowSink& sink);

    /// True if operations are held back, so that an otherwise empty turn has something to do.
    [[nodiscard]] bool has_deferred() const noexcept;

    /// Adds the states of streams that changed since the last call (`whole`: of all) to `out`.
    void export_streams(bool whole, std::vector<store::StreamState>& out);
    /// Adds rows of open spans: new ones whole, changed ones with what is new of their details
    /// (`whole`: all, whole).
    [[nodiscard]] Result<void> export_open(bool whole, RowSink& open_sink);
    /// Appends the operations held back; empty if there are none.
    void export_deferred(std::vector<std::byte>& out) const;

    /// Puts back what export_* gave: to be called once, before the first feed. `row_indices` are
    /// this instance's rows in `open`.
    /// Errors: kCorrupt: the state is none that export_* wrote.
    [[nodiscard]] Result<void> restore(const std::vector<store::StreamState>& streams,
                                       const codec::Batch& open,
                                       std::span<const std::size_t> row_indices,
                                       std::span<const std::byte> deferred);

    /// The page that stream is to go on with; 0 for one never seen.
    [[nodiscard]] std::uint64_t next_sequence(std::uint32_t stream) const noexcept;
    [[nodiscard]] const AssemblerCounts& counts() const noexcept;
    [[nodiscard]] std::size_t open_spans() const noexcept;
    /// About what a snapshot of all that is open takes.
    [[nodiscard]] std::size_t held_bytes() const noexcept;
    /// Closes the oldest open spans, as over a limit, until about `bytes` are held.
    void shrink_to(std::size_t bytes, RowSink& sink);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace spanring::consumer
