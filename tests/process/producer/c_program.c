/* The C interface from a C11 file; called by c_test.cpp. */
#include <stdio.h>
#include <string.h>

#include "spanring/spanring.h"

int c_program(void);

int c_program(void) {
    SPANRING_C_SITE(site, "c outer");
    spanring_span outer = spanring_span_begin(&site);
    spanring_span_set_int(&outer, "int", 5);
    spanring_span_set_string(&outer, "text", "five");
    spanring_span_set_bool(&outer, "bool", 1);
    spanring_span_set_double(&outer, "double", 0.5);
    spanring_span_event(&outer, "happened");
    spanring_span_set_status(&outer, 2, "bad");

    spanring_context context = spanring_span_context(&outer);
    char header[64];
    if (spanring_context_inject(&context, "traceparent", header, sizeof header) != 55) return 1;
    spanring_context extracted = spanring_context_extract(header, NULL, "request.id=7");
    spanring_scope scope = spanring_context_attach(&extracted);
    spanring_span inner = spanring_span_begin_named("c inner");
    spanring_span_end(&inner);
    spanring_context_detach(&scope);
    spanring_context_release(&extracted);

    spanring_span async = spanring_async_begin("c async", &context);
    spanring_span_end(&async);
    spanring_span_end(&async);
    spanring_context_release(&context);
    spanring_span_end(&outer);
    return spanring_losses_total() == 0 ? 0 : 2;
}
