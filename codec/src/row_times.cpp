// Starts and durations, and the order in which they stand.
#include <algorithm>

#include "integers.hpp"
#include "row_columns.hpp"

namespace spanring::codec {
namespace {

/// Rows with a value in the column of durations.
constexpr std::uint32_t kInDurations = RowFlag::kHasDuration | RowFlag::kStartOffset;

using Words = std::vector<std::uint64_t>;

// Calls `first(i)` for the first row of each trace that has a start, and `other(i, before)` for
// the further ones, `before` being the one before it; in the stored order.
template <typename Rows, typename Started, typename First, typename Other>
void for_each_start(const Rows& trace_sizes, Started&& started, First&& first, Other&& other) {
    constexpr std::size_t kNone = ~std::size_t{0};
    std::size_t i = 0;
    for (const std::uint32_t size : trace_sizes) {
        std::size_t before = kNone;
        for (const std::size_t end = i + size; i < end; ++i) {
            if (!started(i)) continue;
            if (before == kNone) {
                first(i);
            } else {
                other(i, before);
            }
            before = i;
        }
    }
}

}  // namespace

std::vector<std::uint32_t> positions_by_shape(std::span<const std::uint64_t> shape_of,
                                              std::size_t shape_count) {
    std::vector<std::uint32_t> next(shape_count + 1, 0);
    for (const std::uint64_t shape : shape_of) ++next[shape + 1];
    for (std::size_t s = 1; s < next.size(); ++s) next[s] += next[s - 1];
    std::vector<std::uint32_t> positions(shape_of.size());
    for (std::size_t i = 0; i < shape_of.size(); ++i) {
        positions[next[shape_of[i]]++] = static_cast<std::uint32_t>(i);
    }
    return positions;
}

void put_starts(Buffer& out, const StoredRows& in) {
    Words firsts, deltas(in.rows.size());
    std::vector<bool> is_delta(in.rows.size());
    const auto start = [&](std::size_t i) {
        return static_cast<std::uint64_t>(in.rows[i]->start_ns);
    };
    for_each_start(
        in.trace_sizes, [&](std::size_t i) { return has_flag(*in.rows[i], RowFlag::kHasStart); },
        [&](std::size_t i) { firsts.push_back(start(i)); },
        [&](std::size_t i, std::size_t before) {
            is_delta[i] = true;
            deltas[i] = start(i) - start(before);
        });
    Words by_shape;
    for (const std::uint32_t i : in.by_shape) {
        if (is_delta[i]) by_shape.push_back(deltas[i]);
    }
    put_integers(out, firsts);
    put_packed(out, by_shape);
}

void put_durations(Buffer& out, const StoredRows& in) {
    Words by_shape;
    for (const std::uint32_t i : in.by_shape) {
        const Row& row = *in.rows[i];
        if (!has_flag(row, kInDurations)) continue;
        by_shape.push_back(static_cast<std::uint64_t>(row.duration_ns));
    }
    put_packed(out, by_shape);
}

bool get_starts(ByteReader& in, LoadedRows* out) {
    const std::span<Row> rows = out->rows;
    const auto started = [&](std::size_t i) { return has_flag(rows[i], RowFlag::kHasStart); };
    std::size_t first_count = 0;
    std::vector<bool> is_delta(rows.size());
    std::size_t delta_count = 0;
    for_each_start(
        out->trace_sizes, started, [&](std::size_t) { ++first_count; },
        [&](std::size_t i, std::size_t) {
            is_delta[i] = true;
            ++delta_count;
        });
    Words firsts, deltas;
    if (!get_integers(in, first_count, &firsts) || !get_integers(in, delta_count, &deltas)) {
        return false;
    }
    std::size_t at = 0;
    for (const std::uint32_t i : out->by_shape) {
        if (is_delta[i]) rows[i].start_ns = static_cast<std::int64_t>(deltas[at++]);
    }
    at = 0;
    for_each_start(
        out->trace_sizes, started,
        [&](std::size_t i) { rows[i].start_ns = static_cast<std::int64_t>(firsts[at++]); },
        [&](std::size_t i, std::size_t before) {
            rows[i].start_ns =
                static_cast<std::int64_t>(static_cast<std::uint64_t>(rows[i].start_ns) +
                                          static_cast<std::uint64_t>(rows[before].start_ns));
        });
    return in.finished();
}

bool get_durations(ByteReader& in, LoadedRows* out) {
    const auto count = static_cast<std::size_t>(
        std::count_if(out->rows.begin(), out->rows.end(),
                      [](const Row& row) { return has_flag(row, kInDurations); }));
    Words durations;
    if (!get_integers(in, count, &durations)) return false;
    std::size_t at = 0;
    for (const std::uint32_t i : out->by_shape) {
        Row& row = out->rows[i];
        if (!has_flag(row, kInDurations)) continue;
        row.duration_ns = static_cast<std::int64_t>(durations[at++]);
    }
    return in.finished();
}

}  // namespace spanring::codec
