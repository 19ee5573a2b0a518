// The columns that every row has: trace, span, parent, start, duration. Each put_ has its get_
// beside it in row_ids.cpp or row_times.cpp. Threads: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bytes.hpp"
#include "spanring/codec/batch.hpp"

namespace spanring::codec {

[[nodiscard]] constexpr bool has_flag(const Row& row, std::uint32_t flag) noexcept {
    return (row.flags & flag) != 0;
}

/// Returns the row positions ordered by shape (stable): the times of one call site are alike, so
/// that blocks of them pack well.
[[nodiscard]] std::vector<std::uint32_t> positions_by_shape(std::span<const std::uint64_t> shape_of,
                                                            std::size_t shape_count);

/// Rows in the stored order, as an encoder sees them.
struct StoredRows {
    std::span<const Row* const> rows;
    std::span<const std::uint32_t> trace_sizes;
    std::vector<std::uint32_t> by_shape;  ///< positions_by_shape
};

void put_traces(Buffer& out, const StoredRows& in, const Batch& batch);
void put_spans(Buffer& out, const StoredRows& in);
void put_parents(Buffer& out, const StoredRows& in);
void put_starts(Buffer& out, const StoredRows& in);
void put_durations(Buffer& out, const StoredRows& in);

/// Rows as a decoder fills them: flags and instance come from the shapes, then in this order.
struct LoadedRows {
    std::span<Row> rows;
    std::vector<std::uint32_t> trace_sizes;
    std::vector<std::uint32_t> by_shape;  ///< positions_by_shape
};

/// Each returns false if the section is malformed; what was read so far may stand in the rows.
[[nodiscard]] bool get_trace_sizes(ByteReader& in, LoadedRows* out);
[[nodiscard]] bool get_spans(ByteReader& in, LoadedRows* out);
/// After the spans: a trace may be named by the span of its first row.
[[nodiscard]] bool get_traces(ByteReader& in, LoadedRows* out, const Batch& batch);
[[nodiscard]] bool get_parents(ByteReader& in, LoadedRows* out);
[[nodiscard]] bool get_starts(ByteReader& in, LoadedRows* out);
[[nodiscard]] bool get_durations(ByteReader& in, LoadedRows* out);

}  // namespace spanring::codec
