// How many spans, how many of them failed, and how long they took, by what they have in common.
// Only the columns that this takes are decoded: durations stand by shape in a batch, and what
// spans are grouped by is the same for all of a shape. Threads: the reader's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "spanring/base/result.hpp"
#include "spanring/query/duration_histogram.hpp"
#include "spanring/store/condition.hpp"
#include "spanring/store/database.hpp"

namespace spanring::query {

struct Group {
    std::vector<std::string> values;  ///< of the fields that spans are grouped by, in their order
    std::uint64_t spans{0};
    std::uint64_t errors{0};      ///< those with status error
    DurationHistogram durations;  ///< of those that have one
};

/// Returns a group for each combination of values that spans which satisfy the condition have, in
/// the order of the values; without fields, one for all. Fields: name, kind, status, service,
/// scope, attributes of the span or its resource; of what a span lacks, the value is empty. Errors:
/// kInvalidArgument: of the condition, or a field that spans cannot be grouped by.
[[nodiscard]] Result<std::vector<Group>> group_spans(store::Reader& reader,
                                                     const store::Condition& condition,
                                                     const std::vector<store::Field>& by,
                                                     const store::Progress& progress = {});

}  // namespace spanring::query
