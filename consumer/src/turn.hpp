// Turn: what the drain thread took out of the rings at once, on its way to the database and back.
//
//   drain thread ─ fills ─► workers ─ encode ─► committer ─ appends, in order ─► drain thread
//
// Threads: one owner at a time; the pipeline's queues hand it over.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spanring/codec/batch.hpp"
#include "spanring/store/frame.hpp"

namespace spanring::consumer {

/// What is to be told to a producer once the turn is committed.
struct PageMark {
    std::uint32_t page{0};
    std::uint32_t generation{0};
    std::uint32_t bytes{0};
    bool release{false};  ///< full, and read to its end
};

struct SegmentMarks {
    std::uint64_t segment{0};  ///< number of the segment in this consumer's life
    std::vector<PageMark> pages;
    std::uint64_t turn{0};     ///< in which these pages were read
    std::uint64_t settled{0};  ///< the turn up to which nothing is held back
    bool ended{false};
    bool tells{false};  ///< something that the producer does not know yet
};

struct Turn {
    enum class Outcome : std::uint8_t {
        kPending,
        kCommitted,
        kParked,  ///< the writer wants a snapshot: its content goes into the next frame
        kFailed,  ///< the writer said no; the content goes into the next frame
    };

    std::vector<std::unique_ptr<codec::Batch>> batches;
    std::vector<std::unique_ptr<codec::Batch>> open_spans;
    store::Frame frame;  ///< without the batches, which the workers add
    std::vector<SegmentMarks> marks;
    std::uint64_t spans{0};
    std::size_t bytes{0};  ///< of the rows and details, as they were submitted

    /// Of one batch: its bytes, or why there are none.
    struct Encoded {
        std::vector<std::byte> bytes;
        std::shared_ptr<const store::Facts> facts;  ///< of finished spans
        std::uint64_t rows{0};
        std::string problem;
    };
    /// Filled by the workers, one place per batch, behind those that came encoded.
    std::vector<Encoded> encoded;
    std::vector<Encoded> encoded_open;
    std::atomic<std::uint32_t> to_encode{0};

    Outcome outcome{Outcome::kPending};
    std::string problem;
    std::uint64_t spans_unstorable{0};  ///< could not be encoded: not in the frame
    std::string unstorable_problem;
};

}  // namespace spanring::consumer
