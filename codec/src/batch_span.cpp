// Between rows and owning spans.
#include <cstring>
#include <string>

#include "bytes.hpp"
#include "spanring/abi/record_layout.h"
#include "spanring/codec/batch.hpp"
#include "spanring/codec/details.hpp"

namespace spanring::codec {
namespace {

std::uint64_t load8(const std::uint8_t* bytes) noexcept {
    std::uint64_t value;
    std::memcpy(&value, bytes, 8);
    return value;
}

SpanId raw_span_id(std::uint64_t value) noexcept {
    SpanId id;
    std::memcpy(id.bytes.data(), &value, 8);
    return id;
}

Error bad_detail(const char* what) {
    return Error{ErrorCode::kCorrupt, std::string("span details: ") + what};
}

// Puts the details of one span where they belong. An item record belongs to the event or link that
// came last; before the first one there is nothing that it could belong to.
class SpanBuilder {
public:
    SpanBuilder(const Batch& batch, Span& span) : batch_(batch), span_(span) {}

    Result<void> apply(const Detail& d) {
        switch (d.kind) {
            case SPANRING_REC_EVENT_AT: return add_event(d);
            case SPANRING_REC_LINK: return add_link(d);
            case SPANRING_REC_STATUS:
                if (d.id > SPANRING_STATUS_ERROR) return bad_detail("unknown status");
                span_.status = static_cast<StatusCode>(d.id);
                span_.status_message = text_of(d.body);
                return {};
            case SPANRING_REC_TRACESTATE: return set_trace_state(d);
            case SPANRING_REC_DROPPED:
                span_.dropped.attributes = d.low;
                std::memcpy(&span_.dropped.events, d.body.data(), 4);
                std::memcpy(&span_.dropped.links, d.body.data() + 4, 4);
                return {};
            default: return add_attribute(d);
        }
    }

private:
    enum class Item { kNone, kEvent, kLink };

    Result<void> add_event(const Detail& d) {
        if (d.id >= batch_.string_count()) return bad_detail("an event's name is no string");
        Event event{.name = std::string(batch_.string(d.id)), .time_ns = 0, .attributes = {}};
        std::memcpy(&event.time_ns, d.body.data(), 8);
        span_.events.push_back(std::move(event));
        item_ = Item::kEvent;
        return {};
    }

    Result<void> add_link(const Detail& d) {
        Link link;
        std::memcpy(link.trace_id.bytes.data(), d.body.data(), 16);
        std::memcpy(link.span_id.bytes.data(), d.body.data() + 16, 8);
        link.trace_id_64 = (d.id & SPANRING_REMOTE_TRACE_64) != 0;
        link.flags = d.low;
        span_.links.push_back(std::move(link));
        item_ = Item::kLink;
        return {};
    }

    Result<void> set_trace_state(const Detail& d) {
        if (d.target == SPANRING_TARGET_SPAN) {
            span_.trace_state = text_of(d.body);
        } else if (item_ == Item::kLink) {
            span_.links.back().trace_state = text_of(d.body);
        } else {
            return bad_detail("a tracestate without a link");
        }
        return {};
    }

    Result<void> add_attribute(const Detail& d) {
        if (d.id >= batch_.string_count()) return bad_detail("a key is no string");
        auto value = attribute_value(d);
        if (!value) return std::move(value).error().in("span details");
        Attributes* to = &span_.attributes;
        if (d.target == SPANRING_TARGET_ITEM) {
            if (item_ == Item::kNone) return bad_detail("an attribute of no event or link");
            to = item_ == Item::kEvent ? &span_.events.back().attributes
                                       : &span_.links.back().attributes;
        } else if (d.target != SPANRING_TARGET_SPAN) {
            return bad_detail("an attribute of a resource");
        }
        to->emplace_back(batch_.string(d.id), *std::move(value));
        return {};
    }

    const Batch& batch_;
    Span& span_;
    Item item_{Item::kNone};
};

// Writes a span's details, as far as they are not fields of the row; leaves out, and reports, what
// exceeds the limit of one span.
class DetailsOf {
public:
    DetailsOf(Batch& batch, std::size_t begin)
        : batch_(batch), writer_(batch.details), begin_(begin) {}

    void write(const Span& span) {
        if (!span.status_message.empty()) {
            keep([&] { writer_.status(span.status, span.status_message); });
        }
        if (!span.trace_state.empty()) {
            keep([&] { writer_.trace_state(span.trace_state, SPANRING_TARGET_SPAN); });
        }
        if (span.dropped != DroppedCounts{}) keep([&] { writer_.dropped(span.dropped); });
        attributes(span.attributes, SPANRING_TARGET_SPAN);
        for (const Event& event : span.events) {
            const StringId name = batch_.intern(event.name);
            if (!keep([&] { writer_.event_at(name, event.time_ns); })) return;
            attributes(event.attributes, SPANRING_TARGET_ITEM);
        }
        for (const Link& link : span.links) {
            if (!keep([&] {
                    writer_.link(link.trace_id, link.span_id, link.trace_id_64, link.flags);
                })) {
                return;
            }
            if (!link.trace_state.empty()) {
                keep([&] { writer_.trace_state(link.trace_state, SPANRING_TARGET_ITEM); });
            }
            attributes(link.attributes, SPANRING_TARGET_ITEM);
        }
    }

    [[nodiscard]] bool truncated() const noexcept { return truncated_; }

private:
    void attributes(const Attributes& attributes, std::uint32_t target) {
        for (const auto& attribute : attributes) {
            const StringId key = batch_.intern(attribute.first);
            keep([&] { writer_.attribute(key, attribute.second, target); });
        }
    }

    template <typename Write>
    bool keep(Write&& write) {
        const std::size_t before = batch_.details.size();
        write();
        if (batch_.details.size() - begin_ <= SPANRING_SPAN_BYTES_MAX) return true;
        batch_.details.resize(before);
        truncated_ = true;
        return false;
    }

    Batch& batch_;
    DetailWriter writer_;
    std::size_t begin_;
    bool truncated_{false};
};

std::uint32_t row_flags(const Span& span, bool truncated) {
    std::uint32_t flags = 0;
    const auto set = [&](bool condition, std::uint32_t flag) { flags |= condition ? flag : 0u; };
    set(span.start_ns.has_value(), RowFlag::kHasStart);
    set(span.duration_ns.has_value(), RowFlag::kHasDuration);
    set(span.unfinished, RowFlag::kUnfinished);
    set(span.end_lost, RowFlag::kEndLost);
    set(span.truncated || truncated, RowFlag::kTruncated);
    set(span.trace_id_64, RowFlag::kTraceId64);
    return flags;
}

}  // namespace

void Batch::add(const Span& span) {
    Row row;
    row.trace_high = load8(span.trace_id.bytes.data());
    row.trace_low = load8(span.trace_id.bytes.data() + 8);
    row.span = load8(span.span_id.bytes.data());
    row.parent = load8(span.parent_id.bytes.data());
    row.start_ns = span.start_ns.value_or(0);
    row.duration_ns = span.duration_ns.value_or(0);
    row.name = intern(span.name);
    row.kind = static_cast<std::uint8_t>(span.kind);
    row.status = static_cast<std::uint8_t>(span.status);
    row.trace_flags = static_cast<std::uint16_t>(span.flags);
    if (span.scope != Scope{}) {
        const StringId name = intern(span.scope.name);
        row.scope = intern_scope(name, intern(span.scope.version));
    }
    if (span.resource != nullptr && !span.resource->empty()) {
        std::vector<std::byte> records;
        DetailWriter writer(records);
        for (const auto& [key, value] : *span.resource) {
            writer.attribute(intern(key), value, SPANRING_TARGET_SPAN);
        }
        row.resource = intern_resource(records);
    }
    row.details_offset = details.size();
    DetailsOf own(*this, details.size());
    own.write(span);
    row.details_bytes = static_cast<std::uint32_t>(details.size() - row.details_offset);
    row.flags = row_flags(span, own.truncated());
    rows.push_back(row);
}

TraceId Batch::trace_id(const Row& row) const noexcept {
    if ((row.flags & RowFlag::kNativeTrace) != 0) {
        return derive_trace_id(instance(row.instance).host_key, row.trace_high,
                               SpanKey{row.trace_low});
    }
    TraceId id;
    std::memcpy(id.bytes.data(), &row.trace_high, 8);
    std::memcpy(id.bytes.data() + 8, &row.trace_low, 8);
    return id;
}

SpanId Batch::span_id(const Row& row) const noexcept {
    if ((row.flags & RowFlag::kNativeSpan) == 0) return raw_span_id(row.span);
    return derive_span_id(instance(row.instance).span_key, SpanKey{row.span});
}

SpanId Batch::parent_id(const Row& row) const noexcept {
    if (row.parent == 0 || (row.flags & RowFlag::kNativeParent) == 0) {
        return raw_span_id(row.parent);
    }
    return derive_span_id(instance(row.instance).span_key, SpanKey{row.parent});
}

Result<std::shared_ptr<const Attributes>> Batch::resource_attributes(ResourceId id) const {
    if (resource_cache_.size() < resource_count()) resource_cache_.resize(resource_count());
    if (resource_cache_[id] != nullptr) return resource_cache_[id];
    auto attributes = std::make_shared<Attributes>();
    DetailReader reader(resource(id));
    for (Detail detail; reader.next(&detail);) {
        auto value = attribute_value(detail);
        if (!value) return std::move(value).error().in("resource");
        if (detail.id >= string_count()) {
            return Error{ErrorCode::kCorrupt, "resource: a key is no string"};
        }
        attributes->emplace_back(string(detail.id), *std::move(value));
    }
    if (!reader.ok()) return Error{ErrorCode::kCorrupt, "resource: malformed record"};
    resource_cache_[id] = std::move(attributes);
    return resource_cache_[id];
}

Result<Span> Batch::span(std::size_t index) const {
    const Row& row = rows[index];
    Span span;
    span.trace_id = trace_id(row);
    span.span_id = span_id(row);
    span.parent_id = parent_id(row);
    span.trace_id_64 = (row.flags & RowFlag::kTraceId64) != 0;
    span.name = string(row.name);
    span.kind = static_cast<SpanKind>(row.kind);
    span.status = static_cast<StatusCode>(row.status);
    if ((row.flags & RowFlag::kHasStart) != 0) span.start_ns = row.start_ns;
    if ((row.flags & RowFlag::kHasDuration) != 0) span.duration_ns = row.duration_ns;
    span.unfinished = (row.flags & RowFlag::kUnfinished) != 0;
    span.end_lost = (row.flags & RowFlag::kEndLost) != 0;
    span.truncated = (row.flags & RowFlag::kTruncated) != 0;
    span.flags = row.trace_flags;
    const auto [scope_name, scope_version] = scope(row.scope);
    span.scope = {std::string(string(scope_name)), std::string(string(scope_version))};
    auto attributes = resource_attributes(row.resource);
    if (!attributes) return std::move(attributes).error();
    span.resource = *std::move(attributes);

    SpanBuilder builder(*this, span);
    DetailReader reader(
        std::span<const std::byte>(details).subspan(row.details_offset, row.details_bytes));
    for (Detail detail; reader.next(&detail);) {
        auto applied = builder.apply(detail);
        if (!applied) return std::move(applied).error();
    }
    if (!reader.ok()) return bad_detail("malformed record");
    return span;
}

}  // namespace spanring::codec
