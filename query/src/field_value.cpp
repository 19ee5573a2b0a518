#include "spanring/query/field_value.hpp"

#include <algorithm>
#include <type_traits>
#include <variant>

namespace spanring::query {
namespace {

using codec::Span;
using codec::Value;
using store::Field;
using store::Property;
using store::Scope;

template <typename Items>
const Value* first_of(const Items& items, const std::string& key) {
    for (const auto& item : items)
        if (const Value* value = codec::find_value(item.attributes, key)) return value;
    return nullptr;
}

const Value* attribute_of(const Span& span, const Field& field) {
    const auto of_resource = [&] { return codec::find_value(codec::resource_of(span), field.key); };
    switch (field.scope) {
        case Scope::kSpan: return codec::find_value(span.attributes, field.key);
        case Scope::kResource: return of_resource();
        case Scope::kEvent: return first_of(span.events, field.key);
        case Scope::kLink: return first_of(span.links, field.key);
        case Scope::kAny: break;
    }
    const Value* own = codec::find_value(span.attributes, field.key);
    return own != nullptr ? own : of_resource();
}

std::optional<Value> unless_empty(const std::string& text) {
    if (text.empty()) return std::nullopt;
    return Value(text);
}

template <typename T>
std::optional<double> as_double(const T& value) {
    if constexpr (std::is_same_v<T, std::int64_t> || std::is_same_v<T, double>)
        return static_cast<double>(value);
    else
        return std::nullopt;
}

}  // namespace

std::optional<Value> value_of(const Span& span, const Field& field) {
    switch (field.property) {
        case Property::kAttribute: {
            const Value* value = attribute_of(span, field);
            return value == nullptr ? std::nullopt : std::optional<Value>(*value);
        }
        case Property::kName: return Value(span.name);
        case Property::kKind: return Value(std::string(to_string(span.kind)));
        case Property::kStatus: return Value(std::string(to_string(span.status)));
        case Property::kStatusMessage: return unless_empty(span.status_message);
        case Property::kDuration:
            return span.duration_ns ? std::optional<Value>(*span.duration_ns) : std::nullopt;
        case Property::kStart:
            return span.start_ns ? std::optional<Value>(*span.start_ns) : std::nullopt;
        case Property::kTraceId: return Value(to_hex(span.trace_id, span.trace_id_64));
        case Property::kSpanId: return Value(to_hex(span.span_id));
        case Property::kParentId:
            return span.parent_id.valid() ? std::optional<Value>(to_hex(span.parent_id))
                                          : std::nullopt;
        case Property::kService: return Value(codec::service_of(span));
        case Property::kScopeName: return unless_empty(span.scope.name);
        case Property::kScopeVersion: return unless_empty(span.scope.version);
        case Property::kEventName:
            return span.events.empty() ? std::nullopt
                                       : std::optional<Value>(span.events.front().name);
        case Property::kUnfinished: return Value(span.unfinished);
        case Property::kTraceDuration:
        case Property::kRootName:
        case Property::kRootService: break;
    }
    return std::nullopt;
}

std::optional<double> number_of(const Value& value) {
    return std::visit([](const auto& v) { return as_double(v); }, value);
}

std::optional<double> number_of(const store::AttributeValue& value) {
    return std::visit([](const auto& v) { return as_double(v); }, value);
}

}  // namespace spanring::query
