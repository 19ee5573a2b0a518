// Spans at a steady rate, in small bursts. Threads: the calling one.
#pragma once

#include <atomic>
#include <cstdint>

#include "options.hpp"
#include "program.hpp"

namespace spanring::tools::bench {

struct Paced {
    std::uint64_t spans{0};
    std::uint64_t ns{0};       ///< from the first burst to the end of the last
    std::uint64_t busy_ns{0};  ///< of that, inside bursts
    std::uint64_t cpu_ns{0};   ///< of that, on a processor: what is missing, others had
};

/// Runs the program for `pace.seconds`, and counts into `emitted` as it goes. Who was kept from the
/// processor for a while does not make up for all of it, so that the consumer is measured, not the
/// machine's other work: then fewer spans come than asked for.
[[nodiscard]] Paced run_paced(Program& program, const Pace& pace,
                              std::atomic<std::uint64_t>& emitted);

}  // namespace spanring::tools::bench
