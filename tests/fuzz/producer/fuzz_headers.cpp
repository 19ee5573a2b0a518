// traceparent, tracestate and baggage: any text. What is accepted is within the limits of the
// standards, and what we write of it, we read as the same.
#include <fuzzer/FuzzedDataProvider.h>

#include <string>

#include "require.hpp"
#include "w3c.hpp"

using namespace spanring;
using fuzz::require;

namespace {

void parent(const std::string& text) {
    w3c::TraceParent read;
    if (!w3c::parse_traceparent(text, &read)) return;
    w3c::TraceParent again;
    require(w3c::parse_traceparent(w3c::format_traceparent(read), &again), "ours is read");
    require(again.trace == read.trace && again.span == read.span && again.flags == (read.flags & 3),
            "a traceparent comes back");
}

void state(const std::string& text) {
    const std::string clean = w3c::clean_trace_state(text);
    require(clean.size() <= w3c::kTraceStateBytesMax, "a tracestate keeps its limit");
    require(w3c::clean_trace_state(clean) == clean, "what is clean stays as it is");
}

void baggage(const std::string& text) {
    const auto members = w3c::parse_baggage(text);
    require(members.size() <= w3c::kBaggageMembersMax, "baggage keeps its limit");
    const auto again = w3c::parse_baggage(w3c::format_baggage(members));
    require(again.size() == members.size(), "baggage comes back");
    for (std::size_t i = 0; i < members.size(); ++i) {
        require(again[i].key == members[i].key && again[i].value == members[i].value &&
                    again[i].properties == members[i].properties,
                "each member comes back");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    FuzzedDataProvider in(data, count);
    const std::string first = in.ConsumeRandomLengthString();
    const std::string second = in.ConsumeRandomLengthString();
    const std::string third = in.ConsumeRemainingBytesAsString();
    parent(first);
    state(second);
    baggage(third);
    const Context context = Context::from_headers(first, second, third);
    const W3cHeaders headers = context.to_headers();
    const Context back =
        Context::from_headers(headers.traceparent, headers.tracestate, headers.baggage);
    require(back.trace_id() == context.trace_id() && back.span_id() == context.span_id() &&
                back.trace_state() == context.trace_state() &&
                back.all_baggage() == context.all_baggage(),
            "a context comes back");
    return 0;
}
