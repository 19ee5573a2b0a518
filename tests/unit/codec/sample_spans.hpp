// Spans that use everything a span can have, for the tests of the codec.
#pragma once

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "spanring/codec/batch.hpp"
#include "spanring/codec/span.hpp"

namespace spanring::codec::test {

inline constexpr std::int64_t kNoonNs = 1661140374351773094;

inline TraceId trace_id(std::uint8_t n) {
    TraceId id;
    for (std::size_t i = 0; i < 16; ++i) id.bytes[i] = static_cast<std::uint8_t>(n + 16 * i);
    return id;
}

inline SpanId span_id(std::uint8_t n) {
    SpanId id;
    for (std::size_t i = 0; i < 8; ++i) id.bytes[i] = static_cast<std::uint8_t>(n + 32 * i);
    return id;
}

inline std::shared_ptr<const Attributes> service(const std::string& name) {
    return std::make_shared<const Attributes>(Attributes{{"service.name", name}});
}

inline Attributes every_type() {
    return {{"yes", true},
            {"no", false},
            {"int", std::numeric_limits<std::int64_t>::min()},
            {"double", 0.1},
            {"text", std::string("charge \"card\"\n\x01 \xc3\xa4")},
            {"empty", std::string()},
            {"bytes", Bytes{std::string("\x00\xff\x10", 3)}},
            {"json", Json{R"({"a":[1,{"b":null}],"c":"d"})"}},
            {"bools", std::vector<bool>{true, false, true}},
            {"ints", std::vector<std::int64_t>{1, -2, std::numeric_limits<std::int64_t>::max()}},
            {"doubles", std::vector<double>{1.0, -0.0, 1e300}},
            {"texts", std::vector<std::string>{"", "a", "bc"}}};
}

inline Span plain_span(std::uint8_t trace, std::uint8_t id, std::uint8_t parent,
                       std::int64_t start_ns) {
    Span span;
    span.trace_id = trace_id(trace);
    span.span_id = span_id(id);
    if (parent != 0) span.parent_id = span_id(parent);
    span.name = "GET /cart";
    span.kind = SpanKind::kServer;
    span.start_ns = start_ns;
    span.duration_ns = 11209515;
    span.resource = service("cart");
    return span;
}

inline Span full_span() {
    Span span = plain_span(7, 8, 9, kNoonNs);
    span.status = StatusCode::kError;
    span.status_message = "card declined";
    span.truncated = true;
    span.flags = 1;
    span.trace_state = "vendor=1";
    span.scope = {"shop", "1.2"};
    span.dropped = {1, 2, 3};
    span.attributes = every_type();
    span.events = {{"retry", kNoonNs - 5, {{"attempt", std::int64_t{2}}}},
                   {"exception", kNoonNs + 1000, every_type()}};
    span.links = {{trace_id(1), span_id(2), false, 1, "a=b", {{"why", std::string("batch")}}},
                  {trace_id(3), span_id(4), false, 0, "", {}}};
    span.links[1].trace_id.bytes.fill(0);
    span.links[1].trace_id.bytes[15] = 5;
    span.links[1].trace_id_64 = true;
    return span;
}

inline Batch batch_of(const std::vector<Span>& spans) {
    Batch batch;
    for (const Span& span : spans) batch.add(span);
    return batch;
}

inline Instance instance(std::uint8_t n) {
    Instance i;
    i.id.bytes.fill(n);
    i.host_key.fill(0x42);
    i.span_key.fill(static_cast<std::uint8_t>(n + 1));
    return i;
}

/// A row with native ids: its trace is named after span `root` of the same instance.
inline Row native_row(InstanceIndex index, const Instance& of, SpanKey root, SpanKey span,
                      SpanKey parent, std::int64_t start_ns) {
    Row row;
    row.instance = index;
    row.trace_high = of.id.number();
    row.trace_low = root.value;
    row.span = span.value;
    row.parent = parent.value;
    row.start_ns = start_ns;
    row.duration_ns = 1000;
    row.flags = RowFlag::kNativeTrace | RowFlag::kNativeSpan | RowFlag::kNativeParent |
                RowFlag::kHasStart | RowFlag::kHasDuration;
    return row;
}

}  // namespace spanring::codec::test
