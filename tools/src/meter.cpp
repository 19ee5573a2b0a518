#include "meter.hpp"

#include <algorithm>

namespace spanring::tools {
namespace {

// A frame's delays lie within one turn of each other: a few describe it.
constexpr std::size_t kDelaysPerFrame = 64;

double per(double amount, double of) {
    return of > 0 ? amount / of : 0;
}

}  // namespace

void Meter::add(const store::CommittedFrame& frame) {
    Entry entry{frame.committed_ns,         0, frame.tracepoints, frame.bytes,
                frame.instance_tracepoints, {}};
    for (const codec::Batch& batch : frame.batches) entry.spans += batch.rows.size();
    const std::uint64_t stride = std::max<std::uint64_t>(1, entry.spans / kDelaysPerFrame);
    std::uint64_t at = 0;
    for (const codec::Batch& batch : frame.batches) {
        for (const codec::Row& row : batch.rows) {
            constexpr std::uint32_t kTimed =
                codec::RowFlag::kHasStart | codec::RowFlag::kHasDuration;
            if (at++ % stride != 0 || (row.flags & kTimed) != kTimed) continue;
            // Only spans that this machine's clock timed: imported ones have foreign ids.
            if ((row.flags & codec::RowFlag::kNativeSpan) == 0) continue;
            entry.delays_ns.push_back(frame.committed_ns - row.start_ns - row.duration_ns);
        }
    }
    entries_.push_back(std::move(entry));
}

void Meter::restart(std::int64_t since_ns) {
    entries_.clear();
    since_ns_ = since_ns;
}

Measurement Meter::measure(std::int64_t now_ns) {
    if (since_ns_ == 0 && !entries_.empty()) since_ns_ = entries_.front().committed_ns;
    const std::int64_t from_ns = std::max(now_ns - window_ns_, since_ns_);
    while (!entries_.empty() && entries_.front().committed_ns < from_ns) entries_.pop_front();

    Measurement result;
    query::DurationHistogram delays;
    double delay_sum = 0;
    std::map<InstanceId, std::uint64_t> instances;
    for (const Entry& entry : entries_) {
        result.frames += 1;
        result.spans += entry.spans;
        result.tracepoints += entry.tracepoints;
        result.bytes += entry.bytes;
        for (const auto& [instance, count] : entry.instances) instances[instance] += count;
        const std::uint64_t weight =
            entry.delays_ns.empty()
                ? 0
                : std::max<std::uint64_t>(1, entry.spans / entry.delays_ns.size());
        for (const std::int64_t delay : entry.delays_ns) {
            delays.add(delay, weight);
            delay_sum += static_cast<double>(delay) * static_cast<double>(weight);
        }
    }
    result.seconds = static_cast<double>(now_ns - from_ns) / 1e9;
    result.tracepoints_per_second = per(static_cast<double>(result.tracepoints), result.seconds);
    result.spans_per_second = per(static_cast<double>(result.spans), result.seconds);
    result.bytes_per_tracepoint =
        per(static_cast<double>(result.bytes), static_cast<double>(result.tracepoints));
    result.bytes_per_span =
        per(static_cast<double>(result.bytes), static_cast<double>(result.spans));
    result.delay_ns_mean = per(delay_sum, static_cast<double>(delays.count()));
    result.delay_ns_p50 = delays.percentile(0.5);
    result.delay_ns_p99 = delays.percentile(0.99);
    for (const auto& [instance, count] : instances) {
        result.instance_rate[instance] = per(static_cast<double>(count), result.seconds);
    }
    return result;
}

Result<std::uint64_t> feed(Meter& meter, store::Reader& reader, std::uint64_t position,
                           std::uint64_t frames_max) {
    const std::uint64_t newest = reader.newest_frame();
    const bool skip = newest > position && newest - position > frames_max;
    if (skip) position = newest - frames_max;
    bool first = skip;
    return reader.visit_frames_after(position, [&](const store::CommittedFrame& frame) {
        if (first) meter.restart(frame.committed_ns);
        first = false;
        meter.add(frame);
        return true;
    });
}

}  // namespace spanring::tools
