#include "recovered.hpp"

#include <cstring>

#include "bytes_io.hpp"
#include "spanring/abi/record_layout.h"
#include "spanring/abi/segment_layout.h"
#include "spanring/codec/details.hpp"

namespace spanring::consumer {
namespace {

/// An instance whose strings are gone: rows that were carried over have theirs inline.
class NoStrings final : public StringSource {
public:
    std::optional<std::string_view> string(std::uint32_t) override { return std::nullopt; }
};

}  // namespace

Recovered::Recovered(const store::RecoveredState& state) : open_(state.open_spans) {
    for (const auto& delta : state.instances) parts_[delta.id].delta = delta;
    for (std::size_t i = 0; i < open_.rows.size(); ++i) {
        const codec::Row& row = open_.rows[i];
        if (row.instance == 0) continue;
        parts_[open_.instance(row.instance).id].rows.push_back(i);
    }
    BytesReader in(state.deferred);
    while (in.ok() && !in.at_end()) {
        const auto id = in.bytes();
        const auto operations = in.bytes();
        if (!in.ok() || id.size() != sizeof(Key128)) break;
        InstanceId instance;
        std::memcpy(instance.bytes.data(), id.data(), id.size());
        parts_[instance].deferred.assign(operations.begin(), operations.end());
    }
    for (auto& [id, part] : parts_) part.delta.id = id;
}

Recovered::Part Recovered::take(const InstanceId& id) {
    const auto at = parts_.find(id);
    if (at == parts_.end()) return {};
    Part part = std::move(at->second);
    parts_.erase(at);
    return part;
}

std::unique_ptr<Assembler> Recovered::assembler_of(const InstanceId& id, const Part& part,
                                                   const TickClock& clock,
                                                   StringSource& strings) const {
    codec::Instance instance{.id = id};
    if (!part.rows.empty()) instance = open_.instance(open_.rows[part.rows.front()].instance);
    auto assembler = std::make_unique<Assembler>(instance, clock, strings);
    // The resource stands in the rows, which an assembler does not read back.
    if (!part.rows.empty()) {
        const auto resource = open_.resource(open_.rows[part.rows.front()].resource);
        assembler->set_resource(with_inline_names(resource));
    }
    if (!assembler->restore(part.delta.streams, open_, part.rows, part.deferred)) return nullptr;
    return assembler;
}

void Recovered::export_open(RowSink& open_sink) {
    NoStrings strings;
    TickClock clock(SPANRING_CLOCK_MONOTONIC, system_clock_source(SPANRING_CLOCK_MONOTONIC));
    for (const auto& [id, part] : parts_) {
        if (part.rows.empty()) continue;
        const auto assembler = assembler_of(id, part, clock, strings);
        const RowSink::Mark before = open_sink.mark();
        if (assembler && !assembler->export_open(true, open_sink)) open_sink.rewind(before);
    }
}

void Recovered::export_instances(std::vector<store::InstanceDelta>& instances) const {
    for (const auto& [id, part] : parts_) instances.push_back(part.delta);
}

void Recovered::export_deferred(std::vector<std::byte>& deferred) const {
    for (const auto& [id, part] : parts_) append_deferred(id, part.deferred, deferred);
}

std::vector<store::InstanceDelta> Recovered::finish_rest(
    RowSink& sink, const std::function<bool(const InstanceId&)>& waits) {
    std::vector<store::InstanceDelta> deltas;
    NoStrings strings;
    TickClock clock(SPANRING_CLOCK_MONOTONIC, system_clock_source(SPANRING_CLOCK_MONOTONIC));
    for (const auto& [id, part] : parts_) {
        if (waits(id)) continue;
        if (const auto assembler = assembler_of(id, part, clock, strings)) assembler->close(sink);
        store::InstanceDelta ended;
        ended.id = id;
        ended.pid = part.delta.pid;
        ended.process_name = part.delta.process_name;
        ended.ended = true;
        deltas.push_back(std::move(ended));
    }
    for (const auto& ended : deltas) parts_.erase(ended.id);
    return deltas;
}

std::vector<std::byte> Recovered::with_inline_names(std::span<const std::byte> records) const {
    std::vector<std::byte> out;
    codec::DetailReader reader(records);
    codec::DetailWriter writer(out);
    codec::Detail detail;
    while (reader.next(&detail)) {
        const std::string_view key = open_.string(detail.id);
        writer.raw(SPANRING_REC_NAME, 0, static_cast<std::uint32_t>(key.size()),
                   std::as_bytes(std::span(key)));
        writer.raw(detail.kind | detail.target, SPANRING_ID_INLINE, detail.low, detail.body);
    }
    return out;
}

void append_deferred(const InstanceId& id, const std::vector<std::byte>& of_instance,
                     std::vector<std::byte>& all) {
    if (of_instance.empty()) return;
    BytesWriter out(all);
    out.bytes(std::as_bytes(std::span(id.bytes)));
    out.bytes(of_instance);
}

}  // namespace spanring::consumer
