// Imports come out as they went in.
#include "mini_consumer.hpp"

namespace spanring::test {
namespace {

ImportedSpan imported(std::uint8_t number) {
    ImportedSpan span;
    span.trace_id.bytes[15] = 7;
    span.trace_id.bytes[0] = 1;
    span.span_id.bytes[7] = number;
    span.name = "imported";
    return span;
}

TEST(Imports, keep_everything) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        const std::vector<std::int64_t> many(3000, 42);
        const std::string text(20'000, 't');
        const Attribute attributes[] = {{"a", 1}, {"large", text}, {"many", many}};
        const Attribute resource[] = {{"service.name", "other"}, {"version", 2}};
        const Attribute event_attributes[] = {{"e", true}};
        const ImportedEvent events[] = {{"event", 1234, event_attributes}, {"second", 5678, {}}};
        ImportedLink link;
        link.trace_id.bytes[3] = 4;
        link.span_id.bytes[3] = 5;
        link.flags = 1;
        link.trace_state = "a=b";
        link.attributes = event_attributes;
        ImportedSpan span = imported(1);
        span.parent_id.bytes[0] = 9;
        span.kind = SpanKind::kProducer;
        span.status = StatusCode::kError;
        span.status_message = "bad";
        span.start_ns = 1'000'000'007;
        span.duration_ns = 5;
        span.flags = 1;
        span.trace_state = "k=v";
        span.scope_name = "lib";
        span.scope_version = "1.2";
        span.dropped_attributes = 3;
        span.dropped_events = 4;
        span.dropped_links = 5;
        span.attributes = attributes;
        span.resource = resource;
        span.events = events;
        span.links = {&link, 1};
        EXPECT_TRUE(import_span(span));
        const auto out = one(consumer.drain(), "imported");
        EXPECT_EQ(out.trace_id, span.trace_id);
        EXPECT_EQ(out.span_id, span.span_id);
        EXPECT_EQ(out.parent_id, span.parent_id);
        EXPECT_EQ(out.kind, codec::SpanKind::kProducer);
        EXPECT_EQ(out.status_message, "bad");
        EXPECT_EQ(out.start_ns, 1'000'000'007);
        EXPECT_EQ(out.duration_ns, 5);
        EXPECT_EQ(out.flags, 1u);
        EXPECT_EQ(out.trace_state, "k=v");
        EXPECT_EQ(out.scope, (codec::Scope{"lib", "1.2"}));
        EXPECT_EQ(out.dropped, (codec::DroppedCounts{3, 4, 5}));
        EXPECT_EQ(attribute(out.attributes, "large"), codec::Value(text));
        EXPECT_EQ(attribute(out.attributes, "many"), codec::Value(many));
        EXPECT_EQ(attribute(*out.resource, "service.name"), codec::Value(std::string("other")));
        ASSERT_EQ(out.events.size(), 2u);
        EXPECT_EQ(out.events[0].time_ns, 1234);
        EXPECT_EQ(out.events[0].attributes.size(), 1u);
        ASSERT_EQ(out.links.size(), 1u);
        EXPECT_EQ(out.links[0].trace_state, "a=b");
        EXPECT_EQ(out.links[0].attributes.size(), 1u);
    });
}

TEST(Imports, keep_what_is_absent_absent_and_64_bit_ids_so) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        ImportedSpan span = imported(2);
        span.trace_id.bytes[0] = 0;
        span.trace_id_64 = true;
        EXPECT_TRUE(import_span(span));
        const auto out = one(consumer.drain(), "imported");
        EXPECT_FALSE(out.start_ns.has_value());
        EXPECT_FALSE(out.duration_ns.has_value());
        EXPECT_FALSE(out.parent_id.valid());
        EXPECT_TRUE(out.trace_id_64);
        EXPECT_EQ(attribute(*out.resource, "service.name"), codec::Value(std::string("test")));
    });
}

TEST(Imports, are_whole_or_counted) {
    Configuration configuration;
    configuration.ring_bytes_max = 64 << 10;
    configuration.ring_bytes_initial = 64 << 10;
    traced(
        [](TestDirectory&, MiniConsumer& consumer) {
            const std::string text(20'000, 't');
            const Attribute attributes[] = {{"large", text}};
            std::size_t written = 0;
            for (int i = 0; i < 100; ++i) {
                ImportedSpan span = imported(static_cast<std::uint8_t>(i + 1));
                span.attributes = attributes;
                written += import_span(span) ? 1 : 0;
            }
            const auto spans = consumer.drain();
            EXPECT_EQ(spans.size(), written);
            EXPECT_LT(written, 100u);
            for (const auto& span : spans) {
                EXPECT_EQ(attribute(span.attributes, "large"), codec::Value(text));
            }
            EXPECT_EQ(losses().spans[0], 100u - written);
            EXPECT_EQ(losses().total(), 100u - written);
        },
        configuration);
}

}  // namespace
}  // namespace spanring::test
