// What a golden segment says: its spans and losses as lines of JSON.
#pragma once

#include "../../support/packed_file.hpp"
#include "mini_consumer.hpp"
#include "spanring/codec/jsonl.hpp"

namespace spanring::test {

/// Ticks are taken as nanoseconds since 1970, so that the lines are the same everywhere.
inline consumer::ClockSource ticks_as_ns() {
    return [now = std::uint64_t{0}]() mutable {
        now += 20'000'000;
        const auto ns = static_cast<std::int64_t>(now);
        return consumer::ClockReading{now, ns, ns};
    };
}

/// Drains the one segment of the directory for good.
inline std::string told_by(const shm::RingDirectory& directory) {
    MiniConsumer consumer(directory, ticks_as_ns());
    std::string lines;
    for (const auto& span : consumer.close()) lines += codec::to_jsonl(span) + "\n";
    const shm::SegmentReader& segment = consumer.segment(0);
    std::uint64_t lost[3] = {};
    for (std::uint32_t stream = 0; stream < *segment.slots_declared(); ++stream) {
        const auto slot = segment.slot(stream);
        for (unsigned reason = 0; reason < kLossReasons; ++reason) {
            lost[0] += slot->lost_spans[reason];
            lost[1] += slot->lost_ends[reason];
            lost[2] += slot->lost_details[reason];
        }
    }
    return lines + "{\"lost\":{\"spans\":" + std::to_string(lost[0]) +
           ",\"ends\":" + std::to_string(lost[1]) + ",\"details\":" + std::to_string(lost[2]) +
           "}}\n";
}

}  // namespace spanring::test
