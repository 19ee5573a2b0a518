// The traces of some rows, as the catalogue keeps them: native ones as ranges of span keys, foreign
// ones as hashes. Gathered while the rows are walked; trace_filter.hpp makes bytes of it. Threads:
// one owner.
//
// A native trace is named by the key of its first span, and a thread's ordinals count up: the
// traces of one batch lie close together, a few ranges for each thread that began some. A key lies
// in a range if it is near it (kTraceGapMax), so a range also holds the keys of spans that began no
// trace, for which nobody asks, and of traces whose spans stand in a frame nearby.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <set>
#include <vector>

#include "spanring/codec/batch.hpp"

namespace spanring::store {

/// A row's raw trace fields: nobody computes ids to write. Who looks for an id asks for its foreign
/// form and its native ones (found by decrypting).
struct TraceKey {
    std::uint64_t high{0};
    std::uint64_t low{0};
    bool native{false};
    bool operator==(const TraceKey&) const = default;
};

[[nodiscard]] inline TraceKey trace_key(const codec::Row& row) noexcept {
    return {row.trace_high, row.trace_low, (row.flags & codec::RowFlag::kNativeTrace) != 0};
}

/// The keys under which rows of this trace may stand: as foreign bytes, and as native under each
/// host key.
[[nodiscard]] std::vector<TraceKey> keys_of(const TraceId& id, const std::set<Key128>& host_keys);
[[nodiscard]] std::set<Key128> host_keys_of(const codec::Batch& batch);

/// The finaliser of MurmurHash3 (Appleby, public domain): every input bit changes every output bit
/// with a probability near 1/2.
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t x) noexcept {
    x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdull;
    x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ull;
    return x ^ (x >> 33);
}
[[nodiscard]] inline std::uint64_t hash_of(const TraceKey& key) noexcept {
    return mix(key.high ^ mix(key.low + (key.native ? 0x5bd1e995u : 0u)));
}
struct TraceKeyHash {
    std::size_t operator()(const TraceKey& key) const noexcept {
        return static_cast<std::size_t>(hash_of(key));
    }
};

struct TraceIdHash {
    std::size_t operator()(const TraceId& id) const noexcept {
        TraceKey key;
        std::memcpy(&key.high, id.bytes.data(), sizeof key.high);
        std::memcpy(&key.low, id.bytes.data() + sizeof key.high, sizeof key.low);
        return TraceKeyHash{}(key);
    }
};

/// The native traces of one instance from one span key to another, both included. Streams need no
/// field: they are the upper bits of the keys, and lie 2^48 apart.
struct TraceRange {
    std::uint64_t instance{0};  ///< its number
    std::uint64_t first{0};
    std::uint64_t last{0};
    auto operator<=>(const TraceRange&) const = default;
};

/// Keys so near are one range. A trace of as many spans takes so many ordinals to the next one; a
/// range of its own costs some 4 bytes, and a key in between that is asked for by mistake 0.5 ms.
inline constexpr std::uint64_t kTraceGapMax = 1024;

struct TraceSet {
    std::vector<TraceRange> ranges;     ///< any order, may overlap
    std::vector<std::uint64_t> hashes;  ///< of TraceKeys, may repeat

    void add(const TraceSet& other);
    /// Sorts and joins the ranges; if more than a few are left, the narrow ones become hashes, each
    /// key of theirs: a hash takes 3 bytes in the filter, a range about 9.
    void compact();
};

/// Gathers a TraceSet row by row. What it costs in the common case is one comparison with the range
/// of the row before.
class TraceGatherer {
public:
    void add(const codec::Row& row) {
        if ((row.flags & codec::RowFlag::kNativeTrace) == 0) {
            add_foreign(trace_key(row));
        } else if (current_ == kNone || !extend(range_, row.trace_high, row.trace_low)) {
            change(row.trace_high, row.trace_low);
        }
    }
    /// Returns the set, compacted. The last call.
    [[nodiscard]] TraceSet take() &&;

private:
    /// Returns false if the key is not near the range.
    static bool extend(TraceRange& range, std::uint64_t instance, std::uint64_t key) noexcept {
        if (range.instance != instance) return false;
        if (key > range.last) {
            if (key - range.last > kTraceGapMax) return false;
            range.last = key;
        } else if (key < range.first) {
            if (range.first - key > kTraceGapMax) return false;
            range.first = key;
        }
        return true;
    }
    void change(std::uint64_t instance, std::uint64_t key);
    void add_foreign(const TraceKey& key);

    static constexpr std::uint32_t kNone = 0xffffffff;
    TraceRange range_;              ///< of the row before; its place does not know it yet
    std::uint32_t current_{kNone};  ///< its place
    TraceSet set_;
    TraceKey last_foreign_{0, 0, true};
    // The range, plus one, in which a stream was last: batches go from thread to thread and back.
    // Where two streams share an entry there are more ranges for a while, until they are joined.
    static constexpr std::size_t kRecent = 256;
    std::array<std::uint32_t, kRecent> recent_{};
};

}  // namespace spanring::store
