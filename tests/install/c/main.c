/* A C application that knows spanring only by what is installed. */
#include <spanring/spanring.h>
#include <stdint.h>
#include <stdio.h>

#define TIMEOUT_NS (UINT64_C(30) * 1000000000)

SPANRING_C_SITE(outer_site, "outer");
SPANRING_C_SITE(inner_site, "inner");

int main(void) {
    if (spanring_configure("adopter-c") != 0) return 2;
    spanring_span outer = spanring_span_begin(&outer_site);
    spanring_span_set_int(&outer, "answer", 42);
    spanring_span inner = spanring_span_begin(&inner_site);
    spanring_event("inside");
    spanring_span_end(&inner);
    spanring_span_end(&outer);
    const int stored = spanring_flush(TIMEOUT_NS);
    printf("stored: %s\n", stored ? "yes" : "no");
    return stored ? 0 : 1;
}
