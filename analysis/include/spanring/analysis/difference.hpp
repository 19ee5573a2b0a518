// What changed between two traces, or between two ranges of time, operation by operation. Threads:
// pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "spanring/codec/span.hpp"
#include "spanring/query/statistics.hpp"

namespace spanring::analysis {

/// One operation on one side.
struct Side {
    std::uint64_t spans{0};
    std::uint64_t errors{0};
    std::int64_t self_ns{0};  ///< of traces: what its spans took themselves, all together
    std::int64_t p50_ns{0};
    std::int64_t p99_ns{0};
};

struct OperationDifference {
    std::string service;
    std::string operation;
    Side before;
    Side after;
};

/// Of two traces: what changed most in self time first.
[[nodiscard]] std::vector<OperationDifference> difference_of(const std::vector<codec::Span>& before,
                                                             const std::vector<codec::Span>& after);

/// Of two ranges of time: what changed most in p99, weighed by the spans, first. `before`, `after`:
/// of query::group_spans by service and name.
[[nodiscard]] std::vector<OperationDifference> difference_of(
    const std::vector<query::Group>& before, const std::vector<query::Group>& after);

}  // namespace spanring::analysis
