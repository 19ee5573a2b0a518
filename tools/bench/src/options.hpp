// What a producer of `spanring bench` does. Threads: read-only once parsed.
#pragma once

#include <cstdint>
#include <optional>

namespace spanring::tools::bench {

/// What the spans are.
struct Load {
    bool mix{false};         ///< traces of bench/hipster_mix.hpp; else one name in a loop
    bool attributes{false};  ///< an integer and 13 characters on each span
};

/// How fast they come.
struct Pace {
    double spans_per_s{0};      ///< 0: as fast as they can be made
    std::uint64_t burst_ns{0};  ///< from one burst to the next
    double seconds{1};
    bool sleep{false};  ///< between bursts, instead of spinning on a core of its own
};

struct ProducerPlan {
    Load load;
    Pace pace;
    std::uint64_t seed{1};
    std::optional<int> core;  ///< to run on; none: anywhere
};

}  // namespace spanring::tools::bench
