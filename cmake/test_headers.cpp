// Nothing: what tests include is compiled beside it (SpanringModule.cmake).
