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
    explicit RingDrain(const shm::RingDirectory& directory) : directory_(directory) {}

    /// Drains, assembles, commits. Returns what went wrong, or nothing.
    [[nodiscard]] Result<void> turn();
    /// The consumer dies, and the next one goes on from its last frame; `told`: the producer had
    /// been told of that commit.
    [[nodiscard]] Result<void> restart(bool told);
    /// The process has ended: the rest, and open spans as unfinished.
    [[nodiscard]] Result<void> close();
    /// Every span so far, one JSON line each.
    [[nodiscard]] std::string lines() const { return lines_.str(); }

private:
    [[nodiscard]] Result<std::unique_ptr<consumer::Segment>> attach();
    [[nodiscard]] Result<void> drain();
    [[nodiscard]] Result<void> take_rows();

    const shm::RingDirectory& directory_;
    consumer::Clocks clocks_;
    consumer::RowSink rows_;
    std::unique_ptr<consumer::Segment> segment_;
    std::ostringstream lines_;
};

}  // namespace spanring::test
