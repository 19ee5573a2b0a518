// What every span that satisfies a condition has in common, as far as the catalogue knows of it:
// what lies outside need not be read. Threads: pure.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>

#include "spanring/store/condition.hpp"

namespace spanring::store {

struct ConditionBounds {
    bool nothing{false};    ///< no span satisfies it
    bool has_start{false};  ///< a span without a start does not; else the next two mean nothing
    std::int64_t start_ns_min{std::numeric_limits<std::int64_t>::min()};
    std::int64_t start_ns_max{std::numeric_limits<std::int64_t>::max()};  ///< included
    std::optional<std::set<std::string>> services{};                      ///< one of these
    std::optional<std::set<TraceId>> traces{};                            ///< one of these
};

[[nodiscard]] ConditionBounds bounds_of(const Condition& condition);

}  // namespace spanring::store
