// Imports: spans with ids and times of their own, whole or counted as lost.
#include "spanring/import.hpp"

#include <cstring>

#include "tracepoint.hpp"

namespace spanring {
namespace detail {
namespace {

constexpr std::size_t kBeginBytes = 56;

std::size_t text_bytes(std::string_view text) noexcept {
    return text.empty() ? 0 : 8 + ((text.size() + 7) & ~std::size_t{7});
}

class ImportWriter {
public:
    ImportWriter(Tracepoint& tracepoint, const ImportedSpan& span) noexcept
        : tp_(tracepoint), span_(span) {}

    bool write() noexcept {
        const std::uint32_t name = tp_.number_of(name_of(span_.name));
        const std::size_t whole = whole_bytes(name);
        if (!tp_.room(whole <= SPANRING_SPAN_BYTES_MAX ? whole : tp_.page_room()) ||
            !tp_.next_page(front_bytes(name))) {
            return false;
        }
        begin(name);
        if (fields() && attributes(span_.attributes, SPANRING_TARGET_SPAN) && events() && links() &&
            attributes(span_.resource, SPANRING_TARGET_RESOURCE) && tp_.next_page(8)) {
            tp_.record(SPANRING_REC_IMPORT_END, 0, 0);
            return true;
        }
        abort();
        return false;
    }

private:
    static NameRef name_of(std::string_view text) noexcept { return NameRef(Key(text)); }

    std::size_t front_bytes(std::uint32_t name) const noexcept {
        return tp_.name_bytes(name_of(span_.name), name) + kBeginBytes;
    }

    std::size_t attributes_bytes(std::span<const Attribute> attributes) noexcept {
        std::size_t sum = 0;
        for (const Attribute& attribute : attributes) {
            const NameRef key(attribute.key);
            sum += attribute_bytes(tp_, key, tp_.number_of(key), attribute.value);
        }
        return sum;
    }

    /// Upper bound of all records.
    std::size_t whole_bytes(std::uint32_t name) noexcept {
        std::size_t sum = front_bytes(name) + 8 * 5 + 16 + text_bytes(span_.status_message) +
                          text_bytes(span_.trace_state) + attributes_bytes(span_.attributes) +
                          attributes_bytes(span_.resource);
        if (!span_.scope_name.empty()) sum += 8 + 4096;
        for (const ImportedEvent& event : span_.events) {
            const NameRef event_name = name_of(event.name);
            sum += tp_.name_bytes(event_name, tp_.number_of(event_name)) + 16 +
                   attributes_bytes(event.attributes);
        }
        for (const ImportedLink& link : span_.links) {
            sum += 32 + text_bytes(link.trace_state) + attributes_bytes(link.attributes);
        }
        return sum;
    }

    void begin(std::uint32_t name) noexcept {
        tp_.inline_name(name_of(span_.name), name);
        std::uint32_t low = 0;
        if (span_.trace_id_64) low |= SPANRING_IMPORT_TRACE_64;
        if (!span_.start_ns) low |= SPANRING_IMPORT_NO_START;
        if (!span_.duration_ns) low |= SPANRING_IMPORT_NO_DURATION;
        if (!span_.parent_id.valid()) low |= SPANRING_IMPORT_NO_PARENT;
        tp_.record(SPANRING_REC_IMPORT_BEGIN, name, low);
        tp_.bytes(span_.trace_id.bytes.data(), 16);
        tp_.bytes(span_.span_id.bytes.data(), 8);
        tp_.bytes(span_.parent_id.bytes.data(), 8);
        tp_.word(static_cast<std::uint64_t>(span_.start_ns.value_or(0)));
        tp_.word(static_cast<std::uint64_t>(span_.duration_ns.value_or(0)));
    }

    /// Returns whether so many more bytes of details are within the span's limit. The first that is
    /// not is still written, for the reader to see and to mark the span as truncated.
    bool within(std::size_t bytes) noexcept {
        if (details_ > SPANRING_SPAN_BYTES_MAX) {
            tp_.lost(Loss::kDetail, LossReason::kTooLarge);
            return false;
        }
        details_ += bytes;
        if (details_ > SPANRING_SPAN_BYTES_MAX) {
            tp_.lost(Loss::kDetail, LossReason::kTooLarge);
        }
        return true;
    }

    bool word(std::uint32_t kind, std::uint32_t id, std::uint32_t low) noexcept {
        if (!tp_.next_page(8)) return false;
        tp_.record(kind, id, low);
        return true;
    }

    bool text(std::uint32_t kind, std::uint32_t id, std::string_view value) noexcept {
        return !within(8 + value.size()) || put_text(tp_, kind, id, value, {});
    }

    bool scope() noexcept {
        if (span_.scope_name.empty()) return true;
        const NameRef name = name_of(span_.scope_name);
        const std::uint32_t number = tp_.number_of(name);
        const std::uint32_t version = tp_.number_of(name_of(span_.scope_version));
        if (!tp_.next_page(tp_.name_bytes(name, number) + 8)) return false;
        tp_.inline_name(name, number);
        // One inline string per record: a version that has no number is left out.
        tp_.record(SPANRING_REC_SCOPE, number, version == SPANRING_ID_INLINE ? 0 : version);
        return true;
    }

    bool fields() noexcept {
        bool good = true;
        if (span_.kind != SpanKind::kUnset) {
            good = word(SPANRING_REC_KIND, static_cast<std::uint32_t>(span_.kind), 0);
        }
        if (good && (span_.status != StatusCode::kUnset || !span_.status_message.empty())) {
            good = text(SPANRING_REC_STATUS, static_cast<std::uint32_t>(span_.status),
                        span_.status_message);
        }
        if (good && span_.flags != 0) good = word(SPANRING_REC_FLAGS, 0, span_.flags);
        if (good && !span_.trace_state.empty()) {
            good = text(SPANRING_REC_TRACESTATE, 0, span_.trace_state);
        }
        good = good && scope();
        if (good && (span_.dropped_attributes | span_.dropped_events | span_.dropped_links) != 0) {
            good = tp_.next_page(16);
            if (good) {
                tp_.record(SPANRING_REC_DROPPED, 0, span_.dropped_attributes);
                tp_.word((std::uint64_t{span_.dropped_links} << 32) | span_.dropped_events);
            }
        }
        return good;
    }

    bool attributes(std::span<const Attribute> list, std::uint32_t target) noexcept {
        for (const Attribute& attribute : list) {
            const NameRef key(attribute.key);
            const std::uint32_t number = tp_.number_of(key);
            if (!within(attribute_bytes(tp_, key, number, attribute.value))) continue;
            if (!put_attribute(tp_, key, number, attribute.value, target, {})) return false;
        }
        return true;
    }

    bool events() noexcept {
        for (const ImportedEvent& event : span_.events) {
            const NameRef name = name_of(event.name);
            const std::uint32_t number = tp_.number_of(name);
            const std::size_t bytes = tp_.name_bytes(name, number) + 16;
            if (!within(bytes + attributes_bytes(event.attributes))) continue;
            if (!tp_.next_page(bytes)) return false;
            tp_.inline_name(name, number);
            tp_.record(SPANRING_REC_EVENT_AT, number, 0);
            tp_.word(static_cast<std::uint64_t>(event.time_ns));
            if (!item_attributes(event.attributes)) return false;
        }
        return true;
    }

    bool links() noexcept {
        for (const ImportedLink& link : span_.links) {
            if (!within(32 + text_bytes(link.trace_state) + attributes_bytes(link.attributes))) {
                continue;
            }
            if (!tp_.next_page(32)) return false;
            tp_.record(SPANRING_REC_LINK, link.trace_id_64 ? SPANRING_REMOTE_TRACE_64 : 0,
                       link.flags);
            tp_.bytes(link.trace_id.bytes.data(), 16);
            tp_.bytes(link.span_id.bytes.data(), 8);
            if (!link.trace_state.empty() &&
                !put_text(tp_, SPANRING_REC_TRACESTATE | SPANRING_TARGET_ITEM, 0, link.trace_state,
                          {})) {
                return false;
            }
            if (!item_attributes(link.attributes)) return false;
        }
        return true;
    }

    /// They are part of what was charged for the item.
    bool item_attributes(std::span<const Attribute> list) noexcept {
        for (const Attribute& attribute : list) {
            const NameRef key(attribute.key);
            if (!put_attribute(tp_, key, tp_.number_of(key), attribute.value, SPANRING_TARGET_ITEM,
                               {})) {
                return false;
            }
        }
        return true;
    }

    void abort() noexcept {
        if (tp_.left() >= 8)
            tp_.record(SPANRING_REC_IMPORT_ABORT, 0, 0);
        else
            tp_.writer().import_open = 1;
    }

    Tracepoint& tp_;
    const ImportedSpan& span_;
    std::size_t details_{0};
};

}  // namespace
}  // namespace detail

bool import_span(const ImportedSpan& span) noexcept {
    if (!detail::enabled(detail::load_flags())) return false;
    detail::Tracepoint tracepoint;
    if (tracepoint.state() == detail::Tracepoint::State::kSignal) {
        detail::count_signal_loss(tracepoint.writer(), detail::Loss::kSpan);
        return false;
    }
    if (!tracepoint.ready()) {
        tracepoint.lost_without_segment(detail::Loss::kSpan);
        return false;
    }
    const bool written = detail::ImportWriter(tracepoint, span).write();
    if (!written) tracepoint.lost(detail::Loss::kSpan);
    return written;
}

}  // namespace spanring
