// What a producer's thread does: spans by the public interface of the tracer, from call sites that
// are warm, and as little else as possible.
//
// Threads: the one that made it.
#pragma once

#include <cstdint>
#include <memory>

#include "options.hpp"

namespace spanring::tools::bench {

class Program {
public:
    /// The same seed makes the same spans.
    [[nodiscard]] static std::unique_ptr<Program> make(const Load& load, std::uint64_t seed);
    virtual ~Program() = default;

    /// Reaches every call site. Returns how many spans that took.
    virtual std::uint64_t warm_up() = 0;
    /// Begins and ends at least `wanted` spans, and leaves none open. Returns how many.
    virtual std::uint64_t emit(std::uint64_t wanted) = 0;
};

}  // namespace spanring::tools::bench
