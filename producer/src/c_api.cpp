// spanring.h on top of the C++ interface's own functions: a C struct holds the C++ state's bytes.
#include <cstring>
#include <new>

#include "context_block.hpp"
#include "spanring/spanring.h"
#include "spanring/spanring.hpp"

namespace {

using spanring::AttributeValue;
using spanring::Context;
using spanring::Key;
using spanring::Scope;
using spanring::detail::NameRef;
using spanring::detail::SpanState;
using spanring::detail::StaticName;

static_assert(sizeof(SpanState) <= sizeof(spanring_span));
static_assert(sizeof(Context) <= sizeof(spanring_context));
static_assert(sizeof(Scope) <= sizeof(spanring_scope));
static_assert(sizeof(spanring_site) == sizeof(StaticName));

SpanState& state_of(spanring_span* span) noexcept {
    return *reinterpret_cast<SpanState*>(span->opaque);
}
const Context& context_of(const spanring_context* context) noexcept {
    return *reinterpret_cast<const Context*>(context->opaque);
}
std::string_view text_of(const char* text) noexcept {
    return text != nullptr ? std::string_view(text) : std::string_view();
}
spanring_span span_of(const SpanState& state) noexcept {
    spanring_span span{};
    std::memcpy(span.opaque, &state, sizeof state);
    return span;
}
spanring_context give(Context&& context) noexcept {
    spanring_context out{};
    new (out.opaque) Context(std::move(context));
    return out;
}
void set(spanring_span* span, const char* key, const AttributeValue& value) noexcept {
    spanring::detail::set(state_of(span), Key(key), value);
}

}  // namespace

extern "C" {

int spanring_configure(const char* service_name) {
    return spanring::configure({.service_name = std::string(text_of(service_name))}).ok() ? 0 : -1;
}

spanring_span spanring_span_begin(spanring_site* site) {
    SpanState state;
    spanring::detail::begin(state, *reinterpret_cast<StaticName*>(site));
    return span_of(state);
}

spanring_span spanring_span_begin_named(const char* name) {
    SpanState state;
    if (spanring::detail::enabled(spanring::detail::load_flags())) {
        spanring::detail::begin_slow(state, NameRef(Key(name)), nullptr);
    }
    return span_of(state);
}

spanring_span spanring_async_begin(const char* name, const spanring_context* parent) {
    SpanState state;
    if (spanring::detail::enabled(spanring::detail::load_flags())) {
        spanring::SpanOptions options;
        if (parent != nullptr) options.parent = context_of(parent);
        spanring::detail::begin_async(state, NameRef(Key(name)), &options);
    }
    return span_of(state);
}

void spanring_span_end(spanring_span* span) {
    SpanState& state = state_of(span);
    spanring::detail::end(state);
    spanring::detail::release_slow(state);
    state.bits &= ~spanring::detail::kStateOwnsBlock;
}

void spanring_span_set_bool(spanring_span* span, const char* key, int value) {
    set(span, key, value != 0);
}
void spanring_span_set_int(spanring_span* span, const char* key, int64_t value) {
    set(span, key, value);
}
void spanring_span_set_double(spanring_span* span, const char* key, double value) {
    set(span, key, value);
}
void spanring_span_set_string(spanring_span* span, const char* key, const char* value) {
    set(span, key, value);
}
void spanring_span_set_bytes(spanring_span* span, const char* key, const void* data, size_t bytes) {
    set(span, key, spanring::BytesView{{static_cast<const char*>(data), bytes}});
}
void spanring_span_event(spanring_span* span, const char* name) {
    spanring::detail::event(state_of(span), Key(name), {});
}
void spanring_span_record_exception(spanring_span* span, const char* type, const char* message) {
    const spanring::Attribute attributes[] = {{"exception.type", type},
                                              {"exception.message", message}};
    spanring::detail::event(state_of(span), Key("exception"), attributes);
}
void spanring_span_set_status(spanring_span* span, uint32_t status, const char* message) {
    if (status > SPANRING_STATUS_ERROR) return;
    spanring::detail::status_slow(state_of(span), static_cast<spanring::StatusCode>(status),
                                  text_of(message));
}
void spanring_span_set_kind(spanring_span* span, uint32_t kind) {
    if (kind > SPANRING_KIND_CONSUMER) return;
    spanring::detail::kind_slow(state_of(span), static_cast<spanring::SpanKind>(kind));
}
spanring_context spanring_span_context(spanring_span* span) {
    return give(spanring::detail::context_slow(state_of(span)));
}

void spanring_event(const char* name) {
    spanring::event(Key(name));
}

spanring_context spanring_context_current(void) {
    return give(Context::current());
}
spanring_context spanring_context_extract(const char* traceparent, const char* tracestate,
                                          const char* baggage) {
    return give(Context::from_headers(text_of(traceparent), text_of(tracestate), text_of(baggage)));
}
size_t spanring_context_inject(const spanring_context* context, const char* name, char* out,
                               size_t bytes_max) {
    const spanring::W3cHeaders headers = context_of(context).to_headers();
    const std::string_view wanted = text_of(name);
    std::string_view value;
    if (wanted == "traceparent") value = headers.traceparent;
    if (wanted == "tracestate") value = headers.tracestate;
    if (wanted == "baggage") value = headers.baggage;
    if (out != nullptr && value.size() < bytes_max) {
        std::memcpy(out, value.data(), value.size());
        out[value.size()] = '\0';
    }
    return value.size();
}
void spanring_context_release(spanring_context* context) {
    std::launder(reinterpret_cast<Context*>(context->opaque))->~Context();
    std::memset(context->opaque, 0, sizeof context->opaque);
}
spanring_scope spanring_context_attach(const spanring_context* context) {
    // A Scope is made in place: it can be neither copied nor moved, and only its end matters.
    spanring_scope scope{};
    new (scope.opaque) Scope(context_of(context).attach());
    return scope;
}
void spanring_context_detach(spanring_scope* scope) {
    std::launder(reinterpret_cast<Scope*>(scope->opaque))->end();
}

int spanring_flush(uint64_t timeout_ns) {
    return spanring::flush_ns(timeout_ns) ? 1 : 0;
}
uint64_t spanring_losses_total(void) {
    return spanring::losses().total();
}

}  // extern "C"
