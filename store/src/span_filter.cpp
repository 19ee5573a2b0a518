#include <utility>
#include <vector>

#include "spanring/store/database.hpp"

namespace spanring::store {

SpanFilter::operator Condition() const {
    std::vector<Condition> all;
    const auto put = [&](Property property, Operator op, Literal literal) {
        all.push_back(Condition::compare(property, op, std::move(literal)));
    };
    if (trace_id) put(Property::kTraceId, Operator::kEqual, *trace_id);
    if (service) put(Property::kService, Operator::kEqual, *service);
    if (since_ns) put(Property::kStart, Operator::kAtLeast, *since_ns);
    if (until_ns) put(Property::kStart, Operator::kLess, *until_ns);
    if (operation) put(Property::kName, Operator::kEqual, *operation);
    if (errors_only)
        put(Property::kStatus, Operator::kEqual,
            static_cast<std::int64_t>(codec::StatusCode::kError));
    if (duration_ns_min) put(Property::kDuration, Operator::kAtLeast, *duration_ns_min);
    if (duration_ns_max) put(Property::kDuration, Operator::kAtMost, *duration_ns_max);
    for (const auto& [key, value] : attributes)
        all.push_back(Condition::compare(Field{Property::kAttribute, Scope::kAny, key},
                                         Operator::kIsText, value));
    return Condition::all_of(std::move(all));
}

}  // namespace spanring::store
