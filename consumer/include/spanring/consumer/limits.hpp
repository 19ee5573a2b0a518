// Every bound of the consumer on what a producer can make it hold or do. A producer that goes over
// one of those marked (breach) is quarantined: no program that uses the library can.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "spanring/store/frame.hpp"

namespace spanring::consumer {

struct Limits {
    /// Spans of one instance that are open beside the stacks (asynchronous ones, and those that
    /// were left above a context). A program that never ends them is honest: the oldest quarter is
    /// then stored as unfinished, and counted (spans_closed_early). 128 bytes each, so 128 MiB at
    /// most.
    std::size_t open_max{1u << 20};
    /// (breach) Entries of all stacks of one instance: 128 bytes each.
    std::size_t stack_entries_max{1u << 20};
    /// (breach) Entries of one stream's stack; far over any recursion that leaves room for frames.
    std::size_t stack_depth_max{1u << 16};
    /// Details held for open spans of one instance. Over it the oldest with details are closed as
    /// above, down to three quarters.
    std::size_t open_details_bytes_max{128u << 20};
    /// Details of one span; later ones are cut and the span says `truncated`.
    std::size_t span_details_bytes_max{1u << 20};
    /// An inline string (name or key).
    std::size_t inline_string_bytes_max{64u << 10};
};

/// What an open span takes in a snapshot without its details: 24 bytes of foreign trace and parent,
/// key, start, and names by number.
inline constexpr std::size_t kOpenSpanBytes = 64;
/// Held open by all segments together: a million spans with 64 MiB of details, say. Over it the
/// largest holder's oldest are closed, as over the limits of one instance. It bounds a snapshot.
inline constexpr std::size_t kOpenBytesMax = 128u << 20;

/// Page bytes that all segments together give to one turn: bounds its length, and its memory. The
/// rows of 1 MiB take up to 6 MiB and stay in the cache on their way to the database. With 16 MiB,
/// who once fell behind met a full ring with turns that did not, was slower for it, and never
/// caught up. With less, what is held back of a full ring would stand in many frames.
inline constexpr std::size_t kTurnBytesMax = 1u << 20;
/// And to the first turn. Each that is not enough doubles it: behind a consumer that has just
/// started, full rings get their first free pages soon, even if it is killed again at once.
inline constexpr std::size_t kTurnBytesFirst = 256u << 10;
/// Rows and details of one turn, and of all that are being encoded or committed, beyond which
/// nothing more is drained: 16 bytes in a ring can inherit 4 KiB of tracestate.
inline constexpr std::size_t kTurnRowBytesMax = 64u << 20;
/// A frame whose turn failed goes into the next one, which is a snapshot: what is open, what was in
/// flight, and one turn more, in which all that was open may have ended.
static_assert(2 * kOpenBytesMax + 2 * kTurnRowBytesMax <= store::kFramePayloadMax);
/// Turns that are being encoded or committed while the next is drained. More would only hide a slow
/// disk behind memory.
inline constexpr std::size_t kTurnsInFlightMax = 4;
/// A thread of a process that was judged dead is waited for so long to leave its tracepoint, which
/// takes a microsecond unless it was killed within.
inline constexpr std::chrono::milliseconds kInsideMax{100};
/// Segments that one consumer serves: HAZARDS row 23 asks for 1,000.
inline constexpr std::size_t kSegmentsMax = 16384;

}  // namespace spanring::consumer
