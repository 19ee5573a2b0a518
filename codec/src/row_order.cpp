#include "row_order.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace spanring::codec {
namespace {

using Entry = RowSorter::Entry;

constexpr std::uint32_t kSingle = NumberTable::kFree;

// Rows without a start come first, so that the others stand without a gap.
std::uint64_t sort_key(const Row& row) noexcept {
    constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
    return (row.flags & RowFlag::kHasStart) != 0 ? static_cast<std::uint64_t>(row.start_ns) ^ kSign
                                                 : 0;
}

Entry entry_of(const Row& row, std::size_t index, std::uint32_t trace) noexcept {
    return static_cast<Entry>(sort_key(row)) << 64 | static_cast<Entry>(index) << 32 | trace;
}
std::uint32_t row_of(Entry entry) noexcept {
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(entry) >> 32);
}
std::uint32_t rider_of(Entry entry) noexcept {
    return static_cast<std::uint32_t>(entry);
}

// The first span of a trace that was minted here: the trace is named after it.
bool names_its_trace(const Row& row) noexcept {
    constexpr std::uint32_t kNative = RowFlag::kNativeTrace | RowFlag::kNativeSpan;
    return (row.flags & kNative) == kNative && row.span == row.trace_low;
}

}  // namespace

// A place in a table of 2^(64 - shift) for the trace that begins with this span. Neighbouring
// ordinals take neighbouring places; streams lie apart by the golden ratio (Knuth, TAOCP 3, 6.4).
std::size_t place_of(std::uint64_t span, unsigned shift) noexcept {
    const std::uint64_t apart = (span >> SpanKey::kOrdinalBits) * 0x9e3779b97f4a7c15ull;
    return (span + (apart >> shift)) & (~std::uint64_t{0} >> shift);
}

// A table of bytes says which traces have one row only, without looking each one up: 0 nobody, 1
// one span after which the trace is named, 2 anything else. Those that share a place are looked up.
void RowSorter::note_traces(std::span<const Row> rows) {
    seen_of_ = seen_.filled(std::bit_ceil(rows.size() * 4), 0);
    shift_ = 64 - static_cast<unsigned>(std::countr_zero(seen_of_.size()));
    std::uint64_t last = 0;
    all_single_ = ascending_ = true;
    for (const Row& row : rows) {
        std::uint8_t& seen = seen_of_[place_of(row.trace_low, shift_)];
        const bool single = names_its_trace(row) && seen == 0;
        seen = single ? 1 : 2;
        all_single_ = all_single_ && single;
        const std::uint64_t key = sort_key(row);
        ascending_ = ascending_ && key >= last;
        last = key;
    }
}

std::uint32_t RowSorter::trace_of(const Row& row) {
    std::uint32_t& slot = numbers_.slot(mix(row.trace_low, row.trace_high), [&](std::uint32_t t) {
        return traces_[t].low == row.trace_low && traces_[t].high == row.trace_high;
    });
    if (slot == NumberTable::kFree) {
        slot = static_cast<std::uint32_t>(traces_.size());
        traces_.push_back({row.trace_high, row.trace_low, 0, 0});
    }
    return slot;
}

// Finds the traces and puts the rows of each in order.
void RowSorter::group(std::span<const Row> rows) {
    const auto trace_numbers = numbers_of_rows_.take(rows.size());
    std::uint32_t recent = kSingle;
    std::uint32_t in_traces = 0;
    traces_.clear();
    firsts_.clear();
    numbers_.clear(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const Row& row = rows[i];
        trace_numbers[i] = kSingle;
        if (seen_of_[place_of(row.trace_low, shift_)] == 1) {
            firsts_.push_back(entry_of(row, i, kSingle));
            continue;
        }
        // Spans of one trace tend to end one after the other.
        if (recent == kSingle || traces_[recent].low != row.trace_low ||
            traces_[recent].high != row.trace_high) {
            recent = trace_of(row);
        }
        ++traces_[recent].row_count;
        ++in_traces;
        trace_numbers[i] = recent;
    }
    std::uint32_t begin = 0;
    for (Trace& trace : traces_) {
        trace.begin = begin;
        begin += std::exchange(trace.row_count, 0);
    }
    members_ = member_memory_.take(in_traces);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (trace_numbers[i] == kSingle) continue;
        Trace& trace = traces_[trace_numbers[i]];
        members_[trace.begin + trace.row_count++] = entry_of(rows[i], i, trace_numbers[i]);
    }
    for (const Trace& trace : traces_) {
        sort_entries(members_.subspan(trace.begin, trace.row_count));
        firsts_.push_back(members_[trace.begin]);
    }
}

// Rows of some threads, each nearly in order: short stretches are sorted by insertion, then merged
// two by two, which is nothing for those that follow each other.
void RowSorter::sort_entries(std::span<Entry> entries) {
    constexpr std::size_t kStretch = 16;
    for (std::size_t begin = 0; begin < entries.size(); begin += kStretch) {
        const std::size_t end = std::min(begin + kStretch, entries.size());
        for (std::size_t i = begin + 1; i < end; ++i) {
            const Entry entry = entries[i];
            std::size_t to = i;
            for (; to > begin && entry < entries[to - 1]; --to) entries[to] = entries[to - 1];
            entries[to] = entry;
        }
    }
    for (std::size_t length = kStretch; length < entries.size(); length *= 2) {
        for (std::size_t begin = 0; begin + length < entries.size(); begin += 2 * length) {
            const std::size_t middle = begin + length;
            const std::size_t end = std::min(middle + length, entries.size());
            if (entries[middle - 1] < entries[middle]) continue;
            merge(entries, begin, middle, end);
        }
    }
}

// The first half is copied out, so that what is written never overtakes what is read of the second.
void RowSorter::merge(std::span<Entry> entries, std::size_t begin, std::size_t middle,
                      std::size_t end) {
    const auto first_half = entries.subspan(begin, middle - begin);
    merged_.assign(first_half.begin(), first_half.end());
    std::size_t to = begin;
    std::size_t second = middle;
    for (const Entry entry : merged_) {
        while (second < end && entries[second] < entry) entries[to++] = entries[second++];
        entries[to++] = entry;
    }
}

RowSorter::Order RowSorter::in_order(std::size_t row_count) {
    const auto rows = rows_.take(row_count);
    for (std::size_t i = 0; i < row_count; ++i) rows[i] = static_cast<std::uint32_t>(i);
    return {rows, sizes_.filled(row_count, 1)};
}

RowSorter::Order RowSorter::sort(std::span<const Row> rows) {
    if (rows.empty()) return {};
    note_traces(rows);
    if (all_single_ && ascending_) return in_order(rows.size());
    group(rows);
    sort_entries(firsts_);
    const auto order = rows_.take(rows.size());
    const auto sizes = sizes_.take(firsts_.size());
    std::size_t row = 0;
    std::size_t group = 0;
    for (const Entry first : firsts_) {
        if (rider_of(first) == kSingle) {
            order[row++] = row_of(first);
            sizes[group++] = 1;
            continue;
        }
        const Trace& trace = traces_[rider_of(first)];
        for (std::uint32_t i = 0; i < trace.row_count; ++i) {
            order[row++] = row_of(members_[trace.begin + i]);
        }
        sizes[group++] = trace.row_count;
    }
    return {order, sizes};
}

}  // namespace spanring::codec
