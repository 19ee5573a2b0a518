#include <array>
#include <charconv>
#include <string>
#include <variant>

#include "spanring/store/database.hpp"

namespace spanring::store {
namespace {

/// The value as the filter's text: false if it has none that a person would type.
bool text_of(const codec::Value& value, std::string* text) {
    if (const auto* flag = std::get_if<bool>(&value)) {
        *text = *flag ? "true" : "false";
    } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
        *text = std::to_string(*integer);
    } else if (const auto* number = std::get_if<double>(&value)) {
        // The shortest text that reads back as the same number.
        std::array<char, 32> buffer{};
        const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), *number);
        text->assign(buffer.data(), end.ptr);
    } else if (const auto* string = std::get_if<std::string>(&value)) {
        *text = *string;
    } else if (const auto* json = std::get_if<codec::Json>(&value)) {
        *text = json->text;
    } else {
        return false;
    }
    return true;
}

/// The last one counts, as everywhere: a key that was set twice stands twice.
const codec::Value* last_of(const codec::Attributes& attributes, const std::string& key) {
    for (auto entry = attributes.rbegin(); entry != attributes.rend(); ++entry)
        if (entry->first == key) return &entry->second;
    return nullptr;
}

bool has(const codec::Span& span, const std::string& key, const std::string& wanted) {
    const codec::Value* value = last_of(span.attributes, key);
    if (value == nullptr && span.resource) value = last_of(*span.resource, key);
    std::string text;
    return value != nullptr && text_of(*value, &text) && text == wanted;
}

}  // namespace

bool SpanFilter::matches(const codec::Span& span) const {
    static const codec::Attributes kNone;
    if (trace_id && span.trace_id != *trace_id) return false;
    if (errors_only && span.status != codec::StatusCode::kError) return false;
    if (operation && span.name != *operation) return false;
    if (service && codec::service_of(span.resource ? *span.resource : kNone) != *service)
        return false;
    if ((duration_ns_min || duration_ns_max) && !span.duration_ns) return false;
    if (duration_ns_min && *span.duration_ns < *duration_ns_min) return false;
    if (duration_ns_max && *span.duration_ns > *duration_ns_max) return false;
    if ((since_ns || until_ns) && !span.start_ns) return false;
    if (since_ns && *span.start_ns < *since_ns) return false;
    if (until_ns && *span.start_ns >= *until_ns) return false;
    for (const auto& [key, value] : attributes)
        if (!has(span, key, value)) return false;
    return true;
}

}  // namespace spanring::store
