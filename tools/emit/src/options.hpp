// What `spanring emit` was asked for. Threads: read-only once parsed.
#pragma once

#include <cstdint>
#include <string>

namespace spanring::tools::emit {

struct EmitOptions {
    unsigned processes{3};
    unsigned threads{8};
    std::uint64_t spans{1000};  ///< per thread
    std::uint64_t seed{1};
    bool drop{false};             ///< policy drop instead of block
    double duration_s{0};         ///< > 0: go on until then, whatever `spans` says
    unsigned forks{2};            ///< per process, each in the middle of a trace
    std::uint64_t ring_bytes{0};  ///< 0: small for drop, so that it overflows; else the default
    std::uint32_t page_bytes{0};
    bool die_inside{false};  ///< SIGKILL itself inside open spans
    double flush_s{60};      ///< how long to wait until everything can be queried
    std::string oracle;
    std::string directory;  ///< of the rings
};

}  // namespace spanring::tools::emit
