#include "open_spans.hpp"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "row_copy.hpp"

namespace spanring::store {
namespace {

using codec::RowFlag;

// Details that nobody points to any more may grow to this before they are thrown out.
constexpr std::size_t kGarbageBytesMax = 4u << 20;

}  // namespace

void OpenSpans::clear() {
    batch_.clear();
    places_.clear();
}

Result<void> OpenSpans::apply(const codec::Batch& changes) {
    RowCopier copier(changes, batch_);
    for (const codec::Row& row : changes.rows) {
        const bool native = (row.flags & RowFlag::kNativeSpan) != 0 && row.instance != 0 &&
                            row.instance <= changes.instance_count();
        if (!native) return Error{ErrorCode::kCorrupt, "an open span has no span key"};
        const Key key{batch_.intern_instance(changes.instance(row.instance)), row.span};
        const auto found = places_.find(key);
        const bool append = (row.flags & RowFlag::kAppend) != 0 && found != places_.end();
        const codec::Row before = append ? batch_.rows[found->second] : codec::Row{};
        auto copied = copier.copy(row, before.details_offset, before.details_bytes);
        if (!copied) return std::move(copied).error();
        copied->flags &= ~std::uint32_t{RowFlag::kAppend};
        if (found != places_.end()) {
            batch_.rows[found->second] = *copied;
        } else {
            places_.emplace(key, batch_.rows.size());
            batch_.rows.push_back(*copied);
        }
    }
    if (batch_.details.size() > kGarbageBytesMax) compact();
    return {};
}

void OpenSpans::remove_finished(const codec::Batch& finished) {
    if (empty()) return;
    // Instances that have nothing open here keep 0, and their rows are not looked up.
    std::vector<codec::InstanceIndex> here(finished.instance_count() + 1, 0);
    for (std::size_t i = 1; i < here.size(); ++i)
        for (std::size_t ours = 1; ours <= batch_.instance_count(); ++ours)
            if (finished.instance(static_cast<codec::InstanceIndex>(i)).id ==
                batch_.instance(static_cast<codec::InstanceIndex>(ours)).id)
                here[i] = static_cast<codec::InstanceIndex>(ours);
    for (const codec::Row& row : finished.rows) {
        if ((row.flags & RowFlag::kNativeSpan) == 0 || row.instance >= here.size()) continue;
        if (here[row.instance] != 0) remove({here[row.instance], row.span});
    }
}

void OpenSpans::remove_instance(const InstanceId& id) {
    for (std::size_t index = batch_.rows.size(); index-- > 0;) {
        const codec::Row& row = batch_.rows[index];
        if (batch_.instance(row.instance).id == id) remove({row.instance, row.span});
    }
}

bool OpenSpans::may_end_in(std::int64_t start_ns_min, std::int64_t start_ns_max) const noexcept {
    for (const codec::Row& row : batch_.rows)
        if (row.start_ns >= start_ns_min && row.start_ns <= start_ns_max) return true;
    return false;
}

void OpenSpans::remove(const Key& key) {
    const auto found = places_.find(key);
    if (found == places_.end()) return;
    const std::size_t index = found->second;
    places_.erase(found);
    if (index + 1 != batch_.rows.size()) {
        batch_.rows[index] = batch_.rows.back();
        places_[{batch_.rows[index].instance, batch_.rows[index].span}] = index;
    }
    batch_.rows.pop_back();
    if (batch_.rows.empty()) clear();
}

void OpenSpans::compact() {
    std::size_t live = 0;
    for (const codec::Row& row : batch_.rows) live += row.details_bytes;
    if (live > batch_.details.size() / 2) return;
    std::vector<std::byte> kept;
    kept.reserve(live);
    for (codec::Row& row : batch_.rows) {
        const auto from = batch_.details.begin() + static_cast<std::ptrdiff_t>(row.details_offset);
        row.details_offset = kept.size();
        kept.insert(kept.end(), from, from + row.details_bytes);
    }
    batch_.details = std::move(kept);
}

Result<std::vector<std::vector<std::byte>>> OpenSpans::encoded() const {
    using codec::RowFlag;
    constexpr std::uint32_t kOfCarryOver =
        RowFlag::kAppend | RowFlag::kPendingEnd | RowFlag::kStartOffset;
    std::vector<std::vector<std::byte>> out;
    if (batch_.rows.empty()) return out;
    codec::Batch part = batch_;
    codec::Encoder encoder;
    for (std::size_t begin = 0; begin < batch_.rows.size(); begin += codec::kBatchSpansLimit) {
        const auto rows = std::span(batch_.rows).subspan(begin);
        const auto some = rows.first(std::min(rows.size(), codec::kBatchSpansLimit));
        part.rows.assign(some.begin(), some.end());
        for (codec::Row& row : part.rows) {
            const bool ended = (row.flags & RowFlag::kPendingEnd) != 0;
            row.flags = (row.flags & ~kOfCarryOver) | (ended ? 0u : RowFlag::kUnfinished);
            if ((row.flags & RowFlag::kHasDuration) == 0) row.duration_ns = 0;
        }
        auto encoded = encoder.encode(part);
        if (!encoded) return std::move(encoded).error();
        out.push_back(std::move(*encoded));
    }
    return out;
}

codec::Batch OpenSpans::take() {
    codec::Batch taken = std::move(batch_);
    batch_ = codec::Batch();
    places_.clear();
    return taken;
}

}  // namespace spanring::store
