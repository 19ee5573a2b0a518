#include "spanring/codec/span.hpp"

#include <tuple>

namespace spanring::codec {
namespace {

auto scalars(const Span& s) {
    return std::tie(s.trace_id, s.span_id, s.parent_id, s.trace_id_64, s.name, s.kind, s.status,
                    s.status_message, s.start_ns, s.duration_ns, s.unfinished, s.end_lost,
                    s.truncated, s.flags, s.trace_state, s.scope, s.dropped);
}

}  // namespace

bool Span::operator==(const Span& other) const {
    return scalars(*this) == scalars(other) && attributes == other.attributes &&
           events == other.events && links == other.links &&
           resource_of(*this) == resource_of(other);
}

std::string service_of(const Attributes& resource) {
    for (auto attribute = resource.rbegin(); attribute != resource.rend(); ++attribute) {
        if (attribute->first != "service.name") continue;
        if (const auto* text = std::get_if<std::string>(&attribute->second)) return *text;
    }
    return "unknown_service";
}

std::string service_of(const Span& span) {
    return service_of(resource_of(span));
}

const Attributes& resource_of(const Span& span) noexcept {
    static const Attributes kNone;
    return span.resource ? *span.resource : kNone;
}

const Value* find_value(const Attributes& attributes, std::string_view key) noexcept {
    for (auto entry = attributes.rbegin(); entry != attributes.rend(); ++entry)
        if (entry->first == key) return &entry->second;
    return nullptr;
}

bool is_nested(const Value& value) noexcept {
    return !std::holds_alternative<bool>(value) && !std::holds_alternative<std::int64_t>(value) &&
           !std::holds_alternative<double>(value) && !std::holds_alternative<std::string>(value);
}

const char* to_string(SpanKind kind) noexcept {
    switch (kind) {
        case SpanKind::kUnset: return "unset";
        case SpanKind::kInternal: return "internal";
        case SpanKind::kServer: return "server";
        case SpanKind::kClient: return "client";
        case SpanKind::kProducer: return "producer";
        case SpanKind::kConsumer: return "consumer";
    }
    return "unset";
}

const char* to_string(StatusCode code) noexcept {
    switch (code) {
        case StatusCode::kUnset: return "unset";
        case StatusCode::kOk: return "ok";
        case StatusCode::kError: return "error";
    }
    return "unset";
}

}  // namespace spanring::codec
