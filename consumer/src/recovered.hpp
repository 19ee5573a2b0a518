// Recovered: what the last consumer left, taken apart by instance, so that each segment gets its
// part when it is attached. What no segment asks for belongs to rings that are gone, or that cannot
// be attached yet. Threads: one.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "spanring/codec/batch.hpp"
#include "spanring/consumer/assembler.hpp"
#include "spanring/store/database.hpp"

namespace spanring::consumer {

class Recovered {
public:
    struct Part {
        store::InstanceDelta delta;
        std::vector<std::size_t> rows;  ///< of open()
        std::vector<std::byte> deferred;
    };

    explicit Recovered(const store::RecoveredState& state);

    /// Takes the instance's part out; empty rows and delta if there is none.
    [[nodiscard]] Part take(const InstanceId& id);
    [[nodiscard]] const codec::Batch& open() const noexcept { return open_; }
    [[nodiscard]] bool empty() const noexcept { return parts_.empty(); }

    /// Finishes what no segment asked for and none `waits` for: its open spans become unfinished
    /// ones in `sink`, its instance is said to have ended. Returns the deltas for the frame.
    [[nodiscard]] std::vector<store::InstanceDelta> finish_rest(
        RowSink& sink, const std::function<bool(const InstanceId&)>& waits);

    /// What a snapshot must say of those whose segments could not be attached yet.
    void export_open(RowSink& open_sink);
    void export_instances(std::vector<store::InstanceDelta>& instances) const;
    /// And what every frame must: its held-back operations stand for all that there are.
    void export_deferred(std::vector<std::byte>& deferred) const;

private:
    /// Returns an assembler that knows the part; null if that cannot be read. It borrows `clock`
    /// and `strings`.
    [[nodiscard]] std::unique_ptr<Assembler> assembler_of(const InstanceId& id, const Part& part,
                                                          const TickClock& clock,
                                                          StringSource& strings) const;
    [[nodiscard]] std::vector<std::byte> with_inline_names(
        std::span<const std::byte> records) const;

    std::map<InstanceId, Part> parts_;
    codec::Batch open_;
};

/// The frame's held-back operations of all instances.
void append_deferred(const InstanceId& id, const std::vector<std::byte>& of_instance,
                     std::vector<std::byte>& all);

}  // namespace spanring::consumer
