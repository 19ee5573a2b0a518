// Free functions on the calling thread's current span.
//
// Without a current span an event becomes a span of zero duration (below the attached context, if
// there is one), and an attribute is ignored. Threads: any; signal handlers too.
#pragma once

#include "spanring/span.hpp"

namespace spanring {

inline void event(Key name, std::span<const Attribute> attributes = {}) noexcept {
    if (detail::enabled(detail::load_flags())) {
        detail::current_event_slow(detail::NameRef(name), attributes);
    }
}
inline void event(Key name, std::initializer_list<Attribute> attributes) noexcept {
    event(name, std::span<const Attribute>(attributes.begin(), attributes.size()));
}
inline void set(Key key, const AttributeValue& value) noexcept {
    if (detail::enabled(detail::load_flags())) {
        detail::current_set_slow(detail::NameRef(key), value);
    }
}

}  // namespace spanring
