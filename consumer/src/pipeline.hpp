// Pipeline: encodes the batches of turns on worker threads and commits the turns in their order; a
// small one, if nothing else is in flight, on the thread that submits it.
//
// Bounded: the drain thread submits no more than limits.hpp's kTurnsInFlightMax. A turn that cannot
// be committed comes back whole, and so does every one behind it until a snapshot comes: data and
// positions never part. Threads: submit, collect, wait: the drain thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "spanring/base/background.hpp"
#include "spanring/store/database.hpp"
#include "turn.hpp"

namespace spanring::consumer {

class Pipeline {
public:
    /// `writer` must outlive it. Background::kCaller: no threads; wait() finishes a turn itself.
    Pipeline(store::Writer& writer, unsigned workers, Background background);
    /// Finishes what was submitted.
    ~Pipeline();
    Pipeline(const Pipeline&) = delete;
    Pipeline& operator=(const Pipeline&) = delete;

    void submit(std::unique_ptr<Turn> turn);
    /// Returns the turns that are done, in order.
    [[nodiscard]] std::vector<std::unique_ptr<Turn>> collect();
    /// Waits until a turn is done, at most `timeout`, and returns what collect() would.
    [[nodiscard]] std::vector<std::unique_ptr<Turn>> wait(std::chrono::microseconds timeout);
    /// Submitted and not yet collected.
    [[nodiscard]] std::size_t in_flight() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// The steps between submit and commit, in their order.

/// Makes a place for each part that is to be encoded.
void prepare(Turn& turn);
/// Encodes the turn's batch `index`; an index behind the last is a batch of open spans. Different
/// parts on any threads.
void encode_part(Turn& turn, std::size_t index, codec::Encoder& encoder);
/// Takes out what could not be encoded, or does not fit into one frame, and counts it.
void leave_out_unstorable(Turn& turn, std::uint64_t payload_max = store::kFramePayloadMax);

}  // namespace spanring::consumer
