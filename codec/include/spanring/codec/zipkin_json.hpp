// Reader of Zipkin v2 JSON: an array of spans, or an array of such arrays (what Zipkin's trace
// queries answer). Threads: pure function.
//
//   traceId, id, parentId    up to 32, 16, 16 hex characters, zeros left out in front are put back;
//                            only traceId and id are required
//   name, kind               kind: CLIENT, SERVER, PRODUCER, CONSUMER or absent
//   timestamp, duration      µs -> ns; absent stays absent
//   localEndpoint            serviceName -> service.name of the resource; ipv4 or ipv6, port ->
//                            net.host.ip, net.host.port
//   remoteEndpoint           peer.service, net.peer.ip, net.peer.port
//   tags                     string attributes, in their order; a tag `error` also makes the
//                            status an error (Zipkin's convention)
//   annotations              events
//   shared                   attribute zipkin.shared, a bool
//   debug                    attribute zipkin.debug, a bool
#pragma once

#include <string_view>
#include <vector>

#include "spanring/base/result.hpp"
#include "spanring/codec/span.hpp"

namespace spanring::codec {

/// Returns the spans in the order of the text. Errors: kInvalidArgument, one line: what, and at
/// which byte or in which span.
[[nodiscard]] Result<std::vector<Span>> read_zipkin_json(std::string_view text);

}  // namespace spanring::codec
