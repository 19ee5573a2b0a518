// The order in which a batch stores its rows: traces by the start of their first span, within a
// trace the spans by start; equal ones in the order in which they came. Threads: pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "spanring/codec/batch.hpp"

namespace spanring::codec {

struct RowOrder {
    std::vector<std::uint32_t> rows;         ///< indices into the batch's rows
    std::vector<std::uint32_t> trace_sizes;  ///< rows of each trace, in that order
};

[[nodiscard]] RowOrder order_rows(std::span<const Row> rows);

}  // namespace spanring::codec
