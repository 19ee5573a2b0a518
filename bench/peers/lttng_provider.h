/* Tracepoints of LTTng-UST with the fields of ours: a span's begin has its name's number, its end
 * the span's number; an event of 44 bytes has 40 of payload behind the header of 4.
 */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER spanring_bench

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "lttng_provider.h"

#if !defined(SPANRING_BENCH_LTTNG_PROVIDER_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define SPANRING_BENCH_LTTNG_PROVIDER_H

#include <lttng/tracepoint.h>
#include <stdint.h>

// clang-format off
LTTNG_UST_TRACEPOINT_EVENT(
    spanring_bench, span_begin,
    LTTNG_UST_TP_ARGS(uint32_t, name),
    LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(uint32_t, name, name)))

LTTNG_UST_TRACEPOINT_EVENT(
    spanring_bench, span_end,
    LTTNG_UST_TP_ARGS(uint32_t, ordinal),
    LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(uint32_t, ordinal, ordinal)))

LTTNG_UST_TRACEPOINT_EVENT(
    spanring_bench, event_44,
    LTTNG_UST_TP_ARGS(uint64_t, a, uint64_t, b, uint64_t, c, uint64_t, d, uint64_t, e),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer(uint64_t, a, a)
        lttng_ust_field_integer(uint64_t, b, b)
        lttng_ust_field_integer(uint64_t, c, c)
        lttng_ust_field_integer(uint64_t, d, d)
        lttng_ust_field_integer(uint64_t, e, e)))
// clang-format on

#endif

#include <lttng/tracepoint-event.h>
