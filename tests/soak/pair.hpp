// A span inside a span, noted in the ledger step by step. Compiled into the soak's program and into
// its plugin, each with a copy of the library of its own.
#pragma once

#include "ledger.hpp"
#include "spanring/spanring.hpp"

namespace spanring::soak {

inline void write_pair(ThreadLedger& at, const TraceId& trace) {
    const std::uint64_t number = at.started;
    const Context outer_parent = Context::remote(trace, parent_of(number));
    const Scope outer_scope = outer_parent.attach();
    at.starting = number + 1;
    Span outer("outer"_key);
    at.started = number + 1;
    outer.set("number"_key, static_cast<std::int64_t>(number));
    {
        const Context inner_parent = Context::remote(trace, parent_of(number + 1));
        const Scope inner_scope = inner_parent.attach();
        at.starting = number + 2;
        Span inner("inner"_key);
        at.started = number + 2;
        event("inside"_key);
        inner.end();
        at.ended = number + 1;
    }
    outer.end();
    at.ended = number + 2;
}

}  // namespace spanring::soak
