// The order in which a batch stores its rows: traces by the start of their first span, within a
// trace the spans by start; equal ones in the order in which they came.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "number_table.hpp"
#include "scratch.hpp"
#include "spanring/codec/batch.hpp"

namespace spanring::codec {

/// Finds the order of one batch after the other; keeps its memory. Threads: one.
class RowSorter {
public:
    /// Valid until the next sort().
    struct Order {
        std::span<const std::uint32_t> rows;         ///< indices into the batch's rows
        std::span<const std::uint32_t> trace_sizes;  ///< rows of each trace, in that order
    };
    [[nodiscard]] Order sort(std::span<const Row> rows);

    /// What is compared: start, row, and what rides along, from the highest bit to the lowest.
    __extension__ typedef unsigned __int128 Entry;

private:
    struct Trace {
        std::uint64_t high, low;
        std::uint32_t row_count;
        std::uint32_t begin;  // of its entries
    };

    void note_traces(std::span<const Row> rows);
    void group(std::span<const Row> rows);
    [[nodiscard]] std::uint32_t trace_of(const Row& row);
    [[nodiscard]] Order in_order(std::size_t row_count);
    void sort_entries(std::span<Entry> entries);
    void merge(std::span<Entry> entries, std::size_t begin, std::size_t middle, std::size_t end);

    Scratch<std::uint8_t> seen_;       // by a hash of the trace: see note_traces
    std::span<std::uint8_t> seen_of_;  // as long as the batch needs
    unsigned shift_{0};                // 64 - the logarithm of that
    bool all_single_{false};           // each trace has one row
    bool ascending_{false};            // the rows came in the order of their starts
    std::vector<Trace> traces_;        // of more than one row
    NumberTable numbers_;
    Scratch<std::uint32_t> numbers_of_rows_;
    Scratch<Entry> member_memory_;
    std::span<Entry> members_;  // rows of traces_, one trace after the other
    std::vector<Entry> firsts_;
    std::vector<Entry> merged_;
    std::vector<std::size_t> ends_;
    Scratch<std::uint32_t> rows_;
    Scratch<std::uint32_t> sizes_;
};

}  // namespace spanring::codec
