// Which traces an extent may hold, as bytes in the catalogue: exact ranges of native traces, and a
// blocked Bloom filter of the others, one cache line per question. Format: docs/format/frame.md,
// "Trace filters". Threads: pure.
//
// Formula of the Bloom filter: 512-bit blocks, 8 probes of 9 bits each out of one 128-bit hash; at
// 24 bits per key the rate of false answers is about 0.01 % (Putze, Sanders, Singler, "Cache-,
// hash- and space-efficient bloom filters", 2007: somewhat above the 0.004 % of an unblocked one).
// A false answer costs a look-up as much as a hundred filters, and a large database has thousands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "trace_set.hpp"

namespace spanring::store {

/// Returns a filter that holds this set.
[[nodiscard]] std::vector<std::byte> make_filter(TraceSet traces);

/// The traces that somebody looks for: many are asked for at once, in one walk over a filter.
class WantedTraces {
public:
    WantedTraces() = default;
    explicit WantedTraces(const std::vector<TraceKey>& keys);

private:
    friend class TraceFilter;

    std::vector<TraceRange> native_;  ///< of one key each, sorted
    std::vector<std::uint64_t> hashes_;
};

/// A filter taken apart, so that many can be asked quickly: a question is a walk over the ranges,
/// if there are any, and one cache line.
class TraceFilter {
public:
    /// `bytes` must outlive it. Malformed ones may contain anything.
    explicit TraceFilter(std::span<const std::byte> bytes) noexcept;
    /// False: certainly none of them is in it.
    [[nodiscard]] bool may_contain(const WantedTraces& wanted) const noexcept;
    /// Asks the memory for what may_contain will look at.
    void prefetch(const WantedTraces& wanted) const noexcept;

private:
    bool malformed_{true};
    std::uint64_t instances_{0};         ///< of native traces
    std::span<const std::byte> ranges_;  ///< of these, and behind them the rest of the filter
    std::span<const std::byte> bloom_;
};

[[nodiscard]] inline bool may_contain(std::span<const std::byte> filter,
                                      const WantedTraces& wanted) noexcept {
    return TraceFilter(filter).may_contain(wanted);
}

}  // namespace spanring::store
