// The export form: one span, one line of JSON. Exact both ways: integers keep their 64 bits,
// doubles are written by the shortest digits that read back equal. Threads: pure functions.
//
//   trace_id, span_id, parent_id   lower-case hex; a 64-bit trace id has 16 characters; a root's
//                                  parent is ""
//   service, name, kind            service is service.name of the resource, or unknown_service
//   start_ns, duration_ns          integers, null where absent
//   status, status_message         unset, ok, error; the message only if there is one
//   attributes, resource           objects; a key that was set twice shows its last value
//   events                         [{name, time_ns, attributes}]
//   links                          [{trace_id, span_id, attributes, trace_state, flags}]
//   unfinished, end_lost, truncated, trace_state, scope{name, version}, flags,
//   dropped{attributes, events, links}     only where true or not empty
//
// Values: bytes are {"base64": "..."}, nested values are embedded as the JSON they are (text that
// is not valid JSON: {"json": "..."}), NaN and the infinities are the strings "NaN", "Infinity",
// "-Infinity". Text that is not UTF-8 has its bad bytes replaced by U+FFFD.
#pragma once

#include <string>
#include <string_view>

#include "spanring/base/result.hpp"
#include "spanring/codec/span.hpp"

namespace spanring::codec {

/// Returns the span as one line, without the line end.
[[nodiscard]] std::string to_jsonl(const Span& span);

/// Parts of it: an object; an array of objects, each; what JSON has a word for or stands in for it.
[[nodiscard]] std::string to_json(const Attributes& attributes);
[[nodiscard]] std::string to_json(const std::vector<Event>& events);
[[nodiscard]] std::string to_json(const std::vector<Link>& links);
[[nodiscard]] std::string to_json(const Value& value);
/// A value as people type it: text as it is, numbers in decimal, true or false; what is nested as
/// JSON.
[[nodiscard]] std::string text_of(const Value& value);

/// Reads such a line; unknown keys are ignored. An empty array of attributes' values and the
/// strings "NaN", ... come back as what JSON can say: an empty string array, a string. Errors:
/// kInvalidArgument: what and where.
[[nodiscard]] Result<Span> from_jsonl(std::string_view line);

}  // namespace spanring::codec
