#include "support.hpp"

#include "spanring/abi/record_layout.h"
#include "spanring/codec/details.hpp"

namespace spanring::store::testing {

void add_row(codec::Batch& batch, const NativeRow& from) {
    std::vector<std::byte> resource;
    codec::DetailWriter(resource).attribute(batch.intern("service.name"),
                                            codec::Value(from.service), SPANRING_TARGET_SPAN);
    codec::Row row;
    row.instance = batch.intern_instance(instance(from.instance));
    row.flags = from.flags | codec::RowFlag::kHasStart | codec::RowFlag::kNativeSpan |
                codec::RowFlag::kNativeTrace | codec::RowFlag::kNativeParent;
    row.trace_high = instance(from.instance).id.number();
    row.trace_low = SpanKey::of(0, from.root != 0 ? from.root : from.ordinal).value;
    row.span = SpanKey::of(0, from.ordinal).value;
    row.parent = from.root != 0 && from.root != from.ordinal ? SpanKey::of(0, from.root).value : 0;
    row.start_ns = from.start_ns;
    row.duration_ns = (from.flags & codec::RowFlag::kHasDuration) != 0 ? from.duration_ns : 0;
    row.name = batch.intern(from.name);
    row.resource = batch.intern_resource(resource);
    row.status = static_cast<std::uint8_t>(from.status);
    row.details_offset = batch.details.size();
    codec::DetailWriter details(batch.details);
    for (const auto& [key, value] : from.attributes)
        details.attribute(batch.intern(key), value, SPANRING_TARGET_SPAN);
    row.details_bytes = static_cast<std::uint32_t>(batch.details.size() - row.details_offset);
    batch.rows.push_back(row);
}

std::vector<std::byte> encoded(const std::vector<NativeRow>& rows) {
    codec::Batch batch;
    for (const NativeRow& row : rows) add_row(batch, row);
    auto bytes = codec::encode(batch);
    EXPECT_TRUE(bytes.ok()) << bytes.error().message;
    return std::move(*bytes);
}

Frame frame_of(const FrameSpec& spec) {
    Frame frame;
    frame.snapshot = spec.snapshot;
    if (!spec.rows.empty()) frame.batches.push_back(encoded(spec.rows));
    if (!spec.open.empty()) frame.open_spans = {encoded(spec.open)};
    return frame;
}

FrameSummary summary_of(const FrameSpec& spec) {
    FrameSummary summary;
    summary.spans = spec.rows.size();
    for (const NativeRow& row : spec.rows) {
        const bool first = &row == &spec.rows.front();
        summary.start_ns_min = first ? row.start_ns : std::min(summary.start_ns_min, row.start_ns);
        summary.start_ns_max = first ? row.start_ns : std::max(summary.start_ns_max, row.start_ns);
    }
    return summary;
}

Result<std::uint64_t> commit_numbered(Writer& writer, std::uint64_t number) {
    NativeRow row;
    row.ordinal = number;
    row.name = "f" + std::to_string(number);
    row.start_ns = static_cast<std::int64_t>(number) * 1000;
    FrameSpec spec{{row}, {}, writer.wants_snapshot()};
    Frame frame = frame_of(spec);
    InstanceDelta delta;
    delta.id = instance().id;
    delta.pid = 42;
    delta.process_name = "shop";
    delta.tracepoints = 2;
    delta.pages = {{0, 1, static_cast<std::uint32_t>(number)}};
    frame.instances.push_back(delta);
    return writer.commit(std::move(frame), summary_of(spec));
}

std::vector<std::string> visible_names(Reader& reader, const SpanFilter& filter) {
    std::vector<std::string> names;
    auto visited = reader.visit(filter, [&](const codec::Span& span) {
        names.push_back(span.name);
        return true;
    });
    EXPECT_TRUE(visited.ok());
    return names;
}

std::vector<std::string> visible_names(const std::string& path, const SpanFilter& filter) {
    auto reader = Reader::open(path);
    if (!reader) {
        ADD_FAILURE() << reader.error().message;
        return {};
    }
    return visible_names(**reader, filter);
}

std::vector<std::string> numbered(std::uint64_t count) {
    std::vector<std::string> names;
    for (std::uint64_t i = 1; i <= count; ++i) names.push_back("f" + std::to_string(i));
    return names;
}

std::unique_ptr<Writer> open_writer(const std::string& path, WriterOptions options) {
    auto writer = Writer::open(path, options);
    EXPECT_TRUE(writer.ok()) << (writer ? "" : writer.error().message);
    return writer ? std::move(*writer) : nullptr;
}

std::unique_ptr<Reader> open_reader(const std::string& path) {
    auto reader = Reader::open(path);
    EXPECT_TRUE(reader.ok()) << (reader ? "" : reader.error().message);
    return reader ? std::move(*reader) : nullptr;
}

}  // namespace spanring::store::testing
