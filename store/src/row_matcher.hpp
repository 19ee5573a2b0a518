// A SpanFilter in terms of one batch's numbers: rows are judged by their raw fields, and a span is
// built only of a row that passes. Threads: one owner; borrows filter and batch.
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "facts.hpp"
#include "spanring/codec/batch.hpp"
#include "spanring/store/database.hpp"
#include "trace_set.hpp"

namespace spanring::store {

/// The keys under which rows of this trace may stand: as foreign bytes, and as native under each
/// host key.
[[nodiscard]] std::vector<TraceKey> keys_of(const TraceId& id, const std::set<Key128>& host_keys);
[[nodiscard]] std::set<Key128> host_keys_of(const codec::Batch& batch);

class RowMatcher {
public:
    RowMatcher(const SpanFilter& filter, const codec::Batch& batch);

    /// False: no row of the batch matches.
    [[nodiscard]] bool any() const noexcept { return any_; }
    /// Whether the row's own fields match; attributes are not looked at.
    [[nodiscard]] bool matches(const codec::Row& row) const noexcept;
    /// Whether the row matches in every respect: builds the span if the filter asks for attributes.
    [[nodiscard]] bool matches_fully(std::size_t index) const;

private:
    const SpanFilter& filter_;
    const codec::Batch& batch_;
    bool any_{true};
    std::vector<bool> resource_matches_;  ///< empty: all do
    std::optional<codec::StringId> name_;
    std::vector<TraceKey> trace_keys_;
};

}  // namespace spanring::store
