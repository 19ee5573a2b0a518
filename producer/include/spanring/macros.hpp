// SPANRING_SPAN(name[, kind]) and SPANRING_EVENT(name[, key, value]...): tracepoints with a static
// call site: the fastest form, and one that can be switched off at run time (call_sites.hpp).
//
// `name` is a string literal. SPANRING_SPAN declares a variable that lasts to the end of the block.
#pragma once

#include <array>

#include "spanring/detail/call_site.hpp"
#include "spanring/event.hpp"

#define SPANRING_CONCAT_2(a, b) a##b
#define SPANRING_CONCAT(a, b) SPANRING_CONCAT_2(a, b)

#define SPANRING_CALL_SITE(variable, literal)                                    \
    static constinit ::spanring::detail::CallSite variable {                     \
        {literal, sizeof(literal) - 1, 0}, __FILE__, __LINE__, 1, 0, {}, nullptr \
    }

#define SPANRING_SPAN(...)                                           \
    SPANRING_SPAN_IMPL(SPANRING_CONCAT(spanring_site_, __COUNTER__), \
                       SPANRING_CONCAT(spanring_span_, __COUNTER__), __VA_ARGS__)
#define SPANRING_SPAN_IMPL(site, variable, ...)              \
    SPANRING_CALL_SITE(site, SPANRING_FIRST(__VA_ARGS__, )); \
    ::spanring::detail::SpanVariable variable(site __VA_OPT__(SPANRING_REST(__VA_ARGS__)))
#define SPANRING_FIRST(first, ...) first
#define SPANRING_REST(first, ...) __VA_OPT__(, ) __VA_ARGS__

#define SPANRING_EVENT(literal, ...)                                              \
    do {                                                                          \
        SPANRING_CALL_SITE(spanring_site, literal);                               \
        ::spanring::detail::site_event(::spanring::detail::g_call_sites,          \
                                       spanring_site __VA_OPT__(, ) __VA_ARGS__); \
    } while (false)

namespace spanring::detail {

/// What the end of a span needs that has no other methods.
struct SpanToken {
    Writer* writer;
    std::uint64_t key;
    std::uint64_t life;
};

/// Begins out of line, if the site is enabled.
SPANRING_HIDDEN SpanToken begin_site_slow(CallSiteList& list, CallSite& site) noexcept;
SPANRING_HIDDEN std::uint64_t kind_token_slow(Writer* writer, std::uint64_t key, std::uint64_t life,
                                              SpanKind kind) noexcept;
SPANRING_HIDDEN void end_token_slow(Writer* writer, std::uint64_t key, std::uint64_t life) noexcept;
SPANRING_HIDDEN void site_event_slow(CallSiteList& list, CallSite& site,
                                     std::span<const Attribute> attributes) noexcept;

/// What SPANRING_SPAN declares. Its address is taken nowhere, so it lies in registers. (Not const:
/// GCC keeps what is const in memory, as its constructor stores into it.)
class SpanVariable {
public:
    SPANRING_INLINE explicit SpanVariable(CallSite& site,
                                          SpanKind kind = SpanKind::kUnset) noexcept {
        begin(site);
        if (kind != SpanKind::kUnset) life_ = kind_token_slow(writer_, key_, life_, kind);
    }
    SpanVariable(const SpanVariable&) = delete;
    SpanVariable& operator=(const SpanVariable&) = delete;
    SPANRING_INLINE ~SpanVariable() {
        if (writer_ == nullptr) return;
        if (is_plain(writer_, life_) && end_fast(writer_, key_)) [[likely]]
            return;
        end_token_slow(writer_, key_, life_);
    }

private:
    SPANRING_INLINE void begin(CallSite& site) noexcept {
        // Not that it is: but a jump is much to a span that does nothing, and nothing to another.
        if (!site_enabled(site)) [[likely]]
            return;
        const std::uint32_t flags = load_flags();
        Writer* writer = t_writer;
        const std::uint32_t number = cached_number(&site.name);
        if (is_open(writer, flags) && number != 0 && site_listed(site)) [[likely]] {
            std::uint64_t key;
            if (begin_fast(writer, number, key)) [[likely]] {
                writer_ = writer;
                key_ = key;
                life_ = writer->epoch;
                return;
            }
        }
        if (!enabled(flags)) return;
        const SpanToken token = begin_site_slow(g_call_sites, site);
        writer_ = token.writer;
        key_ = token.key;
        life_ = token.life;
    }

    Writer* writer_{nullptr};  ///< null: not recording
    std::uint64_t key_{0};
    std::uint64_t life_{0};  ///< see life_of()
};

template <typename... Attributes>
SPANRING_INLINE void site_event_with(CallSiteList& list, CallSite& site,
                                     const Attributes&... attributes) noexcept {
    if (!site_enabled(site)) [[unlikely]]
        return;
    const std::uint32_t flags = load_flags();
    Writer* writer = t_writer;
    if ((is_known(attributes.value) && ...) && is_open(writer, flags) && site_listed(site) &&
        event_fast(writer, state_of(writer)->top->key, cached_number(&site.name), attributes...))
        [[likely]] {
        return;
    }
    if (!enabled(flags)) return;
    const std::array<Attribute, sizeof...(attributes)> copies{attributes...};
    site_event_slow(list, site, copies);
}

SPANRING_INLINE void site_event(CallSiteList& list, CallSite& site) noexcept {
    site_event_with(list, site);
}
SPANRING_INLINE void site_event(CallSiteList& list, CallSite& site, const Key& k1,
                                const AttributeValue& v1) noexcept {
    site_event_with(list, site, Attribute{k1, v1});
}
SPANRING_INLINE void site_event(CallSiteList& list, CallSite& site, const Key& k1,
                                const AttributeValue& v1, const Key& k2,
                                const AttributeValue& v2) noexcept {
    site_event_with(list, site, Attribute{k1, v1}, Attribute{k2, v2});
}
SPANRING_INLINE void site_event(CallSiteList& list, CallSite& site, const Key& k1,
                                const AttributeValue& v1, const Key& k2, const AttributeValue& v2,
                                const Key& k3, const AttributeValue& v3) noexcept {
    site_event_with(list, site, Attribute{k1, v1}, Attribute{k2, v2}, Attribute{k3, v3});
}
SPANRING_INLINE void site_event(CallSiteList& list, CallSite& site, const Key& k1,
                                const AttributeValue& v1, const Key& k2, const AttributeValue& v2,
                                const Key& k3, const AttributeValue& v3, const Key& k4,
                                const AttributeValue& v4) noexcept {
    site_event_with(list, site, Attribute{k1, v1}, Attribute{k2, v2}, Attribute{k3, v3},
                    Attribute{k4, v4});
}

}  // namespace spanring::detail
