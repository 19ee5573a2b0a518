// Which windows may go, and their removal. A reader that is in one keeps its open file. Threads:
// any; two at once only find less to do.
#pragma once

#include <chrono>
#include <cstdint>

#include "folder.hpp"
#include "spanring/base/result.hpp"

namespace spanring::store {

struct RetirementRule {
    std::uint64_t bytes_max{0};  ///< of all windows
    std::chrono::seconds age_max{0};
    std::int64_t now_ns{0};
};

/// Removes the oldest windows while there are too many bytes or they hold nothing younger than
/// age_max. Never the newest that begins with a snapshot, nor one behind it. Returns how many.
[[nodiscard]] Result<std::uint64_t> retire_windows(const Folder& folder,
                                                   const RetirementRule& rule);

/// Removes the oldest window if a newer one begins with a snapshot. Returns whether it did.
[[nodiscard]] Result<bool> retire_oldest(const Folder& folder);

}  // namespace spanring::store
