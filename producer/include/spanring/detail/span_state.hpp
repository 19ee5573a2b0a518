// What a span object holds, and the out-of-line functions behind its methods.
//
// Threads: see span.hpp and async_span.hpp. All functions are noexcept and never fail visibly:
// what cannot be written is counted.
#pragma once

#include <span>

#include "spanring/attribute.hpp"
#include "spanring/context.hpp"
#include "spanring/detail/plain_values.hpp"

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

/// Instance and bits of a span object in one word: without bits it is the instance alone, so that
/// one comparison tells whether the hot path may end the span.
SPANRING_INLINE std::uint64_t life_of(const SpanState& span) noexcept {
    static_assert(offsetof(SpanState, bits) == offsetof(SpanState, epoch) + 4);
    std::uint64_t life;
    __builtin_memcpy(&life, &span.epoch, 8);
    return life;
}
SPANRING_INLINE void set_life(SpanState& span, std::uint64_t life) noexcept {
    __builtin_memcpy(&span.epoch, &life, 8);
}

/// A name or key: text, and the descriptor that caches its number, if it has one.
struct NameRef {
    std::string_view text;
    StaticName* name{nullptr};
    constexpr explicit NameRef(const Key& key) noexcept : text(key.text()), name(key.name()) {}
    constexpr explicit NameRef(StaticName& static_name) noexcept
        : text(static_name.text, static_name.bytes), name(&static_name) {}
};

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

/// Whether the calling thread's writer is open to the hot path.
SPANRING_INLINE bool is_open(const Writer* writer, std::uint32_t flags) noexcept {
    return gate_word(flags) == writer->gate;
}

// Functions out of line get a copy of the span's state: where its address leaves the function that
// the span stands in, it lies in memory, and what is in memory is written and read at each step.

SPANRING_INLINE void begin(SpanState& span, StaticName& name) noexcept {
    const std::uint32_t flags = load_flags();
    Writer* writer = t_writer;
    const std::uint32_t number = cached_number(&name);
    if (is_open(writer, flags) && number != 0) [[likely]] {
        std::uint64_t key;
        if (begin_fast(writer, number, key)) [[likely]] {
            const StackEntry* top = state_of(writer)->top;
            span.writer = writer;
            span.key = key;
            span.root = top->root;
            span.block = top->block;
            set_life(span, writer->epoch);
            span.detail_bytes = 0;
            return;
        }
    }
    SpanState begun;
    if (enabled(flags)) begin_slow(begun, NameRef(name), nullptr);
    span = begun;
}

/// As begin(), for a name that is not a literal.
inline void begin_named(SpanState& span, const Key& name) noexcept {
    span = SpanState();
    if (enabled(load_flags())) begin_slow(span, NameRef(name), nullptr);
}

/// Whether the hot path may write for a span: its thread, its instance, nothing unusual. False for
/// a span that is not recorded: a thread's writer is never null.
SPANRING_INLINE bool is_plain(const Writer* writer, std::uint64_t life) noexcept {
    return writer == t_writer && life == writer->epoch;
}

SPANRING_INLINE void end(SpanState& span) noexcept {
    Writer* writer = span.writer;
    if (writer == nullptr) return;
    if (!is_plain(writer, life_of(span)) || !end_fast(writer, span.key)) [[unlikely]] {
        SpanState ended = span;
        end_slow(ended);
    }
    span.writer = nullptr;
}

/// As is_plain, and enabled.
SPANRING_INLINE bool on_hot_path(const SpanState& span) noexcept {
    return is_plain(span.writer, life_of(span)) && is_open(span.writer, load_flags());
}

/// Whether details of the span are nobody's: it is not recorded, or its begin was lost.
SPANRING_INLINE bool takes_nothing(const SpanState& span) noexcept {
    return span.writer == nullptr || ((life_of(span) >> 32) & kStateLost) != 0;
}

SPANRING_INLINE void set(SpanState& span, const Key& key, const AttributeValue& value) noexcept {
    if (is_known(value) && on_hot_path(span) &&
        attribute_fast(span.writer, span.key, cached_number(key.name()), value)) [[likely]] {
        return;
    }
    if (takes_nothing(span)) return;
    const AttributeValue copy = value;
    SpanState changed = span;
    set_slow(changed, NameRef(key), copy);
    set_life(span, life_of(changed));
    span.detail_bytes = changed.detail_bytes;
}

SPANRING_INLINE void event(SpanState& span, const Key& name,
                           std::span<const Attribute> attributes) noexcept {
    if (attributes.empty() && on_hot_path(span) &&
        event_fast(span.writer, span.key, cached_number(name.name()))) [[likely]] {
        return;
    }
    if (takes_nothing(span)) return;
    event_slow(span, NameRef(name), attributes);
}

}  // namespace detail
}  // namespace spanring
