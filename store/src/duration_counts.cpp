#include <algorithm>
#include <cmath>
#include <limits>

#include "spanring/base/log_bins.hpp"
#include "spanring/store/digest.hpp"
#include "wire.hpp"

namespace spanring::store {
namespace {

using Bins = LogBins<3>;
constexpr std::uint64_t kBins = 64 * Bins::kSub;

/// The largest duration of a bin.
std::int64_t end_of(std::size_t bin) noexcept {
    const std::uint64_t end = Bins::first_of(bin) + Bins::width_of(bin) - 1;
    return static_cast<std::int64_t>(
        std::min<std::uint64_t>(end, std::numeric_limits<std::int64_t>::max()));
}

std::uint64_t add_up(std::uint64_t a, std::uint64_t b) noexcept {
    return a > std::numeric_limits<std::uint64_t>::max() - b
               ? std::numeric_limits<std::uint64_t>::max()
               : a + b;
}

}  // namespace

void DurationCounts::add_to_bin(std::uint16_t bin, std::uint64_t times) {
    if (times == 0) return;
    if (bins_.empty()) first_ = bin;
    if (bin < first_) {
        bins_.insert(bins_.begin(), static_cast<std::size_t>(first_ - bin), 0);
        first_ = bin;
    }
    if (static_cast<std::size_t>(bin - first_) >= bins_.size())
        bins_.resize(static_cast<std::size_t>(bin - first_) + 1);
    bins_[static_cast<std::size_t>(bin - first_)] += times;
    count_ += times;
}

void DurationCounts::add(std::int64_t ns, std::uint64_t times) {
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0));
    add_to_bin(static_cast<std::uint16_t>(Bins::bin_of(value)), times);
    sum_ns_ = add_up(sum_ns_, value * times);
}

void DurationCounts::add(const DurationCounts& other) {
    for (std::size_t i = 0; i < other.bins_.size(); ++i)
        add_to_bin(static_cast<std::uint16_t>(other.first_ + i), other.bins_[i]);
    sum_ns_ = add_up(sum_ns_, other.sum_ns_);
}

std::int64_t DurationCounts::percentile(double fraction) const noexcept {
    const auto rank = std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(count_))));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < bins_.size(); ++i) {
        seen += bins_[i];
        if (seen < rank) continue;
        // The middle of the bin.
        const auto low = static_cast<std::int64_t>(Bins::first_of(first_ + i));
        return low + (end_of(first_ + i) - low) / 2;
    }
    return 0;
}

std::vector<std::pair<std::int64_t, std::uint64_t>> DurationCounts::buckets() const {
    std::vector<std::pair<std::int64_t, std::uint64_t>> all;
    for (std::size_t i = 0; i < bins_.size(); ++i)
        if (bins_[i] != 0) all.emplace_back(end_of(first_ + i), bins_[i]);
    return all;
}

std::vector<std::byte> DurationCounts::encode() const {
    std::vector<std::byte> bytes;
    WireWriter out(bytes);
    out.varint(sum_ns_);
    std::size_t last = 0;
    for (std::size_t i = 0; i < bins_.size(); ++i) {
        if (bins_[i] == 0) continue;
        out.varint(first_ + i - last);
        out.varint(bins_[i]);
        last = first_ + i;
    }
    return bytes;
}

Result<DurationCounts> DurationCounts::decode(std::span<const std::byte> bytes) {
    DurationCounts counts;
    if (bytes.empty()) return counts;
    WireReader in(bytes);
    counts.sum_ns_ = in.varint();
    std::uint64_t bin = 0;
    while (in.ok() && !in.at_end()) {
        bin += in.varint();
        const std::uint64_t count = in.varint();
        if (bin >= kBins) break;
        counts.add_to_bin(static_cast<std::uint16_t>(bin), count);
    }
    if (!in.ok() || bin >= kBins) return Error{ErrorCode::kCorrupt, "counts of durations"};
    return counts;
}

}  // namespace spanring::store
