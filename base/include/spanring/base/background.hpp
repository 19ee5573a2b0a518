// Who does what a component leaves to the background. Threads: pure.
#pragma once

#include <cstdint>

namespace spanring {

enum class Background : std::uint8_t {
    kThreads,  ///< threads of its own
    kCaller,   ///< nobody but the caller, at once or when asked: one thread, in a known order
};

}  // namespace spanring
