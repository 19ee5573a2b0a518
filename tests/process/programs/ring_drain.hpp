// The drain of the real consumer, one segment and one turn at a time, without its database: what a
// turn commits is encoded as a frame and forgotten, and a restart knows the last frame alone.
// Threads: one.
#pragma once

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "segment.hpp"
#include "spanring/shm/directory.hpp"

namespace spanring::test {

class RingDrain {
public:
    /// A turn reads about `budget` bytes. `lags`: producers hear of it a turn later, as when the
    /// next is drained while the database writes.
    RingDrain(const shm::RingDirectory& directory, std::size_t budget, bool lags)
        : directory_(directory), budget_(budget), lags_(lags) {}

    /// Drains, assembles, commits. Returns what went wrong, or nothing.
    [[nodiscard]] Result<void> turn();
    /// The consumer dies, and the next one goes on from its last frame; `told`: the producer had
    /// been told of that commit.
    [[nodiscard]] Result<void> restart(bool told);
    /// Turns until everything that was published has been read and applied.
    [[nodiscard]] Result<void> catch_up();
    /// Whether operations wait for a later turn.
    [[nodiscard]] bool holds_back() const;
    /// The process has ended: the rest, and open spans as unfinished.
    [[nodiscard]] Result<void> close();
    /// Every span so far, one JSON line each.
    [[nodiscard]] std::string lines() const { return lines_.str(); }

private:
    [[nodiscard]] Result<std::unique_ptr<consumer::Segment>> attach();
    /// Returns whether one look saw everything, and nothing new.
    [[nodiscard]] Result<bool> drain();
    [[nodiscard]] Result<bool> turn_once();
    [[nodiscard]] Result<void> take_rows();

    const shm::RingDirectory& directory_;
    const std::size_t budget_;
    const bool lags_;
    consumer::SegmentMarks untold_;
    consumer::Clocks clocks_;
    consumer::RowSink rows_;
    std::unique_ptr<consumer::Segment> segment_;
    std::ostringstream lines_;
};

}  // namespace spanring::test
