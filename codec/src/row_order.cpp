#include "row_order.hpp"

#include <algorithm>
#include <limits>

#include "number_table.hpp"

namespace spanring::codec {
namespace {

// What sorting needs, beside each other in memory.
struct Entry {
    std::int64_t start;
    std::uint32_t row;
    std::uint32_t trace;
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
    traces.reserve(rows.size());
    NumberTable numbers(rows.size());
    std::uint32_t recent = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const Row& row = rows[i];
        // Spans of one trace tend to end one after the other.
        if (i == 0 || traces[recent].low != row.trace_low ||
            traces[recent].high != row.trace_high) {
            std::uint32_t& slot =
                numbers.slot(mix(row.trace_low, row.trace_high), [&](std::uint32_t t) {
                    return traces[t].low == row.trace_low && traces[t].high == row.trace_high;
                });
            if (slot == NumberTable::kFree) {
                slot = static_cast<std::uint32_t>(traces.size());
                traces.push_back({row.trace_high, row.trace_low, 0, 0});
            }
            recent = slot;
        }
        ++traces[recent].row_count;
        (*trace_of)[i] = recent;
    }
    return traces;
}

// Sorts what consists of few runs that are in order already, as the rows of some threads, each in
// its own order: runs are merged two by two.
class RunSorter {
public:
    void sort(std::span<Entry> entries) {
        find_runs(entries);
        while (ends_.size() > 1) {
            merged_.resize(entries.size());
            merge_pairs(entries);
            std::copy(merged_.begin(), merged_.end(), entries.begin());
        }
    }

private:
    void find_runs(std::span<const Entry> entries) {
        ends_.clear();
        for (std::size_t i = 1; i < entries.size(); ++i) {
            if (!earlier(entries[i - 1], entries[i])) ends_.push_back(i);
        }
        ends_.push_back(entries.size());
    }
    void merge_pairs(std::span<const Entry> entries) {
        const auto at = [&](std::size_t i) {
            return entries.begin() + static_cast<std::ptrdiff_t>(i);
        };
        std::size_t begin = 0;
        std::size_t pairs = 0;
        for (std::size_t run = 0; run < ends_.size(); run += 2) {
            const std::size_t middle = ends_[run];
            const std::size_t end = run + 1 < ends_.size() ? ends_[run + 1] : middle;
            std::merge(at(begin), at(middle), at(middle), at(end),
                       merged_.begin() + static_cast<std::ptrdiff_t>(begin), earlier);
            ends_[pairs++] = begin = end;
        }
        ends_.resize(pairs);
    }

    std::vector<std::size_t> ends_;
    std::vector<Entry> merged_;
};

// Entries grouped by trace, sorted within.
std::vector<Entry> group_entries(std::span<const Row> rows, std::span<const std::uint32_t> trace_of,
                                 std::span<Trace> traces, RunSorter& sorter) {
    std::vector<std::uint32_t> next(traces.size());
    std::uint32_t begin = 0;
    for (std::size_t t = 0; t < traces.size(); ++t) {
        traces[t].begin = next[t] = begin;
        begin += traces[t].row_count;
    }
    std::vector<Entry> entries(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::uint32_t trace = trace_of[i];
        entries[next[trace]++] = {sort_key(rows[i]), static_cast<std::uint32_t>(i), trace};
    }
    for (const Trace& trace : traces) {
        if (trace.row_count > 1) {
            sorter.sort(std::span(entries).subspan(trace.begin, trace.row_count));
        }
    }
    return entries;
}

}  // namespace

RowOrder order_rows(std::span<const Row> rows) {
    std::vector<std::uint32_t> trace_of(rows.size());
    std::vector<Trace> traces = find_traces(rows, &trace_of);
    RunSorter sorter;
    const std::vector<Entry> entries = group_entries(rows, trace_of, traces, sorter);

    std::vector<Entry> firsts;
    firsts.reserve(traces.size());
    for (const Trace& trace : traces) firsts.push_back(entries[trace.begin]);
    sorter.sort(firsts);

    RowOrder order;
    order.rows.reserve(rows.size());
    order.trace_sizes.reserve(traces.size());
    for (const Entry& first : firsts) {
        const Trace& trace = traces[first.trace];
        order.trace_sizes.push_back(trace.row_count);
        for (std::uint32_t i = 0; i < trace.row_count; ++i) {
            order.rows.push_back(entries[trace.begin + i].row);
        }
    }
    return order;
}

}  // namespace spanring::codec
