// Which traces an extent may hold: a blocked Bloom filter, one cache line per question. Threads:
// pure.
//
// Keys are a row's raw trace fields, native and foreign apart, so that the indexer computes no ids;
// who looks for an id asks for its foreign form and its native one (found by decrypting).
//
// Formula: 512-bit blocks, 8 probes of 9 bits each out of one 128-bit hash; at 16 bits per key the
// rate of false answers is about 0.1 % (Putze, Sanders, Singler, "Cache-, hash- and space-efficient
// bloom filters", 2007, table 1: somewhat above the 0.06 % of an unblocked one).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "spanring/codec/batch.hpp"

namespace spanring::store {

struct TraceKey {
    std::uint64_t high{0};
    std::uint64_t low{0};
    bool native{false};
    bool operator==(const TraceKey&) const = default;
};

[[nodiscard]] inline TraceKey trace_key(const codec::Row& row) noexcept {
    return {row.trace_high, row.trace_low, (row.flags & codec::RowFlag::kNativeTrace) != 0};
}

[[nodiscard]] std::uint64_t hash_of(const TraceKey& key) noexcept;
struct TraceKeyHash {
    std::size_t operator()(const TraceKey& key) const noexcept {
        return static_cast<std::size_t>(hash_of(key));
    }
};

/// Returns a filter that holds these hashes, which may repeat: a multiple of 64 bytes, empty for
/// none.
[[nodiscard]] std::vector<std::byte> make_filter(std::span<const std::uint64_t> hashes);

/// False: certainly not in it. A filter of a wrong length says yes.
[[nodiscard]] bool may_contain(std::span<const std::byte> filter, std::uint64_t hash) noexcept;

}  // namespace spanring::store
