// Spans for the tests of the tools.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "spanring/codec/span.hpp"

namespace spanring::tools {

/// Span number `id` of one trace, child of number `parent` (0: a root).
inline codec::Span make_span(std::uint8_t id, std::uint8_t parent, std::int64_t start_ns,
                             std::int64_t duration_ns, const std::string& name = "work",
                             const std::string& service = "cart") {
    codec::Span span;
    span.trace_id.bytes[15] = 1;
    span.span_id.bytes[7] = id;
    span.parent_id.bytes[7] = parent;
    span.name = name;
    span.start_ns = start_ns;
    span.duration_ns = duration_ns;
    span.resource = std::make_shared<const codec::Attributes>(
        codec::Attributes{{"service.name", codec::Value(service)}});
    return span;
}

}  // namespace spanring::tools
