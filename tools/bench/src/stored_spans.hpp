// What a database holds, counted by decoding it: the writer's own count proves nothing.
// Threads: the main thread only, as it follows Ctrl-C.
#pragma once

#include <cstdint>
#include <string>

#include "spanring/base/result.hpp"

namespace spanring::tools::bench {

/// Returns the finished spans in all batches. Errors: of the reader; kUnavailable: Ctrl-C.
[[nodiscard]] Result<std::uint64_t> count_spans(const std::string& database, bool quiet);

}  // namespace spanring::tools::bench
