#include "trace_filter.hpp"

#include <algorithm>
#include <bit>

#include "wire.hpp"

namespace spanring::store {
namespace {

constexpr std::uint8_t kFormat = 1;

constexpr std::size_t kBlockBytes = 64;
constexpr std::size_t kBitsPerKey = 24;
constexpr int kProbes = 8;

// ------------------------------------------------------------------------------------- ranges

/// Sorted ranges of one instance, from `begin`; returns where they end.
std::size_t write_instance(std::span<const TraceRange> ranges, std::size_t begin, WireWriter& out) {
    std::vector<std::byte> bytes;
    WireWriter of_instance(bytes);
    const std::uint64_t instance = ranges[begin].instance;
    std::uint64_t last = 0;
    for (; begin < ranges.size() && ranges[begin].instance == instance; ++begin) {
        of_instance.varint(ranges[begin].first - last);
        of_instance.varint(ranges[begin].last - ranges[begin].first);
        last = ranges[begin].last;
    }
    out.raw(&instance, sizeof instance);
    out.block(bytes);
    return begin;
}

void write_ranges(std::span<const TraceRange> ranges, std::vector<std::byte>& filter) {
    std::uint64_t instances = 0;
    for (std::size_t i = 0; i < ranges.size(); ++i)
        instances += i == 0 || ranges[i].instance != ranges[i - 1].instance;
    WireWriter out(filter);
    out.varint(instances);
    for (std::size_t begin = 0; begin < ranges.size();) begin = write_instance(ranges, begin, out);
}

/// Whether one of the keys, which are sorted and all of this instance, is in its ranges, or these
/// are malformed.
bool in_ranges(std::span<const std::byte> bytes, std::span<const TraceRange> keys) noexcept {
    WireReader in(bytes);
    std::uint64_t last = 0;
    auto key = keys.begin();
    while (!in.at_end() && key != keys.end()) {
        const std::uint64_t first = last + in.varint();
        const bool wraps = first < last;
        last = first + in.varint();
        if (!in.ok() || wraps || last < first) return true;
        while (key != keys.end() && key->first < first) ++key;
        if (key != keys.end() && key->first <= last) return true;
    }
    return false;
}

// -------------------------------------------------------------------------------------- Bloom

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

void write_bloom(std::span<const std::uint64_t> hashes, std::vector<std::byte>& filter) {
    if (hashes.empty()) return;
    const std::size_t blocks =
        (count_distinct(hashes) * kBitsPerKey + 8 * kBlockBytes - 1) / (8 * kBlockBytes);
    const std::size_t begin = filter.size();
    filter.resize(begin + blocks * kBlockBytes);
    for (const std::uint64_t hash : hashes) {
        std::byte* block = filter.data() + begin + block_of(hash, blocks) * kBlockBytes;
        probe(hash, [block](std::size_t bit) { block[bit / 8] |= std::byte{1} << (bit % 8); });
    }
}

bool in_bloom(std::span<const std::byte> bloom, std::uint64_t hash) noexcept {
    const std::byte* block =
        bloom.data() + block_of(hash, bloom.size() / kBlockBytes) * kBlockBytes;
    bool all = true;
    probe(hash, [&](std::size_t bit) {
        all = all && (block[bit / 8] & (std::byte{1} << (bit % 8))) != std::byte{0};
    });
    return all;
}

}  // namespace

std::vector<std::byte> make_filter(TraceSet traces) {
    traces.compact();
    std::vector<std::byte> filter{std::byte{kFormat}};
    write_ranges(traces.ranges, filter);
    write_bloom(traces.hashes, filter);
    return filter;
}

WantedTraces::WantedTraces(const std::vector<TraceKey>& keys) {
    for (const TraceKey& key : keys) {
        if (key.native) native_.push_back({key.high, key.low, key.low});
        hashes_.push_back(hash_of(key));
    }
    std::sort(native_.begin(), native_.end());
}

TraceFilter::TraceFilter(std::span<const std::byte> bytes) noexcept {
    if (bytes.empty() || bytes.front() != std::byte{kFormat}) return;
    WireReader in(bytes.subspan(1));
    instances_ = in.varint();
    ranges_ = in.rest();
    for (std::uint64_t left = instances_; left > 0 && in.ok(); --left) {
        std::uint64_t instance = 0;
        in.raw(&instance, sizeof instance);
        (void)in.block();
    }
    bloom_ = in.rest();
    malformed_ = !in.ok() || bloom_.size() % kBlockBytes != 0;
}

bool TraceFilter::may_contain(const WantedTraces& wanted) const noexcept {
    if (malformed_) return true;
    WireReader in(ranges_);
    for (std::uint64_t left = wanted.native_.empty() ? 0 : instances_; left > 0; --left) {
        std::uint64_t instance = 0;
        in.raw(&instance, sizeof instance);
        const auto bytes = in.block();
        const auto keys = std::equal_range(
            wanted.native_.begin(), wanted.native_.end(), TraceRange{instance, 0, 0},
            [](const auto& a, const auto& b) { return a.instance < b.instance; });
        if (keys.first != keys.second && in_ranges(bytes, {keys.first, keys.second})) return true;
    }
    if (bloom_.empty()) return false;
    return std::ranges::any_of(wanted.hashes_,
                               [this](std::uint64_t hash) { return in_bloom(bloom_, hash); });
}

void TraceFilter::prefetch(const WantedTraces& wanted) const noexcept {
    if (bloom_.empty()) return;
    for (const std::uint64_t hash : wanted.hashes_)
        __builtin_prefetch(bloom_.data() +
                           block_of(hash, bloom_.size() / kBlockBytes) * kBlockBytes);
}

}  // namespace spanring::store
