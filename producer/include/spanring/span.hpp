// Span: a piece of work on one thread, from construction to destruction.
//
//     spanring::Span span("charge card");
//     span.set("amount", 12.5).set("currency", "EUR");
//
// Child of the thread's innermost open span, else of the attached context. Neither copied nor
// moved: it ends on the thread that began it (ended elsewhere it is recorded all the same). Costs
// two timestamps and two stores; never throws, allocates, locks or calls the system, page turns
// excepted.
#pragma once

#include <optional>

#include "spanring/detail/span_methods.hpp"

namespace spanring {

struct SpanOptions {
    SpanKind kind{SpanKind::kUnset};
    /// Instead of the current context; an empty Context: the span is the root of a new trace.
    std::optional<Context> parent{};
};

class [[nodiscard]] Span : public detail::SpanMethods<Span> {
public:
    SPANRING_INLINE explicit Span(Key name) noexcept : SpanMethods(detail::SpanState::Unset()) {
        if (name.name() != nullptr) {
            detail::begin(state_, *name.name());
        } else {
            detail::begin_named(state_, name);
        }
    }
    Span(Key name, const SpanOptions& options) noexcept {
        if (detail::enabled(detail::load_flags())) {
            detail::begin_slow(state_, detail::NameRef(name), &options);
        }
    }
    SPANRING_INLINE Span(Key name, SpanKind kind) noexcept : Span(name) {
        if (kind != SpanKind::kUnset) set_kind(kind);
    }
    SPANRING_INLINE ~Span() { detail::end(state_); }
};

}  // namespace spanring
