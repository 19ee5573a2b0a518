/* spanring for C11: the same tracepoints as spanring.hpp.
 *
 *     SPANRING_C_SITE(site, "charge card");
 *     spanring_span span = spanring_span_begin(&site);
 *     spanring_span_set_int(&span, "amount", 1250);
 *     spanring_span_end(&span);
 *
 * Structs are small values owned by the caller; every begin needs its end. Strings are copied
 * during the call. Nothing fails visibly: what cannot be recorded is counted
 * (spanring_losses_total). Threads: a span ends on the thread that began it; an async span on any;
 * a context is immutable.
 */
#ifndef SPANRING_H
#define SPANRING_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SPANRING_API __attribute__((visibility("default")))

/* A span or context as the library keeps it; to be passed around, not to be looked into. */
typedef struct spanring_span {
    uint64_t opaque[6];
} spanring_span;
typedef struct spanring_context {
    uint64_t opaque[4];
} spanring_context;
typedef struct spanring_scope {
    uint64_t opaque[2];
} spanring_scope;

/* A static call site: caches the number of its name. */
typedef struct spanring_site {
    const char* name;
    uint32_t name_bytes;
    uint32_t number;
} spanring_site;
#define SPANRING_C_SITE(variable, literal) \
    static spanring_site variable = {literal, (uint32_t)sizeof(literal) - 1u, 0u}

/* Values of `kind` and `status` are SPANRING_KIND_* and SPANRING_STATUS_* of record_layout.h. */

/* Sets the service name (null: from the environment) before the first tracepoint. Returns 0, or -1
 * if it is too late. */
SPANRING_API int spanring_configure(const char* service_name);

/* Begins a span below the thread's current one. */
SPANRING_API spanring_span spanring_span_begin(spanring_site* site);
SPANRING_API spanring_span spanring_span_begin_named(const char* name);
/* Begins a span that ends on any thread; `parent` null: the current context. */
SPANRING_API spanring_span spanring_async_begin(const char* name, const spanring_context* parent);
/* Ends either kind. A second call does nothing. */
SPANRING_API void spanring_span_end(spanring_span* span);

SPANRING_API void spanring_span_set_bool(spanring_span* span, const char* key, int value);
SPANRING_API void spanring_span_set_int(spanring_span* span, const char* key, int64_t value);
SPANRING_API void spanring_span_set_double(spanring_span* span, const char* key, double value);
SPANRING_API void spanring_span_set_string(spanring_span* span, const char* key, const char* value);
SPANRING_API void spanring_span_set_bytes(spanring_span* span, const char* key, const void* data,
                                          size_t bytes);
SPANRING_API void spanring_span_event(spanring_span* span, const char* name);
SPANRING_API void spanring_span_record_exception(spanring_span* span, const char* type,
                                                 const char* message);
SPANRING_API void spanring_span_set_status(spanring_span* span, uint32_t status,
                                           const char* message);
SPANRING_API void spanring_span_set_kind(spanring_span* span, uint32_t kind);
/* The context whose children are this span's; to be released. */
SPANRING_API spanring_context spanring_span_context(spanring_span* span);

/* An event of the current span; without one, a span of zero duration. */
SPANRING_API void spanring_event(const char* name);

SPANRING_API spanring_context spanring_context_current(void);
/* Reads the W3C headers; each may be null. */
SPANRING_API spanring_context spanring_context_extract(const char* traceparent,
                                                       const char* tracestate, const char* baggage);
/* Writes the header `name` ("traceparent", "tracestate" or "baggage") with a zero behind it.
 * Returns its length without the zero; nothing is written if that is not less than `bytes_max`. */
SPANRING_API size_t spanring_context_inject(const spanring_context* context, const char* name,
                                            char* out, size_t bytes_max);
SPANRING_API void spanring_context_release(spanring_context* context);
/* Makes it current until detach, on the same thread, in reverse order. */
SPANRING_API spanring_scope spanring_context_attach(const spanring_context* context);
SPANRING_API void spanring_context_detach(spanring_scope* scope);

/* Waits until what was recorded so far can be queried. Returns 1, or 0 after `timeout_ns`. */
SPANRING_API int spanring_flush(uint64_t timeout_ns);
/* Everything lost in this process so far, all kinds and reasons. */
SPANRING_API uint64_t spanring_losses_total(void);

#ifdef __cplusplus
}
#endif

#endif
