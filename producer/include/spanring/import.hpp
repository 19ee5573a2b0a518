// Spans with ids and times of their own: recorded elsewhere, replayed or received here.
//
// An import goes through the calling thread's page of the ring like any tracepoint, but is not
// part of the thread's stack of spans. Threads: any. Everything is borrowed for the call.
#pragma once

#include <optional>

#include "spanring/attribute.hpp"
#include "spanring/base/ids.hpp"

namespace spanring {

struct ImportedEvent {
    std::string_view name;
    std::int64_t time_ns{0};  ///< realtime
    std::span<const Attribute> attributes;
};

struct ImportedLink {
    TraceId trace_id;
    SpanId span_id;
    bool trace_id_64{false};
    std::uint32_t flags{0};  ///< W3C trace flags
    std::string_view trace_state;
    std::span<const Attribute> attributes;
};

struct ImportedSpan {
    TraceId trace_id;
    SpanId span_id;
    SpanId parent_id;         ///< all zero: a root
    bool trace_id_64{false};  ///< the trace id came as 64 bits (first 8 bytes zero)
    std::string_view name;
    SpanKind kind{SpanKind::kUnset};
    StatusCode status{StatusCode::kUnset};
    std::string_view status_message;
    std::optional<std::int64_t> start_ns;     ///< realtime; absent stays absent
    std::optional<std::int64_t> duration_ns;  ///< absent stays absent
    std::uint32_t flags{0};                   ///< W3C trace flags; 0: none recorded
    std::string_view trace_state;
    std::string_view scope_name;
    std::string_view scope_version;
    std::uint32_t dropped_attributes{0};  ///< what the source had dropped already
    std::uint32_t dropped_events{0};
    std::uint32_t dropped_links{0};
    std::span<const Attribute> attributes;
    std::span<const ImportedEvent> events;
    std::span<const ImportedLink> links;
    std::span<const Attribute> resource;  ///< not empty: stands instead of the process's own
};

/// Writes `span` into the ring, whole or not at all.
/// Returns true if it was written; false if it was lost, which is counted as a lost span, or if
/// tracing is off. With the `block` policy it waits for room, up to the block timeout for each
/// page. Details beyond 1 MiB are cut and counted as lost details. Threads: any.
bool import_span(const ImportedSpan& span) noexcept;

}  // namespace spanring
