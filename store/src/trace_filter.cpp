#include "trace_filter.hpp"

#include <bit>

namespace spanring::store {
namespace {

constexpr std::size_t kBlockBytes = 64;
constexpr std::size_t kBitsPerKey = 16;
constexpr int kProbes = 8;

// The finaliser of MurmurHash3 (Appleby, public domain): every input bit changes every output bit
// with a probability near 1/2.
std::uint64_t mix(std::uint64_t x) noexcept {
    x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdull;
    x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ull;
    return x ^ (x >> 33);
}

std::size_t block_of(std::uint64_t hash, std::size_t blocks) noexcept {
    // The upper half scaled to the number of blocks: no division (Lemire 2016).
    return static_cast<std::size_t>(((hash >> 32) * blocks) >> 32);
}

/// Calls visit(bit number in the block) for each probe.
template <typename Visit>
void probe(std::uint64_t hash, Visit visit) noexcept {
    std::uint64_t bits = mix(hash + 0x9e3779b97f4a7c15ull);
    for (int i = 0; i < kProbes; ++i, bits = (bits >> 7) | (bits << 57))
        visit(static_cast<std::size_t>(bits & 511));
}

}  // namespace

std::uint64_t hash_of(const TraceKey& key) noexcept {
    return mix(key.high ^ mix(key.low + (key.native ? 0x5bd1e995u : 0u)));
}

namespace {

/// How many of them differ. Open addressing; a hash of 0 counts each time, which costs two bytes.
std::size_t count_distinct(std::span<const std::uint64_t> hashes) {
    std::vector<std::uint64_t> seen(std::bit_ceil(2 * hashes.size() + 1));
    const std::size_t mask = seen.size() - 1;
    std::size_t distinct = 0;
    for (const std::uint64_t hash : hashes) {
        std::size_t at = hash & mask;
        while (seen[at] != 0 && seen[at] != hash) at = (at + 1) & mask;
        distinct += seen[at] == hash && hash != 0 ? 0 : 1;
        seen[at] = hash;
    }
    return distinct;
}

}  // namespace

std::vector<std::byte> make_filter(std::span<const std::uint64_t> hashes) {
    const std::size_t blocks =
        (count_distinct(hashes) * kBitsPerKey + 8 * kBlockBytes - 1) / (8 * kBlockBytes);
    std::vector<std::byte> filter(blocks * kBlockBytes);
    for (const std::uint64_t hash : hashes) {
        std::byte* block = filter.data() + block_of(hash, blocks) * kBlockBytes;
        probe(hash, [block](std::size_t bit) { block[bit / 8] |= std::byte{1} << (bit % 8); });
    }
    return filter;
}

bool may_contain(std::span<const std::byte> filter, std::uint64_t hash) noexcept {
    if (filter.empty()) return false;
    if (filter.size() % kBlockBytes != 0) return true;
    const std::byte* block =
        filter.data() + block_of(hash, filter.size() / kBlockBytes) * kBlockBytes;
    bool all = true;
    probe(hash, [&](std::size_t bit) {
        all = all && (block[bit / 8] & (std::byte{1} << (bit % 8))) != std::byte{0};
    });
    return all;
}

}  // namespace spanring::store
