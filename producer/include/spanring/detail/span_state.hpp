// What a span object holds, and the out-of-line functions behind its methods.
//
// Threads: see span.hpp and async_span.hpp. All functions are noexcept and never fail visibly:
// what cannot be written is counted.
#pragma once

#include <span>

#include "spanring/attribute.hpp"
#include "spanring/context.hpp"
#include "spanring/detail/writer.hpp"

namespace spanring {

struct SpanOptions;

namespace detail {

/// Bits of SpanState::bits.
inline constexpr std::uint32_t kStateLost = 1;     ///< the begin was lost: counted, writes nothing
inline constexpr std::uint32_t kStateAsync = 2;    ///< not on a stack; named by its key
inline constexpr std::uint32_t kStateStashed = 4;  ///< begun in a signal handler; key = its number
inline constexpr std::uint32_t kStateOwnsBlock = 8;
/// Its context was handed on, or another thread than its first has written for it.
inline constexpr std::uint32_t kStateShared = 16;

struct SpanState {
    struct Unset {};
    constexpr SpanState() noexcept
        : key(0), root(0), block(nullptr), epoch(0), bits(0), detail_bytes(0) {}
    /// For who calls begin() before anything but end().
    explicit SpanState(Unset) noexcept {}

    Writer* writer{nullptr};  ///< of the thread that began it; null: not recording
    std::uint64_t key;
    std::uint64_t root;   ///< key of the trace's first span; 0: the trace is foreign
    ContextBlock* block;  ///< foreign trace, tracestate, baggage
    std::uint32_t epoch;
    std::uint32_t bits;
    std::uint32_t detail_bytes;  ///< async: written so far
};

/// A name or key: text, and the descriptor that caches its number, if it has one.
struct NameRef {
    std::string_view text;
    StaticName* name{nullptr};
    constexpr explicit NameRef(const Key& key) noexcept : text(key.text()), name(key.name()) {}
    constexpr explicit NameRef(StaticName& static_name) noexcept
        : text(static_name.text, static_name.bytes), name(&static_name) {}
};

inline std::uint32_t cached_number(const StaticName* name) noexcept {
    // relaxed: the number stands for itself; the string was published with the segment's count.
    return name != nullptr ? __atomic_load_n(&name->number, __ATOMIC_RELAXED) : 0;
}

SPANRING_HIDDEN void begin_slow(SpanState& span, NameRef name, const SpanOptions* options) noexcept;
SPANRING_HIDDEN void begin_async(SpanState& span, NameRef name,
                                 const SpanOptions* options) noexcept;
SPANRING_HIDDEN void end_slow(SpanState& span) noexcept;
SPANRING_HIDDEN void set_slow(SpanState& span, NameRef key, const AttributeValue& value) noexcept;
SPANRING_HIDDEN void event_slow(SpanState& span, NameRef name,
                                std::span<const Attribute> attributes) noexcept;
SPANRING_HIDDEN void link_slow(SpanState& span, const Context& context,
                               std::span<const Attribute> attributes) noexcept;
SPANRING_HIDDEN void status_slow(SpanState& span, StatusCode code,
                                 std::string_view message) noexcept;
SPANRING_HIDDEN void kind_slow(SpanState& span, SpanKind kind) noexcept;
SPANRING_HIDDEN void rename_slow(SpanState& span, NameRef name) noexcept;
SPANRING_HIDDEN Context context_slow(SpanState& span) noexcept;
SPANRING_HIDDEN void release_slow(SpanState& span) noexcept;
SPANRING_HIDDEN void current_event_slow(NameRef name,
                                        std::span<const Attribute> attributes) noexcept;
SPANRING_HIDDEN void current_set_slow(NameRef key, const AttributeValue& value) noexcept;

inline void begin(SpanState& span, StaticName& name) noexcept {
    const std::uint32_t flags = load_flags();
    if (!enabled(flags)) return;
    Writer* writer = t_writer;
    const std::uint32_t number = cached_number(&name);
    if ((flags & ~SPANRING_FLAG_WAITING) == writer->gate && number != 0) [[likely]] {
        if (begin_fast(writer, number)) [[likely]] {
            const StackEntry* top = state_of(writer)->top;
            span.writer = writer;
            span.key = top->key;
            span.root = top->root;
            span.block = top->block;
            span.epoch = writer->epoch;
            span.bits = 0;
            span.detail_bytes = 0;
            return;
        }
    }
    span = SpanState();
    begin_slow(span, NameRef(name), nullptr);
}

inline void end(SpanState& span) noexcept {
    Writer* writer = span.writer;
    if (writer == nullptr) return;
    if (writer == t_writer && span.epoch == writer->epoch && span.bits == 0) [[likely]] {
        if (end_fast(writer, span.key)) [[likely]] {
            span.writer = nullptr;
            return;
        }
    }
    end_slow(span);
}

/// Whether the hot path may write for this span: its thread, its instance, enabled.
inline bool on_hot_path(const SpanState& span) noexcept {
    return span.writer == t_writer && span.epoch == span.writer->epoch && span.bits == 0 &&
           (load_flags() & ~SPANRING_FLAG_WAITING) == span.writer->gate;
}

inline void set(SpanState& span, const Key& key, const AttributeValue& value) noexcept {
    if (span.writer == nullptr || (span.bits & kStateLost) != 0) return;
    const std::uint32_t number = cached_number(key.name());
    if (number != 0 && on_hot_path(span)) {
        std::uint64_t body = 0;
        switch (value.type()) {
            case AttributeValue::Type::kBool:
                if (detail_fast(span.writer, span.key,
                                spanring_record_head(SPANRING_REC_ATTR_BOOL, number,
                                                     value.boolean() ? 1 : 0),
                                false, nullptr)) {
                    return;
                }
                break;
            case AttributeValue::Type::kInt:
            case AttributeValue::Type::kDouble: {
                const bool is_int = value.type() == AttributeValue::Type::kInt;
                if (is_int) {
                    body = static_cast<std::uint64_t>(value.integer());
                } else {
                    const double real = value.real();
                    __builtin_memcpy(&body, &real, 8);
                }
                const std::uint32_t kind =
                    is_int ? SPANRING_REC_ATTR_INT : SPANRING_REC_ATTR_DOUBLE;
                if (detail_fast(span.writer, span.key, spanring_record_head(kind, number, 0), false,
                                &body)) {
                    return;
                }
                break;
            }
            case AttributeValue::Type::kString:
                if (text_fast(span.writer, span.key, number, value.data(), value.count())) return;
                break;
            default: break;
        }
    }
    set_slow(span, NameRef(key), value);
}

inline void event(SpanState& span, const Key& name,
                  std::span<const Attribute> attributes) noexcept {
    if (span.writer == nullptr || (span.bits & kStateLost) != 0) return;
    const std::uint32_t number = cached_number(name.name());
    if (attributes.empty() && number != 0 && on_hot_path(span) &&
        detail_fast(span.writer, span.key, spanring_record_head(SPANRING_REC_EVENT, number, 0),
                    true, nullptr)) {
        return;
    }
    event_slow(span, NameRef(name), attributes);
}

}  // namespace detail
}  // namespace spanring
