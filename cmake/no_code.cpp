// Nothing: a precompiled header is compiled beside it (SpanringModule.cmake).
