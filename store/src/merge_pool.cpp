#include "merge_pool.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "row_copy.hpp"
#include "spanring/abi/record_layout.h"
#include "trace_set.hpp"

namespace spanring::store {
namespace {

using codec::Row;
using codec::RowFlag;

// 22 MiB of rows. Processes that are drained at different speeds bring the spans of one trace far
// apart: twice as many rows save 3 % of the bytes of a replay, and twice the memory is too much.
constexpr std::size_t kPoolRowsMax = 256u << 10;
constexpr std::size_t kPoolBytesMax = 32u << 20;
// A reader that looks for one trace decodes a whole batch: 16,384 rows are some 0.5 ms, and within
// 1 % of the bytes of 65,536.
constexpr std::size_t kMergedRows = 16u << 10;
static_assert(kMergedRows <= codec::kBatchSpansLimit);

std::int64_t start_of(const Row& row) noexcept {
    return (row.flags & RowFlag::kHasStart) != 0 ? row.start_ns
                                                 : std::numeric_limits<std::int64_t>::min();
}

struct Trace {
    std::int64_t start_ns{0};  ///< of its first row
    std::size_t rows{0};
    std::size_t at{0};  ///< where the next of its rows goes
};

/// Rows by trace, traces by their first start.
struct Grouped {
    std::vector<std::uint32_t> rows;  ///< their numbers: rows are long, and not moved
    std::vector<std::size_t> ends;    ///< where in `rows` each trace ends
};

Grouped group_by_trace(std::span<const Row> rows) {
    std::unordered_map<TraceKey, std::uint32_t, TraceKeyHash> numbers;
    std::vector<Trace> traces;
    std::vector<std::uint32_t> trace_of(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto [found, fresh] =
            numbers.try_emplace(trace_key(rows[i]), static_cast<std::uint32_t>(traces.size()));
        if (fresh) traces.push_back({start_of(rows[i]), 0, 0});
        Trace& trace = traces[found->second];
        trace.start_ns = std::min(trace.start_ns, start_of(rows[i]));
        ++trace.rows;
        trace_of[i] = found->second;
    }
    std::vector<std::uint32_t> order(traces.size());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
        return traces[a].start_ns < traces[b].start_ns;
    });
    Grouped grouped;
    grouped.rows.resize(rows.size());
    std::size_t at = 0;
    for (const std::uint32_t trace : order) {
        traces[trace].at = at;
        grouped.ends.push_back(at += traces[trace].rows);
    }
    for (std::size_t i = 0; i < rows.size(); ++i)
        grouped.rows[traces[trace_of[i]].at++] = static_cast<std::uint32_t>(i);
    return grouped;
}

FrameSummary summary_of(std::span<const Row> rows) {
    FrameSummary summary;
    summary.spans = rows.size();
    bool any = false;
    for (const Row& row : rows) {
        if ((row.flags & RowFlag::kHasStart) == 0) continue;
        summary.start_ns_min = any ? std::min(summary.start_ns_min, row.start_ns) : row.start_ns;
        summary.start_ns_max = any ? std::max(summary.start_ns_max, row.start_ns) : row.start_ns;
        any = true;
    }
    return summary;
}

}  // namespace

Result<void> MergePool::add(const codec::Batch& batch) {
    RowCopier copier(batch, pool_);
    for (const Row& row : batch.rows) {
        auto copied = copier.copy(row);
        if (!copied) return std::move(copied).error();
        pool_.rows.push_back(*copied);
    }
    return {};
}

bool MergePool::full() const noexcept {
    // A batch adds at most 65,536 strings of its own names and keys: far from the limit still.
    return pool_.rows.size() >= kPoolRowsMax || pool_.content_bytes() >= kPoolBytesMax ||
           pool_.string_count() >= SPANRING_STRINGS_MAX / 2;
}

Result<std::vector<MergePool::Part>> MergePool::take(const codec::EncodeOptions& options) {
    const std::vector<Row> rows = std::exchange(pool_.rows, {});
    const auto [order, ends] = group_by_trace(rows);
    std::vector<Part> parts;
    // Tables and details stay where they are: the encoder leaves out what its rows do not use.
    for (std::size_t begin = 0; begin < rows.size();) {
        const std::size_t most = std::min(begin + kMergedRows, rows.size());
        const auto after = std::upper_bound(ends.begin(), ends.end(), most);
        const bool whole = after != ends.begin() && *std::prev(after) > begin;
        const std::size_t end = whole ? *std::prev(after) : most;
        pool_.rows.clear();
        for (std::size_t i = begin; i < end; ++i) pool_.rows.push_back(rows[order[i]]);
        auto encoded = encoder_.encode(pool_, options);
        if (!encoded) return std::move(encoded).error();
        parts.push_back({std::move(*encoded), summary_of(pool_.rows)});
        begin = end;
    }
    pool_ = codec::Batch();
    return parts;
}

}  // namespace spanring::store
