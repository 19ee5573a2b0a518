// Losses and identity of instances as the frames tell them: the latest totals per stream. Threads:
// one owner.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "spanring/store/database.hpp"

namespace spanring::store {

struct StreamTotals {
    std::uint64_t spans{0};
    std::uint64_t ends{0};
    std::uint64_t details{0};
};

/// As the catalogue holds it.
inline InstanceId instance_of(std::span<const std::byte> bytes) {
    InstanceId id;
    // A column of no bytes has no address either, which memcpy must not be given.
    const auto all = std::as_writable_bytes(std::span(id.bytes));
    std::ranges::copy(bytes.first(std::min(bytes.size(), all.size())), all.begin());
    return id;
}

struct InstanceTotals {
    std::uint32_t pid{0};
    std::string process_name;
    bool ended{false};
    std::map<std::uint32_t, StreamTotals> streams;
};

class LossTotals {
public:
    void apply(const std::vector<InstanceDelta>& deltas) {
        for (const InstanceDelta& delta : deltas) {
            InstanceTotals& totals = instances[delta.id];
            if (delta.pid != 0) totals.pid = delta.pid;
            if (!delta.process_name.empty()) totals.process_name = delta.process_name;
            totals.ended = totals.ended || delta.ended;
            for (const StreamLosses& losses : delta.losses) {
                const auto sum = [](const std::uint64_t(&counts)[4]) {
                    return counts[0] + counts[1] + counts[2] + counts[3];
                };
                totals.streams[losses.stream] = {sum(losses.spans), sum(losses.ends),
                                                 sum(losses.details)};
            }
        }
    }

    std::map<InstanceId, InstanceTotals> instances;
};

}  // namespace spanring::store
