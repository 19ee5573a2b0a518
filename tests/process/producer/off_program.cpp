// Every part of the interface, compiled with SPANRING_OFF: off_test.py looks for symbols.
#define SPANRING_OFF
#include "spanring/spanring.hpp"

using namespace spanring::literals;

void off_program();
void off_program() {
    SPANRING_SPAN("macro");
    SPANRING_EVENT("event", "key", 1);
    spanring::Span span("span"_key, spanring::SpanOptions{.kind = spanring::SpanKind::kServer});
    span.set("key"_key, 1).set("list", {1, 2}).event("e", {{"k", "v"}});
    const spanring::Scope scope = span.context().attach();
    spanring::AsyncSpan async("async");
    async.end();
    spanring::event("free");
    spanring::set("key", "value");
}
