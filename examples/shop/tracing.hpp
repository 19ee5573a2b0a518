// How the shop's messages carry the trace: three headers, put in and taken out in two places.
#pragma once

#include "spanring/spanring.hpp"
#include "wire.hpp"

namespace shop {

/// The context that the caller sent: attach it, and this service's spans belong to its trace.
inline spanring::Context context_of(const Message& request) {
    return spanring::Context::extract([&](std::string_view name) { return request.header(name); });
}

/// Sends `request` as part of the current span, and says in that span how it went.
inline Message traced_call(int port, Message request, spanring::Span& span) {
    span.context().inject([&](std::string_view name, const std::string& value) {
        request.headers[std::string(name)] = value;
    });
    Message reply = call(port, request);
    span.set("reply", reply.line);
    if (!reply.ok()) span.set_status(spanring::StatusCode::kError, reply.line);
    return reply;
}

}  // namespace shop
