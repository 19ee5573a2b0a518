// What fuzz targets share: a check that ends the process.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace spanring::fuzz {

/// Aborts, for libFuzzer to see, with one line that says what does not hold.
inline void require(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

}  // namespace spanring::fuzz
