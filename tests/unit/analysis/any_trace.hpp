// Traces for tests: by hand, and of any shape. Threads: pure.
#pragma once

#include <rapidcheck.h>

#include <memory>
#include <string>
#include <vector>

#include "any_span.hpp"
#include "spanring/codec/span.hpp"

namespace spanring::analysis::test {

/// A span `number` (from 1) below `parent` (0: none), from `start` to `end`, ns.
inline codec::Span span_at(int number, int parent, std::int64_t start, std::int64_t end,
                           const std::string& name = "x", const std::string& service = "s") {
    codec::Span span;
    span.trace_id.bytes[0] = 1;
    span.span_id.bytes[7] = static_cast<std::uint8_t>(number);
    span.parent_id.bytes[7] = static_cast<std::uint8_t>(parent);
    span.name = name;
    span.start_ns = start;
    span.duration_ns = end - start;
    span.resource =
        std::make_shared<const codec::Attributes>(codec::Attributes{{"service.name", service}});
    return span;
}

/// Spans of any shape: parents that are missing, or in a circle, times that do not fit, none.
inline std::vector<codec::Span> any_trace() {
    std::vector<codec::Span> spans;
    const int count = *rc::gen::inRange(1, 30);
    for (int i = 1; i <= count; ++i) {
        const auto start = *rc::gen::inRange<std::int64_t>(0, 100);
        codec::Span span =
            span_at(*rc::gen::inRange(0, 20) == 0 ? 1 : i, *rc::gen::inRange(0, count + 2), start,
                    start + *rc::gen::inRange<std::int64_t>(0, 60),
                    std::string(1, static_cast<char>('a' + *rc::gen::inRange(0, 5))),
                    *rc::gen::element<std::string>("web", "cart", "db"));
        if (*rc::gen::inRange(0, 10) == 0) span.duration_ns.reset();
        if (*rc::gen::inRange(0, 20) == 0) span.start_ns.reset();
        spans.push_back(std::move(span));
    }
    return spans;
}

}  // namespace spanring::analysis::test
