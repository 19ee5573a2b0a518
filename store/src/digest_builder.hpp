// Sums up batches: what a Digest is made of. Threads: one owner.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "spanring/base/text_numbers.hpp"
#include "spanring/codec/batch_view.hpp"
#include "spanring/store/digest.hpp"

namespace spanring::store {

struct DigestRange {
    std::int64_t from_ns{std::numeric_limits<std::int64_t>::min()};
    std::int64_t until_ns{std::numeric_limits<std::int64_t>::max()};  ///< not included
    [[nodiscard]] bool holds(std::int64_t start_ns) const noexcept {
        return start_ns >= from_ns && start_ns < until_ns;
    }
};

/// The start of the step that a time is in.
[[nodiscard]] std::int64_t step_of(std::int64_t ns) noexcept;

class DigestBuilder {
public:
    explicit DigestBuilder(DigestRange range) : range_(range) {}

    /// Errors: kCorrupt; the batch may be counted in part then.
    [[nodiscard]] Result<void> add(codec::BatchView& batch);
    /// After all were added: each of them once more, if this says so. A caller may stand in
    /// another batch than what it called.
    [[nodiscard]] bool wants_second_look() const noexcept { return !callees_.empty(); }
    [[nodiscard]] Result<void> look_for_callers(codec::BatchView& batch);

    /// Adds what is known from elsewhere.
    void add(const Digest& other);
    [[nodiscard]] Digest take() &&;

private:
    using Number = std::uint32_t;
    struct Metric {
        std::uint64_t spans{0};
        std::uint64_t errors{0};
        DurationCounts durations;
    };
    /// Service, operation, kind, step.
    using OperationKey = std::tuple<Number, Number, std::uint8_t, std::int64_t>;
    /// Caller, callee, step.
    using EdgeKey = std::tuple<Number, Number, std::int64_t>;
    struct Values {
        std::uint64_t spans{0};
        std::unordered_map<std::string, std::uint64_t> counts;
        void add(std::string_view value, std::uint64_t times);
    };
    /// A span whose parent was not among its neighbours.
    struct Callee {
        Number service;
        bool error;
        std::int64_t step;
        std::optional<std::int64_t> duration_ns;
    };

    void begin(const codec::BatchView& batch);
    void add_operations(const codec::BatchView& batch);
    void add_edges(const codec::BatchView& batch);
    void add_edges_of(const codec::BatchView& batch, const codec::TraceRows& trace);
    void add_edge(Number caller, const Callee& callee);
    [[nodiscard]] Callee callee_at(const codec::BatchView& batch, std::uint32_t row) const;
    [[nodiscard]] Result<void> add_values(codec::BatchView& batch);
    void add_resource_values(const codec::BatchView& batch);
    void add_column_values(const codec::BatchView& batch, const codec::ColumnView& column);

    DigestRange range_;
    TextNumbers texts_;
    std::map<OperationKey, Metric> operations_;
    std::map<EdgeKey, Metric> edges_;
    std::map<std::string, Values> values_;
    std::unordered_multimap<std::uint64_t, Callee> callees_;  ///< by the parent's id
    // Of the batch:
    std::vector<Number> services_;                               ///< by resource
    std::unordered_map<std::uint64_t, Number> service_of_span_;  ///< of the last trace
    TraceId last_trace_;
};

}  // namespace spanring::store
