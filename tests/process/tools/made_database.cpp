#include "made_database.hpp"

#include <stdexcept>

#include "spanring/codec/batch.hpp"
#include "spanring/store/database.hpp"

namespace spanring::tools {
namespace {

using codec::Attributes;
using codec::Span;
using codec::Value;

Span span_of(const char* trace, std::uint8_t id, std::uint8_t parent, const char* service,
             const char* name, std::int64_t start_us, std::int64_t duration_us) {
    Span span;
    (void)from_hex(trace, &span.trace_id);
    span.span_id.bytes[7] = id;
    span.parent_id.bytes[7] = parent;
    span.name = name;
    span.start_ns = kStart + start_us * 1000;
    span.duration_ns = duration_us * 1000;
    span.resource = std::make_shared<const Attributes>(
        Attributes{{"service.name", Value(std::string(service))}});
    return span;
}

template <typename T>
T checked(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message);
    return std::move(*result);
}

void commit(store::Writer& writer, const std::vector<Span>& spans, std::uint64_t lost_spans) {
    codec::Batch batch;
    store::FrameSummary summary;
    for (const Span& span : spans) {
        batch.add(span);
        summary.spans += 1;
        if (summary.spans == 1 || *span.start_ns < summary.start_ns_min) {
            summary.start_ns_min = *span.start_ns;
        }
        summary.start_ns_max = std::max(summary.start_ns_max, *span.start_ns);
    }
    store::Frame frame;
    frame.snapshot = writer.wants_snapshot();
    frame.batches.push_back(checked(codec::encode(batch)));
    store::InstanceDelta instance;
    instance.id.bytes[0] = 1;
    instance.pid = 4711;
    instance.process_name = "shop";
    instance.tracepoints = spans.size() * 2;
    if (lost_spans != 0) {
        store::StreamLosses losses;
        losses.spans[0] = lost_spans;
        instance.losses.push_back(losses);
    }
    frame.instances.push_back(instance);
    (void)checked(writer.commit(std::move(frame), summary));
}

}  // namespace

std::vector<Span> known_spans() {
    std::vector<Span> spans{span_of(kCheckoutTrace, 1, 0, "frontend", "GET /checkout", 0, 12'000),
                            span_of(kCheckoutTrace, 2, 1, "cart", "load cart", 500, 3'000),
                            span_of(kCheckoutTrace, 3, 2, "cart", "SELECT items", 900, 1'500),
                            span_of(kCheckoutTrace, 4, 1, "payment", "charge card", 4'000, 7'500),
                            span_of(kCheckoutTrace, 5, 99, "payment", "audit", 11'600, 200),
                            span_of(kCheckoutTrace, 6, 1, "frontend", "render", 11'700, 300),
                            span_of(kShortTrace, 7, 0, "cart", "nightly", 50'000, 900)};
    spans[0].kind = codec::SpanKind::kServer;
    spans[1].attributes = {{"items", Value(std::int64_t{3})}, {"cached", Value(false)}};
    spans[3].status = codec::StatusCode::kError;
    spans[3].status_message = "card declined";
    spans[3].attributes = {{"amount", Value(12.5)}, {"currency", Value(std::string("EUR"))}};
    spans[3].events = {{"retry", kStart + 5'000'000, {{"attempt", Value(std::int64_t{2})}}}};
    codec::Link link;
    link.trace_id.bytes[0] = 0xcc;
    link.span_id.bytes[0] = 0xdd;
    spans[5].links = {link};
    spans[6].trace_id_64 = true;
    return spans;
}

void make_database(const std::string& path, std::uint64_t lost_spans) {
    store::WriterOptions options;
    options.sync_interval = std::chrono::milliseconds(10);
    const auto writer = checked(store::Writer::open(path, options));
    const std::vector<Span> spans = known_spans();
    commit(*writer, {spans.begin(), spans.begin() + 4}, lost_spans);
    commit(*writer, {spans.begin() + 4, spans.end()}, lost_spans);
    if (auto indexed = writer->index_now(); !indexed) {
        throw std::runtime_error(indexed.error().message);
    }
}

}  // namespace spanring::tools
