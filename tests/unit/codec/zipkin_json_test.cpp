#include "spanring/codec/zipkin_json.hpp"

#include <gtest/gtest.h>

#include <string>

namespace spanring::codec {
namespace {

std::vector<Span> read(const std::string& text) {
    auto spans = read_zipkin_json(text);
    EXPECT_TRUE(spans.ok()) << spans.error().message;
    return spans.ok() ? *std::move(spans) : std::vector<Span>(1);
}

std::string refusal(const std::string& text) {
    const auto spans = read_zipkin_json(text);
    EXPECT_FALSE(spans.ok()) << text;
    return spans.ok() ? std::string() : spans.error().message;
}

const char kFull[] = R"([{
    "traceId": "1e223ff1f80f1c69", "parentId": "74280ae0c10d8062", "id": "43210ae0c10d1234",
    "kind": "SERVER", "name": "post /events", "timestamp": 1470150004008762, "duration": 65000,
    "shared": true, "debug": false,
    "localEndpoint": {"serviceName": "serviceb", "ipv4": "192.0.0.1", "port": 8140},
    "remoteEndpoint": {"serviceName": "db", "ipv6": "2001:db8::c001", "port": 3306},
    "tags": {"http.path": "/x", "error": "boom"},
    "annotations": [{"timestamp": 1470150004008763, "value": "ws"}]}])";

TEST(ZipkinJson, every_field_has_its_place) {
    const Span span = read(kFull)[0];
    EXPECT_EQ(to_hex(span.trace_id, span.trace_id_64), "1e223ff1f80f1c69");
    EXPECT_EQ(to_hex(span.span_id), "43210ae0c10d1234");
    EXPECT_EQ(to_hex(span.parent_id), "74280ae0c10d8062");
    EXPECT_EQ(span.name, "post /events");
    EXPECT_EQ(span.kind, SpanKind::kServer);
    EXPECT_EQ(span.start_ns, 1470150004008762000);
    EXPECT_EQ(span.duration_ns, 65000000);
    EXPECT_EQ(span.status, StatusCode::kError);
    EXPECT_EQ(service_of(*span.resource), "serviceb");
    EXPECT_EQ(span.attributes, (Attributes{{"net.host.ip", std::string("192.0.0.1")},
                                           {"net.host.port", std::int64_t{8140}},
                                           {"peer.service", std::string("db")},
                                           {"net.peer.ip", std::string("2001:db8::c001")},
                                           {"net.peer.port", std::int64_t{3306}},
                                           {"zipkin.shared", true},
                                           {"zipkin.debug", false},
                                           {"http.path", std::string("/x")},
                                           {"error", std::string("boom")}}));
    EXPECT_EQ(span.events, (std::vector<Event>{{"ws", 1470150004008763000, {}}}));
}

TEST(ZipkinJson, only_the_ids_are_required_and_what_is_absent_stays_absent) {
    const Span span = read(R"([{"traceId":"0000000000000001","id":"0000000000000002"}])")[0];
    EXPECT_FALSE(span.start_ns.has_value());
    EXPECT_FALSE(span.duration_ns.has_value());
    EXPECT_FALSE(span.parent_id.valid());
    EXPECT_EQ(span.kind, SpanKind::kUnset);
    EXPECT_EQ(span.name, "");
    EXPECT_TRUE(span.attributes.empty());
    ASSERT_NE(span.resource, nullptr);
    EXPECT_TRUE(span.resource->empty());
}

TEST(ZipkinJson, null_is_as_absent) {
    const Span span = read(R"([{"traceId":"0000000000000001","id":"0000000000000002",
        "parentId":null,"timestamp":null,"tags":null,"localEndpoint":null,"kind":null}])")[0];
    EXPECT_FALSE(span.start_ns.has_value());
    EXPECT_FALSE(span.parent_id.valid());
}

TEST(ZipkinJson, ids_keep_their_length) {
    const auto spans =
        read(R"([{"traceId":"463ac35c9f6413ad48485a3953bb6124","id":"a2fb4a1d1a96d312"},
        {"traceId":"abc","id":"d"}])");
    EXPECT_FALSE(spans[0].trace_id_64);
    EXPECT_EQ(to_hex(spans[0].trace_id), "463ac35c9f6413ad48485a3953bb6124");
    EXPECT_TRUE(spans[1].trace_id_64);
    EXPECT_EQ(to_hex(spans[1].trace_id, true), "0000000000000abc");
    EXPECT_EQ(to_hex(spans[1].span_id), "000000000000000d");
}

TEST(ZipkinJson, an_array_of_traces_is_read_too) {
    const std::string span = R"({"traceId":"0000000000000001","id":"0000000000000002"})";
    EXPECT_EQ(read("[[" + span + "],[" + span + "," + span + "]]").size(), 3u);
    EXPECT_EQ(read("[]").size(), 0u);
}

TEST(ZipkinJson, another_file_is_refused_in_one_line) {
    EXPECT_EQ(refusal(R"({"resourceSpans":[]})"),
              "not a Zipkin v2 file: expected an array of spans");
    EXPECT_NE(refusal("TraceID,SpanID\n1,2\n").find("not JSON"), std::string::npos);
    EXPECT_NE(refusal("").find("not JSON"), std::string::npos);
    EXPECT_NE(refusal(std::string(1000000, '[')).find("nested deeper"), std::string::npos);
}

TEST(ZipkinJson, a_bad_span_is_named_by_number_and_field) {
    const std::string ids = R"("traceId":"0000000000000001","id":"0000000000000002")";
    const auto fault = [&](const std::string& more) {
        return refusal("[{" + ids + "},{" + ids + "," + more + "}]");
    };
    EXPECT_EQ(refusal(R"([{"id":"0000000000000002"}])"),
              "span 1: traceId is not 16 or 32 hex characters");
    EXPECT_EQ(refusal(R"([{"traceId":"0000000000000002"}])"),
              "span 1: id is not 16 hex characters");
    EXPECT_EQ(refusal("[7]"), "span 1: not an object");
    EXPECT_EQ(fault(R"("kind":"LOCAL")"), "span 2: kind is unknown: LOCAL");
    EXPECT_EQ(fault(R"("timestamp":-1)"), "span 2: timestamp is not a number of microseconds");
    EXPECT_EQ(fault(R"("duration":9223372036854775807)"),
              "span 2: duration is not a number of microseconds");
    EXPECT_EQ(fault(R"("tags":{"a":1})"), "span 2: tag a is not a string");
    EXPECT_EQ(fault(R"("annotations":[{"value":"x"}])"), "span 2: an annotation has no timestamp");
    EXPECT_EQ(fault(R"("annotations":[3])"), "span 2: an annotation has no timestamp");
    EXPECT_EQ(fault(R"("localEndpoint":{"port":70000})"), "span 2: port is not a port");
    EXPECT_EQ(fault(R"("localEndpoint":"x")"), "span 2: localEndpoint is not an object");
    EXPECT_EQ(fault(R"("shared":1)"), "span 2: shared is not true or false");
    EXPECT_EQ(fault(R"("parentId":"x")"), "span 2: parentId is not 16 hex characters");
}

}  // namespace
}  // namespace spanring::codec
