// Starts and durations, and the order in which they stand.
#include <algorithm>
#include <utility>

#include "integers.hpp"
#include "row_columns.hpp"

namespace spanring::codec {
namespace {

/// Rows with a value in the column of durations.
constexpr std::uint32_t kInDurations = RowFlag::kHasDuration | RowFlag::kStartOffset;

using Words = std::vector<std::uint64_t>;

std::size_t rows_of(std::uint32_t size) noexcept {
    return size;
}
std::size_t rows_of(const TraceRows& trace) noexcept {
    return trace.count;
}

// Calls `first(i)` for the first row of each trace that has a start, and `other(i, before)` for
// the further ones, `before` being the one before it; in the stored order.
template <typename Traces, typename Started, typename First, typename Other>
void for_each_start(const Traces& traces, Started&& started, First&& first, Other&& other) {
    constexpr std::size_t kNone = ~std::size_t{0};
    std::size_t i = 0;
    for (const auto& trace : traces) {
        std::size_t before = kNone;
        for (const std::size_t end = i + rows_of(trace); i < end; ++i) {
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

// A trace's first start stands among its like, ascending; the others as the distance from the one
// before.
void RowColumnWriter::put_starts(Buffer& out, const StoredRows& in) {
    const bool all_start = in.all_have(RowFlag::kHasStart);
    if (all_start && in.trace_sizes.size() == in.size()) {
        put_deltas(out, in.starts);
        return put_packed(out, {});
    }
    const auto firsts = words_.take(in.trace_sizes.size());
    const auto deltas = more_words_.take(in.size());
    const auto is_delta = marks_.filled(in.size(), 0);
    std::size_t first_count = 0;
    std::size_t delta_count = 0;
    for_each_start(
        in.trace_sizes, [&](std::size_t i) { return all_start || in.has(i, RowFlag::kHasStart); },
        [&](std::size_t i) { firsts[first_count++] = in.starts[i]; },
        [&](std::size_t i, std::size_t before) {
            is_delta[i] = 1;
            deltas[i] = in.starts[i] - in.starts[before];
            ++delta_count;
        });
    put_deltas(out, firsts.first(first_count));
    const auto by_shape = words_.take(delta_count + 1);
    std::size_t at = 0;
    if (delta_count != 0) {
        in.for_each_by_shape([&](std::size_t i) {
            by_shape[at] = deltas[i];
            at += is_delta[i];
        });
    }
    put_packed(out, by_shape.first(at));
}

void RowColumnWriter::put_durations(Buffer& out, const StoredRows& in) {
    const bool all = in.all_have(kInDurations);
    if (all && in.by_shape.empty()) return put_packed(out, in.durations);
    const auto by_shape = words_.take(in.size());
    std::size_t at = 0;
    in.for_each_by_shape([&](std::size_t i) {
        if (all || in.has(i, kInDurations)) by_shape[at++] = in.durations[i];
    });
    put_packed(out, by_shape.first(at));
}

bool get_starts(ByteReader& in, LoadedRows* out) {
    const auto started = [&](std::size_t i) { return out->has(i, RowFlag::kHasStart); };
    std::size_t first_count = 0;
    std::vector<std::uint8_t> is_delta(out->size());
    std::size_t delta_count = 0;
    for_each_start(
        out->traces, started, [&](std::size_t) { ++first_count; },
        [&](std::size_t i, std::size_t) {
            is_delta[i] = 1;
            ++delta_count;
        });
    Words firsts, deltas;
    if (!get_integers(in, first_count, &firsts) || !get_integers(in, delta_count, &deltas)) {
        return false;
    }
    Words& starts = out->starts;
    if (delta_count == 0 && first_count == out->size()) {
        starts = std::move(firsts);
        return in.finished();
    }
    starts.resize(out->size());
    std::size_t at = 0;
    if (delta_count != 0) {
        for (const std::uint32_t i : out->positions()) {
            if (is_delta[i] != 0) starts[i] = deltas[at++];
        }
    }
    at = 0;
    for_each_start(
        out->traces, started, [&](std::size_t i) { starts[i] = firsts[at++]; },
        [&](std::size_t i, std::size_t before) { starts[i] += starts[before]; });
    return in.finished();
}

bool get_durations(ByteReader& in, LoadedRows* out) {
    return get_integers(in, out->count(kInDurations), &out->durations_by_shape) && in.finished();
}

void deal_out_durations(LoadedRows* out) {
    out->durations.resize(out->size());
    std::size_t at = 0;
    for (const std::uint32_t i : out->positions()) {
        if (out->has(i, kInDurations)) out->durations[i] = out->durations_by_shape[at++];
    }
}

}  // namespace spanring::codec
