// W3C Trace Context (Level 2) and W3C Baggage: parsing, strict, and formatting.
//
// https://www.w3.org/TR/trace-context-2/ · https://www.w3.org/TR/baggage/ . Pure functions; any
// thread; everything they are given may come from a stranger.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "context_block.hpp"

namespace spanring::w3c {

/// Trace Context 3.3.1.1 and 3.3.1.5: members, and the bytes that everybody must propagate.
inline constexpr std::size_t kTraceStateMembersMax = 32;
inline constexpr std::size_t kTraceStateBytesMax = 512;
/// A member longer than this goes first when the whole is too long (3.3.1.5).
inline constexpr std::size_t kTraceStateMemberBytesLong = 128;
/// Baggage 3.3.2.
inline constexpr std::size_t kBaggageMembersMax = 180;
inline constexpr std::size_t kBaggageBytesMax = 8192;

struct TraceParent {
    TraceId trace;
    SpanId span;
    std::uint8_t flags{0};
};

/// Returns false, and leaves *out alone, for anything but a valid traceparent.
[[nodiscard]] bool parse_traceparent(std::string_view text, TraceParent* out) noexcept;
[[nodiscard]] std::string format_traceparent(const TraceParent& parent);
/// Returns the tracestate to propagate: checked, without white space and empty members, within the
/// limits; empty if it is malformed.
[[nodiscard]] std::string clean_trace_state(std::string_view text);
/// Returns the members that are well-formed, values decoded; none beyond the limits.
[[nodiscard]] std::vector<detail::BaggageMember> parse_baggage(std::string_view text);
[[nodiscard]] std::string format_baggage(const std::vector<detail::BaggageMember>& members);
/// Whether it is a token of RFC 9110, not empty.
[[nodiscard]] bool is_token(std::string_view text) noexcept;
/// Decodes %XX. Returns false for a malformed escape.
[[nodiscard]] bool percent_decode(std::string_view text, std::string* out);

}  // namespace spanring::w3c
