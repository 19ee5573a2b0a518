#include "importer.hpp"

#include <algorithm>

namespace spanring::tools::replay {
namespace {

AttributeValue view_of(const codec::Value& value) {
    return std::visit(
        [](const auto& content) -> AttributeValue {
            using T = std::decay_t<decltype(content)>;
            if constexpr (std::is_same_v<T, codec::Bytes>) {
                return BytesView{content.data};
            } else if constexpr (std::is_same_v<T, codec::Json>) {
                return JsonView{content.text};
            } else {
                return AttributeValue(content);
            }
        },
        value);
}

}  // namespace

std::span<const Attribute> Importer::keep(const codec::Attributes& attributes,
                                          std::vector<Attribute>& list) {
    list.clear();
    for (const auto& [key, value] : attributes) list.push_back({Key(key), view_of(value)});
    return list;
}

const ImportedSpan& Importer::form_of(const Row& row) {
    form_ = {};
    form_.trace_id = row.trace_id;
    form_.span_id = row.span_id;
    form_.parent_id = row.parent_id;
    form_.trace_id_64 = row.trace_id_64;
    form_.name = recording_.name_of(row);
    if (row.has_start) form_.start_ns = row.start_ns;
    if (row.has_duration) form_.duration_ns = row.duration_ns;
    const codec::Span* whole = recording_.whole_of(row);
    if (whole != nullptr) add_details(*whole);
    add_resource(row, whole);
    return form_;
}

void Importer::add_details(const codec::Span& span) {
    form_.kind = static_cast<SpanKind>(span.kind);
    form_.status = static_cast<StatusCode>(span.status);
    form_.status_message = span.status_message;
    form_.flags = span.flags;
    form_.trace_state = span.trace_state;
    form_.scope_name = span.scope.name;
    form_.scope_version = span.scope.version;
    form_.dropped_attributes = span.dropped.attributes;
    form_.dropped_events = span.dropped.events;
    form_.dropped_links = span.dropped.links;
    form_.attributes = keep(span.attributes, attributes_);

    events_.clear();
    links_.clear();
    // Sized before anything points into it.
    item_attributes_.resize(
        std::max(item_attributes_.size(), span.events.size() + span.links.size()));
    std::size_t next = 0;
    for (const codec::Event& event : span.events) {
        events_.push_back(
            {event.name, event.time_ns, keep(event.attributes, item_attributes_[next++])});
    }
    for (const codec::Link& link : span.links) {
        links_.push_back({link.trace_id, link.span_id, link.trace_id_64, link.flags,
                          link.trace_state, keep(link.attributes, item_attributes_[next++])});
    }
    form_.events = events_;
    form_.links = links_;
}

void Importer::add_resource(const Row& row, const codec::Span* whole) {
    const bool has_more = whole != nullptr && whole->resource && whole->resource->size() > 1;
    if (!with_resource_ && !has_more) return;
    if (whole != nullptr && whole->resource) {
        form_.resource = keep(*whole->resource, resource_);
        return;
    }
    resource_.clear();
    resource_.push_back({"service.name", AttributeValue(recording_.services()[row.service])});
    form_.resource = resource_;
}

}  // namespace spanring::tools::replay
