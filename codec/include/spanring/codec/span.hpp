// A span as people see it: owning strings, resolved ids, realtime nanoseconds. What queries return,
// what tests compare, what the converters of other formats read and write. Not used on the drain
// path (see batch.hpp).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "spanring/base/ids.hpp"

namespace spanring::codec {

/// JSON text of a nested value (map or mixed array): OTLP's kvlist, for which there is no column
/// type.
struct Json {
    std::string text;
    bool operator==(const Json&) const = default;
};
struct Bytes {
    std::string data;
    bool operator==(const Bytes&) const = default;
};

/// An attribute's value: OpenTelemetry's types.
using Value =
    std::variant<bool, std::int64_t, double, std::string, Bytes, Json, std::vector<bool>,
                 std::vector<std::int64_t>, std::vector<double>, std::vector<std::string>>;

/// In the order in which they were set; a key that was set twice stands twice (readers show the
/// last).
using Attributes = std::vector<std::pair<std::string, Value>>;

enum class SpanKind : std::uint8_t {
    kUnset = 0,
    kInternal,
    kServer,
    kClient,
    kProducer,
    kConsumer
};
enum class StatusCode : std::uint8_t { kUnset = 0, kOk, kError };

struct Event {
    std::string name;
    std::int64_t time_ns{0};
    Attributes attributes;
    bool operator==(const Event&) const = default;
};

struct Link {
    TraceId trace_id;
    SpanId span_id;
    bool trace_id_64{false};
    std::uint32_t flags{0};
    std::string trace_state;
    Attributes attributes;
    bool operator==(const Link&) const = default;
};

struct Scope {
    std::string name;
    std::string version;
    bool operator==(const Scope&) const = default;
};

struct DroppedCounts {
    std::uint32_t attributes{0};
    std::uint32_t events{0};
    std::uint32_t links{0};
    bool operator==(const DroppedCounts&) const = default;
};

struct Span {
    TraceId trace_id;
    SpanId span_id;
    SpanId parent_id;         ///< all zero: a root
    bool trace_id_64{false};  ///< the trace id came as 64 bits and is written so
    std::string name;
    SpanKind kind{SpanKind::kUnset};
    StatusCode status{StatusCode::kUnset};
    std::string status_message;
    std::optional<std::int64_t> start_ns;     ///< realtime; absent only for imported spans
    std::optional<std::int64_t> duration_ns;  ///< absent: unfinished, end lost, or never known
    bool unfinished{false};                   ///< still open, or its process died first
    bool end_lost{false};
    bool truncated{false};   ///< over the limit of 1 MiB: later details were cut
    std::uint32_t flags{0};  ///< W3C trace flags
    std::string trace_state;
    Scope scope;
    DroppedCounts dropped;
    Attributes attributes;
    std::vector<Event> events;
    std::vector<Link> links;
    std::shared_ptr<const Attributes> resource;  ///< shared by the spans of a process; holds
                                                 ///< service.name. Never null from a reader
    bool operator==(const Span& other) const;    ///< compares the resource's content
};

/// Returns the value of `service.name` in a resource, or "unknown_service".
[[nodiscard]] std::string service_of(const Attributes& resource);
[[nodiscard]] std::string service_of(const Span& span);
/// The span's resource; if it has none, an empty one.
[[nodiscard]] const Attributes& resource_of(const Span& span) noexcept;
/// The value of a key, of one that stands twice the last; null: it is not there.
[[nodiscard]] const Value* find_value(const Attributes& attributes, std::string_view key) noexcept;
/// Whether it is bytes, JSON or an array: neither text, nor a number, nor true or false.
[[nodiscard]] bool is_nested(const Value& value) noexcept;

/// "internal", "server", ...; "unset" and so on for absent values: the words of the export.
[[nodiscard]] const char* to_string(SpanKind kind) noexcept;
[[nodiscard]] const char* to_string(StatusCode code) noexcept;

}  // namespace spanring::codec
