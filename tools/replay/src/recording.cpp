#include "recording.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace spanring::tools::replay {
namespace {

bool plain(const codec::Span& span) {
    const bool only_service = !span.resource || span.resource->size() <= 1;
    return only_service && span.attributes.empty() && span.events.empty() && span.links.empty() &&
           span.kind == codec::SpanKind::kUnset && span.status == codec::StatusCode::kUnset &&
           span.status_message.empty() && span.trace_state.empty() &&
           span.scope == codec::Scope{} && span.dropped == codec::DroppedCounts{} &&
           span.flags == 0;
}

}  // namespace

Result<void> Recording::add(const codec::Span& span) {
    if (rows_.size() == kRowsMax) {
        return Error{ErrorCode::kNoSpace,
                     "more than " + std::to_string(kRowsMax) + " spans; split the file"};
    }
    const std::string service = codec::service_of(span);
    Row row;
    row.trace_id = span.trace_id;
    row.span_id = span.span_id;
    row.parent_id = span.parent_id;
    row.start_ns = span.start_ns.value_or(0);
    row.duration_ns = span.duration_ns.value_or(0);
    row.name = number_of(span.name, names_, name_numbers_);
    row.service = number_of(service, services_, service_numbers_);
    row.trace_id_64 = span.trace_id_64;
    row.has_start = span.start_ns.has_value();
    row.has_duration = span.duration_ns.has_value();
    if (!plain(span)) {
        row.whole = static_cast<std::uint32_t>(wholes_.size());
        wholes_.push_back(span);
    }
    rows_.push_back(row);
    return {};
}

void Recording::finish() {
    // Stable: rows with equal starts keep the order of the file.
    std::stable_sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) {
        if (a.service != b.service) return a.service < b.service;
        if (a.has_start != b.has_start) return !a.has_start;
        return a.start_ns < b.start_ns;
    });
    service_begin_.assign(services_.size() + 1, 0);
    std::int64_t first = std::numeric_limits<std::int64_t>::max();
    for (const Row& row : rows_) {
        ++service_begin_[row.service + 1];
        if (row.has_start) first = std::min(first, row.start_ns);
    }
    std::partial_sum(service_begin_.begin(), service_begin_.end(), service_begin_.begin());
    first_start_ns_ = first == std::numeric_limits<std::int64_t>::max() ? 0 : first;
}

std::span<const Row> Recording::rows_of(std::uint32_t service) const noexcept {
    return std::span<const Row>(rows_).subspan(
        service_begin_[service], service_begin_[service + 1] - service_begin_[service]);
}

std::uint32_t Recording::number_of(const std::string& text, std::vector<std::string>& list,
                                   std::unordered_map<std::string, std::uint32_t>& numbers) {
    const auto [entry, added] = numbers.try_emplace(text, static_cast<std::uint32_t>(list.size()));
    if (added) list.push_back(text);
    return entry->second;
}

}  // namespace spanring::tools::replay
