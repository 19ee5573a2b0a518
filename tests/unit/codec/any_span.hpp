// Spans of every kind, made by RapidCheck: inside a property alone.
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "spanring/codec/span.hpp"

namespace spanring::codec::test {

inline void check(const std::string& what, const std::function<void()>& property) {
    EXPECT_TRUE(rc::check(what, property)) << what;
}

// Small alphabets, so that names, keys, parents and traces repeat as they do in real traces.
inline std::string word() {
    return *rc::gen::element<std::string>("", "a", "http.method", "GET", "\xc3\xa4", "x y",
                                          "service.name", "a long name of an operation");
}

inline std::int64_t number() {
    return *rc::gen::oneOf(rc::gen::inRange<std::int64_t>(-5, 1000),
                           rc::gen::arbitrary<std::int64_t>());
}

inline double finite() {
    const double value = std::bit_cast<double>(number());
    return value == value ? value : 0.5;  // NaN is not equal to itself
}

template <typename F>
auto several(int below, F&& make) {
    std::vector<decltype(make())> out;
    for (int n = *rc::gen::inRange(0, below); n-- > 0;) out.push_back(make());
    return out;
}

inline Value value() {
    switch (*rc::gen::inRange(0, 10)) {
        case 0: return *rc::gen::arbitrary<bool>();
        case 1: return number();
        case 2: return finite();
        case 3: return *rc::gen::arbitrary<std::string>();
        case 4: return Bytes{*rc::gen::arbitrary<std::string>()};
        case 5: return Json{R"({"a":[1,null,"b"]})"};
        case 6: return several(4, [] { return bool{*rc::gen::arbitrary<bool>()}; });
        case 7: return several(4, number);
        case 8: return several(4, finite);
        default: return several(4, word);
    }
}

inline Attributes attributes(int below) {
    return several(below, [] { return std::pair(word(), value()); });
}

template <typename Id>
Id id(int below) {
    Id out;
    if (*rc::gen::inRange(0, 4) == 0) {
        for (auto& b : out.bytes) b = *rc::gen::arbitrary<std::uint8_t>();
    } else {
        out.bytes.back() = static_cast<std::uint8_t>(*rc::gen::inRange(0, below));
    }
    return out;
}

inline std::optional<std::int64_t> maybe_number() {
    if (*rc::gen::inRange(0, 5) == 0) return std::nullopt;
    return number();
}

inline Span any_span() {
    Span s;
    s.trace_id = id<TraceId>(4);
    s.span_id = id<SpanId>(20);
    s.parent_id = id<SpanId>(20);
    s.trace_id_64 = std::all_of(s.trace_id.bytes.begin(), s.trace_id.bytes.begin() + 8,
                                [](std::uint8_t b) { return b == 0; });
    s.name = word();
    s.kind = static_cast<SpanKind>(*rc::gen::inRange(0, 6));
    s.status = static_cast<StatusCode>(*rc::gen::inRange(0, 3));
    s.status_message = word();
    s.start_ns = maybe_number();
    s.duration_ns = maybe_number();
    s.unfinished = *rc::gen::arbitrary<bool>();
    s.end_lost = *rc::gen::arbitrary<bool>();
    s.flags = *rc::gen::inRange(0u, 0x10000u);
    s.trace_state = word();
    s.scope = {word(), word()};
    if (*rc::gen::inRange(0, 4) == 0) s.dropped = {1, 2, *rc::gen::arbitrary<std::uint32_t>()};
    s.attributes = attributes(4);
    s.events = several(3, [] { return Event{word(), number(), attributes(3)}; });
    s.links = several(3, [] {
        Link link{id<TraceId>(3), id<SpanId>(5), false, *rc::gen::arbitrary<std::uint32_t>(),
                  word(),         attributes(3)};
        link.trace_id_64 = link.trace_id.bytes[0] == 0 && *rc::gen::arbitrary<bool>();
        return link;
    });
    s.resource = std::make_shared<const Attributes>(attributes(3));
    return s;
}

}  // namespace spanring::codec::test
