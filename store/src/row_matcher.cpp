#include "row_matcher.hpp"

#include <algorithm>
#include <cstring>

#include "spanring/abi/record_layout.h"

namespace spanring::store {
namespace {

using codec::RowFlag;

std::optional<codec::StringId> find_string(const codec::Batch& batch, const std::string& text) {
    for (std::size_t i = 0; i < batch.string_count(); ++i)
        if (batch.string(static_cast<codec::StringId>(i)) == text)
            return static_cast<codec::StringId>(i);
    return std::nullopt;
}

}  // namespace

std::vector<TraceKey> keys_of(const TraceId& id, const std::set<Key128>& host_keys) {
    TraceKey foreign;
    std::memcpy(&foreign.high, id.bytes.data(), 8);
    std::memcpy(&foreign.low, id.bytes.data() + 8, 8);
    std::vector<TraceKey> keys{foreign};
    for (const Key128& host_key : host_keys) {
        const TraceOrigin origin = locate_trace(host_key, id);
        keys.push_back({origin.instance_number, origin.root.value, true});
    }
    return keys;
}

std::set<Key128> host_keys_of(const codec::Batch& batch) {
    std::set<Key128> keys;
    for (std::size_t i = 1; i <= batch.instance_count(); ++i)
        keys.insert(batch.instance(static_cast<codec::InstanceIndex>(i)).host_key);
    return keys;
}

RowMatcher::RowMatcher(const SpanFilter& filter, const codec::Batch& batch)
    : filter_(filter), batch_(batch) {
    if (filter.service) {
        const auto services = services_of(batch);
        bool some = false;
        for (const std::string& service : services) {
            resource_matches_.push_back(service == *filter.service);
            some = some || resource_matches_.back();
        }
        any_ = some;
    }
    if (filter.operation) {
        name_ = find_string(batch, *filter.operation);
        any_ = any_ && name_.has_value();
    }
    for (const auto& [key, value] : filter.attributes)
        any_ = any_ && find_string(batch, key).has_value();
    if (filter.trace_id) trace_keys_ = keys_of(*filter.trace_id, host_keys_of(batch));
}

bool RowMatcher::matches(const codec::Row& row) const noexcept {
    if (name_ && row.name != *name_) return false;
    if (filter_.errors_only && row.status != SPANRING_STATUS_ERROR) return false;
    if (!resource_matches_.empty() && !resource_matches_[row.resource]) return false;
    if (filter_.since_ns || filter_.until_ns) {
        if ((row.flags & RowFlag::kHasStart) == 0) return false;
        if (filter_.since_ns && row.start_ns < *filter_.since_ns) return false;
        if (filter_.until_ns && row.start_ns >= *filter_.until_ns) return false;
    }
    if (filter_.duration_ns_min || filter_.duration_ns_max) {
        if ((row.flags & RowFlag::kHasDuration) == 0) return false;
        if (filter_.duration_ns_min && row.duration_ns < *filter_.duration_ns_min) return false;
        if (filter_.duration_ns_max && row.duration_ns > *filter_.duration_ns_max) return false;
    }
    return !filter_.trace_id ||
           std::find(trace_keys_.begin(), trace_keys_.end(), trace_key(row)) != trace_keys_.end();
}

bool RowMatcher::matches_fully(std::size_t index) const {
    if (!matches(batch_.rows[index])) return false;
    if (filter_.attributes.empty()) return true;
    auto span = batch_.span(index);
    return span && filter_.matches(*span);
}

}  // namespace spanring::store
