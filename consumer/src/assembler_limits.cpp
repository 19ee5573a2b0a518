// What the assembler does when too much is open at once. A program that never ends its spans is
// honest: the oldest are stored as unfinished, and what comes for them later is dropped and
// counted.
#include <algorithm>

#include "assembler_impl.hpp"

namespace spanring::consumer {
namespace {

/// What is left of a limit that was reached: to look for the oldest costs a walk over all that is
/// open, which a quarter of them then pays.
constexpr std::size_t three_quarters(std::size_t limit) noexcept {
    return limit - limit / 4;
}

}  // namespace

// Called when a run of records has been read, so what is over a limit is bounded by a page.
bool Assembler::Impl::keep_to_limits(RowSink& sink) {
    if (detached_.count() > limits_.open_max) {
        close_oldest_detached(detached_.count() - three_quarters(limits_.open_max), sink);
    }
    if (details_held_ <= limits_.open_details_bytes_max) return true;
    close_oldest_details(three_quarters(limits_.open_details_bytes_max), sink);
    if (details_held_ <= limits_.open_details_bytes_max) return true;
    // Operations held back are what is left: applied too early they only risk their order.
    if (!apply_ripe(sink)) return false;
    ripe_.swap(fresh_);
    if (!apply_ripe(sink)) return false;
    close_oldest_details(three_quarters(limits_.open_details_bytes_max), sink);
    return details_held_ <= limits_.open_details_bytes_max || malformed("too much held open");
}

std::size_t Assembler::Impl::held_bytes() const noexcept {
    return details_held_ + open_count_ * kOpenSpanBytes;
}

void Assembler::Impl::shrink_to(std::size_t bytes, RowSink& sink) {
    const std::size_t open_bytes = open_count_ * kOpenSpanBytes;
    close_oldest_details(bytes > open_bytes ? bytes - open_bytes : 0, sink);
    if (held_bytes() <= bytes) return;
    close_oldest_detached((held_bytes() - bytes) / kOpenSpanBytes + 1, sink);
}

void Assembler::Impl::close_oldest_detached(std::size_t count, RowSink& sink) {
    std::vector<Age> ages;
    ages.reserve(detached_.count());
    detached_.for_each([&](Open& open) { ages.push_back({open.start_mono_ns, open.key}); });
    count = std::min(count, ages.size());
    const auto end = ages.begin() + static_cast<std::ptrdiff_t>(count);
    std::nth_element(ages.begin(), end, ages.end());
    std::sort(ages.begin(), end);
    std::for_each(ages.begin(), end, [&](const Age& age) { close_early(age.key, sink); });
}

void Assembler::Impl::close_oldest_details(std::size_t bytes, RowSink& sink) {
    if (details_held_ <= bytes) return;
    std::vector<Age> ages;
    const auto note = [&](const Open& open) {
        if (open.entry != Open::Kind::kSpan || open.details == kNoDetails) return;
        ages.push_back({open.start_mono_ns, open.key});
    };
    for (const Stream& stream : streams_)
        std::for_each(stream.stack.begin(), stream.stack.end(), note);
    detached_.for_each(note);
    std::sort(ages.begin(), ages.end());
    for (const Age& age : ages) {
        if (details_held_ <= bytes) return;
        close_early(age.key, sink);
    }
}

void Assembler::Impl::close_early(SpanKey key, RowSink& sink) {
    Open* open = find(key);
    if (open == nullptr) return;
    Open closed = *open;
    if (closed.has(Open::kDetached)) {
        detached_.erase(key.value);
    } else {
        // Its place on the stack stays, as the parent of what its thread begins.
        open->entry = Open::Kind::kLost;
        open->details = kNoDetails;
        open->flags |= Open::kClosedEarly;
        ++open_count_;
    }
    Stream& stream = stream_of(key.stream());
    stream.closed_up_to = std::max(stream.closed_up_to, key.ordinal());
    ++counts.spans_closed_early;
    ++counts.spans_unfinished;
    // A name that was never written is told by whoever reads on; the span is gone either way.
    (void)finish(closed, 0, codec::RowFlag::kUnfinished, sink);
}

// An end of a span that nobody knows: of one that was closed early, or of one whose begin was lost.
void Assembler::Impl::count_late_end(SpanKey key) noexcept {
    if (key.stream() >= streams_.size()) return;
    if (key.ordinal() <= streams_[key.stream()].closed_up_to) ++counts.ends_late;
}

}  // namespace spanring::consumer
