// The columns that every row has: trace, span, parent, start, duration. Each put_ has its get_
// beside it in row_ids.cpp or row_times.cpp. Threads: one for each writer; the rest is pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bytes.hpp"
#include "number_table.hpp"
#include "scratch.hpp"
#include "spanring/codec/batch.hpp"
#include "spanring/codec/batch_view.hpp"

namespace spanring::codec {

[[nodiscard]] constexpr bool has_flag(const Row& row, std::uint32_t flag) noexcept {
    return (row.flags & flag) != 0;
}

/// Returns the row positions ordered by shape (stable): the times of one call site are alike, so
/// that blocks of them pack well.
template <typename Number>
[[nodiscard]] std::vector<std::uint32_t> positions_by_shape(std::span<const Number> shape_of,
                                                            std::size_t shape_count) {
    std::vector<std::uint32_t> next(shape_count + 1, 0);
    for (const Number shape : shape_of) ++next[shape + 1];
    for (std::size_t s = 1; s < next.size(); ++s) next[s] += next[s - 1];
    std::vector<std::uint32_t> positions(shape_of.size());
    for (std::size_t i = 0; i < shape_of.size(); ++i) {
        positions[next[shape_of[i]]++] = static_cast<std::uint32_t>(i);
    }
    return positions;
}

/// Which traces the rows belong to, as they will be written.
class TraceIds {
public:
    void clear(std::size_t traces);
    /// Adds the next trace, told by its first row.
    void add(const Row& first, std::uint64_t instance_number) {
        constexpr std::uint32_t kNative = RowFlag::kNativeTrace | RowFlag::kNativeSpan;
        const bool named_after_first = (first.flags & kNative) == kNative &&
                                       first.span == first.trace_low &&
                                       first.trace_high == instance_number;
        if (!named_after_first) add_other(first);
        ++count_;
    }
    void put(Buffer& out, std::span<const std::uint32_t> trace_sizes, std::size_t row_count) const;

private:
    void add_other(const Row& first);

    std::size_t count_{0};
    std::vector<std::uint8_t> modes_;   // 0: named after its first row
    std::vector<std::uint64_t> highs_;  // distinct
    std::vector<std::uint64_t> high_numbers_;
    std::vector<std::uint64_t> keys_;
    std::vector<std::uint64_t> raw_;
};

/// What the rows of a shape have in common.
struct ShapeOfRows {
    std::uint32_t flags;
    InstanceIndex instance;
};

/// Rows in the stored order, as an encoder sees them: a column each.
struct StoredRows {
    std::span<const std::uint64_t> spans;
    std::span<const std::uint64_t> parents;
    std::span<const std::uint64_t> starts;
    std::span<const std::uint64_t> durations;
    std::span<const std::uint32_t> shape_of;
    std::span<const ShapeOfRows> shapes;
    std::span<const std::uint32_t> trace_sizes;
    std::vector<std::uint32_t> by_shape;  ///< positions_by_shape; empty: there is one shape
    bool all_roots{false};                ///< no row has a parent

    [[nodiscard]] std::size_t size() const noexcept { return spans.size(); }
    [[nodiscard]] bool has(std::size_t i, std::uint32_t flag) const noexcept {
        return (shapes[shape_of[i]].flags & flag) != 0;
    }
    /// Whether both shapes have native spans of one instance.
    [[nodiscard]] bool alike(std::uint32_t a, std::uint32_t b) const noexcept {
        return (shapes[a].flags & shapes[b].flags & RowFlag::kNativeSpan) != 0 &&
               shapes[a].instance == shapes[b].instance;
    }
    /// Whether every row has one of these flags.
    [[nodiscard]] bool all_have(std::uint32_t flags) const noexcept {
        return std::ranges::all_of(
            shapes, [flags](const ShapeOfRows& s) { return (s.flags & flags) != 0; });
    }
    /// Calls `f(i)` for each row, those of a shape one after the other.
    template <typename F>
    void for_each_by_shape(F&& f) const {
        if (by_shape.empty()) {
            for (std::size_t i = 0; i < size(); ++i) f(i);
        } else {
            for (const std::uint32_t i : by_shape) f(i);
        }
    }
};

/// Puts columns of one batch after the other; keeps its memory.
class RowColumnWriter {
public:
    void put_spans(Buffer& out, const StoredRows& in);
    void put_parents(Buffer& out, const StoredRows& in);
    void put_starts(Buffer& out, const StoredRows& in);
    void put_durations(Buffer& out, const StoredRows& in);

private:
    Scratch<std::uint16_t> streams_;
    Scratch<std::uint32_t> codes_;
    Scratch<std::uint64_t> words_;
    Scratch<std::uint64_t> more_words_;
    Scratch<std::uint8_t> marks_;
    NumberTable table_;
};

/// Rows as a decoder fills them: a column each, those that were not asked for empty.
struct LoadedRows {
    std::span<const Row> shapes;          ///< a row of each
    std::vector<std::uint32_t> shape_of;  ///< of each row
    std::vector<std::uint32_t> count_of;  ///< of each shape: its rows
    std::vector<TraceRows> traces;
    std::vector<std::uint64_t> spans;
    std::vector<std::uint64_t> parents;
    std::vector<std::uint64_t> starts;
    std::vector<std::uint64_t> durations_by_shape;  ///< of the rows that have one
    std::vector<std::uint64_t> durations;
    std::vector<std::uint32_t> by_shape;  ///< positions_by_shape, when somebody needed it

    [[nodiscard]] std::size_t size() const noexcept { return shape_of.size(); }
    [[nodiscard]] const Row& shape(std::size_t i) const noexcept { return shapes[shape_of[i]]; }
    [[nodiscard]] bool has(std::size_t i, std::uint32_t flag) const noexcept {
        return has_flag(shape(i), flag);
    }
    /// How many rows have this flag.
    [[nodiscard]] std::size_t count(std::uint32_t flag) const noexcept;
    [[nodiscard]] std::span<const std::uint32_t> positions();
};

/// Each returns false if the section is malformed; what was read so far may stand in the rows. All
/// want shape_of and count_of.
[[nodiscard]] bool get_trace_sizes(ByteReader& in, LoadedRows* out);
[[nodiscard]] bool get_spans(ByteReader& in, LoadedRows* out);
[[nodiscard]] bool get_parents(ByteReader& in, LoadedRows* out);    ///< wants traces' sizes, spans
[[nodiscard]] bool get_starts(ByteReader& in, LoadedRows* out);     ///< wants traces' sizes
[[nodiscard]] bool get_durations(ByteReader& in, LoadedRows* out);  ///< by shape
void deal_out_durations(LoadedRows* out);

/// What stands behind the sizes of the traces.
class TraceIdReader {
public:
    [[nodiscard]] bool read(ByteReader& in, std::size_t traces);
    /// A trace may be named by the span of its first row.
    [[nodiscard]] bool needs_spans() const noexcept;
    [[nodiscard]] bool fill(LoadedRows* out, const Batch& tables) const;

private:
    std::vector<std::uint64_t> modes_, highs_, high_numbers_, keys_, raw_;
};

}  // namespace spanring::codec
