// SPANRING_SPAN(name[, kind]) and SPANRING_EVENT(name[, key, value]...): tracepoints with a static
// call site: the fastest form, and one that can be switched off at run time (call_sites.hpp).
//
// `name` is a string literal. SPANRING_SPAN declares a variable that lasts to the end of the block.
#pragma once

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
    const ::spanring::detail::SpanVariable variable(site __VA_OPT__(SPANRING_REST(__VA_ARGS__)))
#define SPANRING_FIRST(first, ...) first
#define SPANRING_REST(first, ...) __VA_OPT__(, ) __VA_ARGS__

#define SPANRING_EVENT(literal, ...)                                              \
    do {                                                                          \
        SPANRING_CALL_SITE(spanring_site, literal);                               \
        ::spanring::detail::site_event(::spanring::detail::g_call_sites,          \
                                       spanring_site __VA_OPT__(, ) __VA_ARGS__); \
    } while (false)

namespace spanring::detail {

inline bool site_open(CallSiteList& list, CallSite& site) noexcept {
    if (!enabled(load_flags()) || !site_enabled(site)) return false;
    // relaxed: the first tracepoint of a site finds 0 and registers it under a lock.
    return __atomic_load_n(&site.listed, __ATOMIC_RELAXED) != 0 || register_site(list, site);
}

/// What SPANRING_SPAN declares. Of a switched-off call site it is one word.
class SpanVariable {
public:
    explicit SpanVariable(CallSite& site, SpanKind kind = SpanKind::kUnset) noexcept {
        if (!site_enabled(site)) [[unlikely]]
            return;
        // relaxed: as in site_open.
        if (__atomic_load_n(&site.listed, __ATOMIC_RELAXED) == 0) [[unlikely]] {
            if (!register_site(g_call_sites, site)) return;
        }
        begin(state_, site.name);
        if (kind != SpanKind::kUnset) kind_slow(state_, kind);
    }
    SpanVariable(const SpanVariable&) = delete;
    SpanVariable& operator=(const SpanVariable&) = delete;
    ~SpanVariable() { end(state_); }

private:
    SpanState state_{SpanState::Unset{}};
};

inline void site_event_with(CallSite& site, std::initializer_list<Attribute> attributes) noexcept {
    current_event_slow(NameRef(site.name), {attributes.begin(), attributes.size()});
}

inline void site_event(CallSiteList& list, CallSite& site) noexcept {
    if (!site_open(list, site)) return;
    Writer* writer = t_writer;
    const std::uint32_t number = cached_number(&site.name);
    if (number != 0 && (load_flags() & ~SPANRING_FLAG_WAITING) == writer->gate &&
        detail_fast(writer, state_of(writer)->top->key,
                    spanring_record_head(SPANRING_REC_EVENT, number, 0), true, nullptr)) {
        return;
    }
    current_event_slow(NameRef(site.name), {});
}
inline void site_event(CallSiteList& list, CallSite& site, const Key& k1,
                       const AttributeValue& v1) noexcept {
    if (site_open(list, site)) site_event_with(site, {{k1, v1}});
}
inline void site_event(CallSiteList& list, CallSite& site, const Key& k1, const AttributeValue& v1,
                       const Key& k2, const AttributeValue& v2) noexcept {
    if (site_open(list, site)) site_event_with(site, {{k1, v1}, {k2, v2}});
}
inline void site_event(CallSiteList& list, CallSite& site, const Key& k1, const AttributeValue& v1,
                       const Key& k2, const AttributeValue& v2, const Key& k3,
                       const AttributeValue& v3) noexcept {
    if (site_open(list, site)) site_event_with(site, {{k1, v1}, {k2, v2}, {k3, v3}});
}
inline void site_event(CallSiteList& list, CallSite& site, const Key& k1, const AttributeValue& v1,
                       const Key& k2, const AttributeValue& v2, const Key& k3,
                       const AttributeValue& v3, const Key& k4, const AttributeValue& v4) noexcept {
    if (site_open(list, site)) site_event_with(site, {{k1, v1}, {k2, v2}, {k3, v3}, {k4, v4}});
}

}  // namespace spanring::detail
