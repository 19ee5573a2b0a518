#include "trace_set.hpp"

#include <algorithm>
#include <utility>

namespace spanring::store {
namespace {

// One cache line of a Bloom filter, the least that there can be, is as long as so many ranges.
constexpr std::size_t kFewRanges = 8;
// In keys: as hashes they take no more bytes than as a range.
constexpr std::uint64_t kNarrowRange = 4;

bool is_narrow(const TraceRange& range) noexcept {
    return range.last - range.first < kNarrowRange;
}

/// Sorted ranges: those that overlap or are near become one.
void join(std::vector<TraceRange>& ranges) {
    if (ranges.empty()) return;
    auto out = ranges.begin();
    for (auto next = ranges.begin() + 1; next != ranges.end(); ++next) {
        const bool near = next->instance == out->instance &&
                          (next->first <= out->last || next->first - out->last <= kTraceGapMax);
        if (near) {
            out->last = std::max(out->last, next->last);
        } else {
            *++out = *next;
        }
    }
    ranges.erase(out + 1, ranges.end());
}

}  // namespace

void TraceSet::add(const TraceSet& other) {
    ranges.insert(ranges.end(), other.ranges.begin(), other.ranges.end());
    hashes.insert(hashes.end(), other.hashes.begin(), other.hashes.end());
}

void TraceSet::compact() {
    std::sort(ranges.begin(), ranges.end());
    join(ranges);
    if (ranges.size() <= kFewRanges) return;
    const auto narrow = std::stable_partition(ranges.begin(), ranges.end(),
                                              [](const auto& range) { return !is_narrow(range); });
    for (auto range = narrow; range != ranges.end(); ++range)
        for (std::uint64_t i = 0; i <= range->last - range->first; ++i)
            hashes.push_back(hash_of({range->instance, range->first + i, true}));
    ranges.erase(narrow, ranges.end());
}

TraceSet TraceGatherer::take() && {
    if (current_ != kNone) set_.ranges[current_] = range_;
    set_.compact();
    return std::move(set_);
}

void TraceGatherer::change(std::uint64_t instance, std::uint64_t key) {
    if (current_ != kNone) set_.ranges[current_] = range_;
    std::uint32_t& recent = recent_[(instance + (key >> SpanKey::kOrdinalBits)) % kRecent];
    if (recent == 0 || !extend(set_.ranges[recent - 1], instance, key)) {
        set_.ranges.push_back({instance, key, key});
        recent = static_cast<std::uint32_t>(set_.ranges.size());
    }
    current_ = recent - 1;
    range_ = set_.ranges[current_];
}

void TraceGatherer::add_foreign(const TraceKey& key) {
    if (key == last_foreign_) return;
    last_foreign_ = key;
    set_.hashes.push_back(hash_of(key));
}

std::vector<TraceKey> keys_of(const TraceId& id, const std::set<Key128>& host_keys) {
    TraceKey foreign;
    std::memcpy(&foreign.high, id.bytes.data(), 8);
    std::memcpy(&foreign.low, id.bytes.data() + 8, 8);
    std::vector<TraceKey> keys{foreign};
    for (const Key128& host_key : host_keys) {
        const TraceOrigin origin = locate_trace(host_key, id);
        keys.push_back({origin.instance_number, origin.root.value, true});
    }
    return keys;
}

std::set<Key128> host_keys_of(const codec::Batch& batch) {
    std::set<Key128> keys;
    for (std::size_t i = 1; i <= batch.instance_count(); ++i)
        keys.insert(batch.instance(static_cast<codec::InstanceIndex>(i)).host_key);
    return keys;
}

}  // namespace spanring::store
