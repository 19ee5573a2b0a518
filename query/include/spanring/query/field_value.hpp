// What a field of a query is of a span. Threads: pure.
#pragma once

#include <optional>
#include <string>

#include "spanring/codec/span.hpp"
#include "spanring/store/attribute_column.hpp"
#include "spanring/store/condition.hpp"

namespace spanring::query {

/// None: the span has no such field, or it is the whole trace's. Kind and status are words, ids are
/// hex digits. Of events and links: of the first that has it.
[[nodiscard]] std::optional<codec::Value> value_of(const codec::Span& span,
                                                   const store::Field& field);
/// None: it is no number.
[[nodiscard]] std::optional<double> number_of(const codec::Value& value);
[[nodiscard]] std::optional<double> number_of(const store::AttributeValue& value);

}  // namespace spanring::query
