#include "spanring/store/frame.hpp"

#include <cstring>

#include "frame_view.hpp"
#include "spanring/base/crc32c.hpp"
#include "wire.hpp"

namespace spanring::store {
namespace {

void encode_losses(WireWriter& wire, const StreamLosses& losses) {
    wire.varint(losses.stream);
    for (const auto* counts : {losses.spans, losses.ends, losses.details})
        for (int reason = 0; reason < 4; ++reason) wire.varint(counts[reason]);
}

void encode_instance(WireWriter& wire, const InstanceDelta& delta) {
    wire.raw(delta.id.bytes.data(), delta.id.bytes.size());
    wire.varint(delta.pid);
    wire.block(std::as_bytes(std::span(delta.process_name)));
    wire.varint(delta.ended ? 1 : 0);
    wire.varint(delta.tracepoints);
    wire.varint(delta.pages.size());
    for (const PagePosition& page : delta.pages) {
        wire.varint(page.page);
        wire.varint(page.generation);
        wire.varint(page.bytes);
    }
    wire.varint(delta.pages_released.size());
    for (const std::uint32_t page : delta.pages_released) wire.varint(page);
    wire.varint(delta.streams.size());
    for (const StreamState& stream : delta.streams) {
        wire.varint(stream.stream);
        wire.varint(stream.next_ordinal);
        wire.varint(stream.next_sequence);
        wire.block(stream.state);
    }
    wire.varint(delta.losses.size());
    for (const StreamLosses& losses : delta.losses) encode_losses(wire, losses);
}

InstanceDelta decode_instance(WireReader& wire) {
    InstanceDelta delta;
    wire.raw(delta.id.bytes.data(), delta.id.bytes.size());
    delta.pid = wire.varint32();
    const auto name = wire.block();
    delta.process_name.assign(reinterpret_cast<const char*>(name.data()), name.size());
    delta.ended = wire.varint() != 0;
    delta.tracepoints = wire.varint();
    delta.pages.resize(wire.count(3));
    for (PagePosition& page : delta.pages) {
        page.page = wire.varint32();
        page.generation = wire.varint32();
        page.bytes = wire.varint32();
    }
    delta.pages_released.resize(wire.count(1));
    for (std::uint32_t& page : delta.pages_released) page = wire.varint32();
    delta.streams.resize(wire.count(4));
    for (StreamState& stream : delta.streams) {
        stream.stream = wire.varint32();
        stream.next_ordinal = wire.varint();
        stream.next_sequence = wire.varint();
        const auto state = wire.block();
        stream.state.assign(state.begin(), state.end());
    }
    delta.losses.resize(wire.count(13));
    for (StreamLosses& losses : delta.losses) {
        losses.stream = wire.varint32();
        for (auto* counts : {losses.spans, losses.ends, losses.details})
            for (int reason = 0; reason < 4; ++reason) counts[reason] = wire.varint();
    }
    return delta;
}

void pad(std::vector<std::byte>& out) {
    out.resize((out.size() + SPANRING_FRAME_ALIGNMENT - 1) & ~std::size_t{7});
}

void append_section(std::vector<std::byte>& out, std::uint32_t kind,
                    std::span<const std::byte> payload) {
    const spanring_section_header head{kind, static_cast<std::uint32_t>(payload.size())};
    WireWriter wire(out);
    wire.raw(&head, sizeof head);
    wire.raw(payload.data(), payload.size());
    pad(out);
}

void append_instances(std::vector<std::byte>& out, const std::vector<InstanceDelta>& instances) {
    std::vector<std::byte> payload;
    WireWriter wire(payload);
    wire.varint(instances.size());
    for (const InstanceDelta& delta : instances) encode_instance(wire, delta);
    append_section(out, SPANRING_SECTION_INSTANCES, payload);
}

void append_merged(std::vector<std::byte>& out, const MergedRange& range) {
    std::vector<std::byte> payload;
    WireWriter wire(payload);
    wire.varint(range.first);
    wire.varint(range.last);
    append_section(out, SPANRING_SECTION_MERGED, payload);
}

}  // namespace

std::vector<std::byte> encode(const Frame& frame, const FrameSummary& summary,
                              const FrameStamp& stamp) {
    std::size_t bytes = 1024;
    for (const auto& batch : frame.batches) bytes += batch.size() + 16;
    std::vector<std::byte> out;
    for (const auto& batch : frame.open_spans) bytes += batch.size() + 16;
    out.reserve(bytes + frame.deferred.size());
    out.resize(kFrameHeaderBytes);

    if (!frame.instances.empty()) append_instances(out, frame.instances);
    for (const auto& batch : frame.open_spans)
        append_section(out, SPANRING_SECTION_OPEN_SPANS, batch);
    if (!frame.deferred.empty()) append_section(out, SPANRING_SECTION_DEFERRED, frame.deferred);
    if (frame.merged) append_merged(out, *frame.merged);
    const std::size_t data_at = out.size();
    for (const auto& batch : frame.batches) append_section(out, SPANRING_SECTION_BATCH, batch);

    const std::span<const std::byte> all(out);
    spanring_frame_header header{};
    std::memcpy(header.magic, SPANRING_FRAME_MAGIC, sizeof header.magic);
    header.version = SPANRING_FRAME_VERSION;
    header.flags = static_cast<std::uint16_t>((frame.snapshot ? SPANRING_FRAME_SNAPSHOT : 0) |
                                              (frame.merged ? SPANRING_FRAME_MERGED : 0));
    header.header_bytes = kFrameHeaderBytes;
    header.number = stamp.number;
    header.committed_ns = stamp.committed_ns;
    header.spans = summary.spans;
    header.start_ns_min = summary.start_ns_min;
    header.start_ns_max = summary.start_ns_max;
    header.meta_bytes = static_cast<std::uint32_t>(data_at - kFrameHeaderBytes);
    header.meta_crc = crc32c(all.subspan(kFrameHeaderBytes, header.meta_bytes));
    header.data_bytes = static_cast<std::uint32_t>(out.size() - data_at);
    header.data_crc = crc32c(all.subspan(data_at));
    header.header_crc = crc32c(
        std::as_bytes(std::span(&header, 1)).first(offsetof(spanring_frame_header, header_crc)));
    std::memcpy(out.data(), &header, sizeof header);
    return out;
}

Result<std::vector<InstanceDelta>> decode_instances(std::span<const std::byte> bytes) {
    std::vector<InstanceDelta> instances;
    if (bytes.empty()) return instances;
    WireReader wire(bytes);
    // An instance takes at least its id and nine one-byte numbers; grown one by one, because in
    // memory it is much longer than that.
    for (std::size_t left = wire.count(16 + 8); left > 0 && wire.ok(); --left)
        instances.push_back(decode_instance(wire));
    if (!wire.ok() || !wire.at_end())
        return Error{ErrorCode::kCorrupt, "the positions of a frame do not parse"};
    return instances;
}

Result<Frame> decode_frame(std::span<const std::byte> bytes, std::size_t* frame_bytes) {
    auto view = read_frame(bytes);
    if (!view) return std::move(view).error();
    auto instances = decode_instances(view->meta.instances);
    if (!instances) return std::move(instances).error();
    Frame frame;
    frame.number = view->header.number;
    frame.committed_ns = view->header.committed_ns;
    frame.snapshot = (view->header.flags & SPANRING_FRAME_SNAPSHOT) != 0;
    frame.instances = std::move(*instances);
    for (const auto batch : view->batches) frame.batches.emplace_back(batch.begin(), batch.end());
    for (const auto batch : view->meta.open_spans)
        frame.open_spans.emplace_back(batch.begin(), batch.end());
    frame.merged = view->meta.merged;
    frame.deferred.assign(view->meta.deferred.begin(), view->meta.deferred.end());
    if (frame_bytes != nullptr) *frame_bytes = view->bytes;
    return frame;
}

}  // namespace spanring::store
