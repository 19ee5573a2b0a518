// A frame: what one turn of the consumer commits at once. Drained positions and data stand under
// one checksum, so they cannot disagree: after any crash the database says exactly how far each
// page of each ring has been read. Format: docs/format/frame.md. Threads: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "spanring/base/ids.hpp"
#include "spanring/base/result.hpp"

namespace spanring::codec {
class Batch;
}

namespace spanring::store {

/// How much of a page is in the database.
struct PagePosition {
    std::uint32_t page{0};
    std::uint32_t generation{0};
    std::uint32_t bytes{0};  ///< header included, as in the `stored` word
    bool operator==(const PagePosition&) const = default;
};

/// What the assembler knows of one stream after the frame.
struct StreamState {
    std::uint32_t stream{0};
    std::uint64_t next_ordinal{1};
    std::uint64_t next_sequence{0};  ///< of the page that is to be read next, or is being read
    std::vector<std::byte>
        state;  ///< the stack and the item, opaque to the store (assembler's own format, versioned)
    bool operator==(const StreamState&) const = default;
};

/// Losses of one stream: totals since the instance began, as its thread slot counts them.
struct StreamLosses {
    std::uint32_t stream{0};
    std::uint64_t spans[4]{};  ///< by SPANRING_LOST_*
    std::uint64_t ends[4]{};
    std::uint64_t details[4]{};
    bool operator==(const StreamLosses&) const = default;
};

/// Changes of one instance (one process's ring). In a snapshot frame: everything, not changes.
struct InstanceDelta {
    InstanceId id;
    std::uint32_t pid{0};
    std::string process_name;
    bool ended{false};             ///< drained for good; forget it
    std::uint64_t tracepoints{0};  ///< drained into this frame (spanring_record_is_tracepoint); in
                                   ///< a snapshot too only new ones
    std::vector<PagePosition> pages;
    std::vector<std::uint32_t> pages_released;  ///< forget their positions
    std::vector<StreamState> streams;
    std::vector<StreamLosses> losses;
    bool operator==(const InstanceDelta&) const = default;
};

/// Batches, open spans and held-back operations of one frame. A frame is at most 512 MiB long; what
/// is left is for positions and stream states.
inline constexpr std::uint64_t kFramePayloadMax = 448u << 20;

/// The numbers of the frames that a merged frame stands for, with the other merged frames that say
/// the same range: their spans were dealt out anew among these.
struct MergedRange {
    std::uint64_t first{0};
    std::uint64_t last{0};
    bool operator==(const MergedRange&) const = default;
};

struct Frame {
    std::uint64_t number{0};       ///< set by the store's writer, ascending over windows
    std::int64_t committed_ns{0};  ///< realtime, set by the store's writer
    bool snapshot{
        false};  ///< the first of a window: `instances`, `open_spans` and `deferred` are complete
    std::vector<InstanceDelta> instances;
    std::vector<std::vector<std::byte>> batches;     ///< encoded codec::Batch each: finished spans
    std::vector<std::vector<std::byte>> open_spans;  ///< encoded codec::Batch each: open spans that
                                                     ///< began or changed; native ids
    std::vector<std::byte>
        deferred;  ///< the assembler's held-back operations: replaces what the previous frame said
    std::optional<MergedRange>
        merged{};  ///< made by compaction: `instances` tell losses and identities of the window,
                   ///< for readers; there are no positions, open spans or deferred operations
    bool operator==(const Frame&) const = default;
};

/// Facts of the frame's finished spans, so that nobody need decode the batches for them. Binding:
/// recovery and readers look for the end of an open span only in frames whose range of starts
/// (over rows that have one) includes its start.
struct FrameSummary {
    std::uint64_t spans{0};
    std::int64_t start_ns_min{0};
    std::int64_t start_ns_max{0};
};

/// What the catalogue wants to know of a batch.
struct Facts;
using BatchFacts = std::vector<std::shared_ptr<const Facts>>;
/// Gathers them while the rows are at hand. Threads: any.
[[nodiscard]] std::shared_ptr<const Facts> facts_of(const codec::Batch& batch);
/// Of a frame with these batches.
[[nodiscard]] FrameSummary summary_of(const BatchFacts& facts);

/// What the writer gives a frame.
struct FrameStamp {
    std::uint64_t number{0};
    std::int64_t committed_ns{0};
};
/// Returns the frame as bytes with its header and CRC-32C.
[[nodiscard]] std::vector<std::byte> encode(const Frame& frame, const FrameSummary& summary,
                                            const FrameStamp& stamp);
/// With the number and time that it has.
[[nodiscard]] inline std::vector<std::byte> encode(const Frame& frame,
                                                   const FrameSummary& summary) {
    return encode(frame, summary, {frame.number, frame.committed_ns});
}

/// Returns the frame that starts at bytes[0]; *frame_bytes = its length. Trusts nothing.
/// Errors: kCorrupt (also for a torn tail), kVersion.
[[nodiscard]] Result<Frame> decode_frame(std::span<const std::byte> bytes,
                                         std::size_t* frame_bytes);

}  // namespace spanring::store
