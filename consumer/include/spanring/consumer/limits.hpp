// Every bound of the consumer on what a producer can make it hold or do. A producer that goes over
// one of those marked (breach) is quarantined: no program that uses the library can.
#pragma once

#include <cstddef>
#include <cstdint>

namespace spanring::consumer {

struct Limits {
    /// (breach) Open spans and contexts of one instance: 128 bytes each, so 128 MiB at most.
    std::size_t open_max{1u << 20};
    /// (breach) Entries of one stream's stack; far over any recursion that leaves room for frames.
    std::size_t stack_depth_max{1u << 16};
    /// (breach) Details held for open spans of one instance.
    std::size_t open_details_bytes_max{256u << 20};
    /// Details of one span; later ones are cut and the span says `truncated`.
    std::size_t span_details_bytes_max{1u << 20};
    /// Operations held back for one turn; over it they are applied at once, which only risks their
    /// order against another thread's.
    std::size_t deferred_max{1u << 18};
    /// An inline string (name or key).
    std::size_t inline_string_bytes_max{64u << 10};
    /// Page bytes copied from one segment in one turn, so that one producer cannot hold up the
    /// others: 16 MiB is a whole ring of default size.
    std::size_t turn_bytes_max{16u << 20};
};

/// Page bytes that all segments together give to one turn: bounds the memory of a frame.
inline constexpr std::size_t kTurnBytesMax = 64u << 20;
/// Turns that are being encoded or committed while the next is drained. More would only hide a slow
/// disk behind memory.
inline constexpr std::size_t kTurnsInFlightMax = 4;
/// Segments that one consumer serves: HAZARDS row 23 asks for 1,000.
inline constexpr std::size_t kSegmentsMax = 16384;

}  // namespace spanring::consumer
