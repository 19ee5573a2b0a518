#include "row_order.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "number_table.hpp"

namespace spanring::codec {
namespace {

// What sorting needs, beside each other in memory.
struct Entry {
    std::int64_t start;
    std::uint32_t row;
};

bool earlier(const Entry& a, const Entry& b) noexcept {
    return a.start != b.start ? a.start < b.start : a.row < b.row;
}

struct Trace {
    std::uint64_t high, low;
    std::uint32_t row_count;
    std::uint32_t begin;  // of its entries
};

// Rows without a start come first, so that the others stand without a gap.
std::int64_t sort_key(const Row& row) noexcept {
    return (row.flags & RowFlag::kHasStart) != 0 ? row.start_ns
                                                 : std::numeric_limits<std::int64_t>::min();
}

// Numbers the traces as they come; *trace_of: the number of each row's.
std::vector<Trace> find_traces(std::span<const Row> rows, std::vector<std::uint32_t>* trace_of) {
    std::vector<Trace> traces;
    NumberTable numbers(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const Row& row = rows[i];
        std::uint32_t& slot =
            numbers.slot(mix(row.trace_low, row.trace_high), [&](std::uint32_t t) {
                return traces[t].low == row.trace_low && traces[t].high == row.trace_high;
            });
        if (slot == NumberTable::kFree) {
            slot = static_cast<std::uint32_t>(traces.size());
            traces.push_back({row.trace_high, row.trace_low, 0, 0});
        }
        ++traces[slot].row_count;
        (*trace_of)[i] = slot;
    }
    return traces;
}

// Entries grouped by trace, sorted within.
std::vector<Entry> group_entries(std::span<const Row> rows, std::span<const std::uint32_t> trace_of,
                                 std::span<Trace> traces) {
    std::vector<std::uint32_t> next(traces.size());
    std::uint32_t begin = 0;
    for (std::size_t t = 0; t < traces.size(); ++t) {
        traces[t].begin = next[t] = begin;
        begin += traces[t].row_count;
    }
    std::vector<Entry> entries(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        entries[next[trace_of[i]]++] = {sort_key(rows[i]), static_cast<std::uint32_t>(i)};
    }
    for (const Trace& trace : traces) {
        const auto first = entries.begin() + trace.begin;
        const auto last = first + trace.row_count;
        if (!std::is_sorted(first, last, earlier)) std::sort(first, last, earlier);
    }
    return entries;
}

}  // namespace

RowOrder order_rows(std::span<const Row> rows) {
    std::vector<std::uint32_t> trace_of(rows.size());
    std::vector<Trace> traces = find_traces(rows, &trace_of);
    const std::vector<Entry> entries = group_entries(rows, trace_of, traces);

    std::vector<std::uint32_t> by_start(traces.size());
    std::iota(by_start.begin(), by_start.end(), 0u);
    const auto trace_earlier = [&](std::uint32_t a, std::uint32_t b) {
        return earlier(entries[traces[a].begin], entries[traces[b].begin]);
    };
    if (!std::is_sorted(by_start.begin(), by_start.end(), trace_earlier)) {
        std::sort(by_start.begin(), by_start.end(), trace_earlier);
    }

    RowOrder order;
    order.rows.reserve(rows.size());
    order.trace_sizes.reserve(traces.size());
    for (const std::uint32_t t : by_start) {
        order.trace_sizes.push_back(traces[t].row_count);
        for (std::uint32_t i = 0; i < traces[t].row_count; ++i) {
            order.rows.push_back(entries[traces[t].begin + i].row);
        }
    }
    return order;
}

}  // namespace spanring::codec
