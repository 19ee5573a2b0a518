// What is handed to import_span must be what was recorded.
#include "importer.hpp"

#include <gtest/gtest.h>

namespace spanring::tools::replay {
namespace {

codec::Span rich_span() {
    codec::Span span;
    span.trace_id.bytes[15] = 7;
    span.span_id.bytes[7] = 8;
    span.parent_id.bytes[7] = 9;
    span.trace_id_64 = true;
    span.name = "op";
    span.kind = codec::SpanKind::kClient;
    span.status = codec::StatusCode::kError;
    span.status_message = "no";
    span.start_ns = 100;
    span.flags = 1;
    span.trace_state = "a=b";
    span.scope = {"lib", "1.2"};
    span.dropped = {1, 2, 3};
    span.attributes = {{"text", std::string("x")},
                       {"number", std::int64_t{5}},
                       {"bytes", codec::Bytes{"\x01"}},
                       {"nested", codec::Json{"{}"}},
                       {"list", std::vector<std::string>{"p", "q"}}};
    span.events.push_back({"first", 101, {{"k", true}}});
    span.events.push_back({"second", 102, {}});
    codec::Link link;
    link.trace_id.bytes[0] = 1;
    link.trace_state = "c=d";
    link.attributes = {{"why", 1.5}};
    span.links.push_back(link);
    span.resource = std::make_shared<codec::Attributes>(
        codec::Attributes{{"service.name", std::string("cart")}});
    return span;
}

Recording of(const codec::Span& span) {
    Recording recording;
    EXPECT_TRUE(recording.add(span).ok());
    recording.finish();
    return recording;
}

TEST(Importer, hands_over_every_field) {
    const Recording recording = of(rich_span());
    Importer importer(recording, false);
    const ImportedSpan& form = importer.form_of(recording.rows_of(0)[0]);
    EXPECT_EQ(form.trace_id.bytes[15], 7);
    EXPECT_EQ(form.span_id.bytes[7], 8);
    EXPECT_EQ(form.parent_id.bytes[7], 9);
    EXPECT_TRUE(form.trace_id_64);
    EXPECT_EQ(form.name, "op");
    EXPECT_EQ(form.kind, SpanKind::kClient);
    EXPECT_EQ(form.status, StatusCode::kError);
    EXPECT_EQ(form.status_message, "no");
    EXPECT_EQ(form.start_ns, 100);
    EXPECT_FALSE(form.duration_ns.has_value());
    EXPECT_EQ(form.flags, 1u);
    EXPECT_EQ(form.trace_state, "a=b");
    EXPECT_EQ(form.scope_name, "lib");
    EXPECT_EQ(form.scope_version, "1.2");
    EXPECT_EQ(form.dropped_events, 2u);
    ASSERT_EQ(form.attributes.size(), 5u);
    EXPECT_EQ(form.attributes[1].value.integer(), 5);
    EXPECT_EQ(form.attributes[2].value.type(), AttributeValue::Type::kBytes);
    EXPECT_EQ(form.attributes[3].value.type(), AttributeValue::Type::kJson);
    EXPECT_EQ(form.attributes[4].value.count(), 2u);
    ASSERT_EQ(form.events.size(), 2u);
    EXPECT_EQ(form.events[0].attributes[0].key.text(), "k");
    EXPECT_EQ(form.events[1].time_ns, 102);
    ASSERT_EQ(form.links.size(), 1u);
    EXPECT_EQ(form.links[0].attributes[0].value.real(), 1.5);
    EXPECT_TRUE(form.resource.empty());
}

TEST(Importer, gives_each_span_its_service_when_a_process_has_several) {
    codec::Span plain;
    plain.span_id.bytes[0] = 1;
    plain.resource =
        std::make_shared<codec::Attributes>(codec::Attributes{{"service.name", std::string("ad")}});
    const Recording recording = of(plain);
    Importer importer(recording, true);
    const ImportedSpan& form = importer.form_of(recording.rows_of(0)[0]);
    ASSERT_EQ(form.resource.size(), 1u);
    EXPECT_EQ(form.resource[0].key.text(), "service.name");
}

TEST(Importer, nothing_of_one_row_is_left_in_the_next) {
    Recording recording;
    codec::Span plain;
    plain.start_ns = 200;
    plain.resource = rich_span().resource;
    ASSERT_TRUE(recording.add(rich_span()).ok());
    ASSERT_TRUE(recording.add(plain).ok());
    recording.finish();
    Importer importer(recording, false);
    (void)importer.form_of(recording.rows_of(0)[0]);
    const ImportedSpan& form = importer.form_of(recording.rows_of(0)[1]);
    EXPECT_TRUE(form.attributes.empty());
    EXPECT_TRUE(form.events.empty());
    EXPECT_TRUE(form.links.empty());
    EXPECT_EQ(form.kind, SpanKind::kUnset);
    EXPECT_TRUE(form.trace_state.empty());
}

}  // namespace
}  // namespace spanring::tools::replay
