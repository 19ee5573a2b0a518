// Contexts: remote parents, baggage, what is recorded of them, and what is not.
#include <thread>

#include "mini_consumer.hpp"

namespace spanring::test {
namespace {

constexpr const char* kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
constexpr const char* kUnsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

TEST(Contexts, of_another_process_become_parents) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        const Context remote = Context::from_headers(kParent, "vendor=1", "request.id=r%201,x=y");
        EXPECT_EQ(remote.request_id(), "r 1");
        {
            const Scope scope = remote.attach();
            Span root("root");
            Span child("child");
            const W3cHeaders out = Context::current().to_headers();
            EXPECT_EQ(out.traceparent.substr(0, 36), std::string(kParent).substr(0, 36));
            EXPECT_EQ(out.traceparent.substr(36, 16), child.context().span_id());
            EXPECT_EQ(out.tracestate, "vendor=1");
            EXPECT_EQ(out.baggage, "request.id=r%201,x=y");
        }
        EXPECT_FALSE(Context::current().is_valid());
        const auto spans = consumer.drain();
        const auto root = one(spans, "root");
        EXPECT_EQ(to_hex(root.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
        EXPECT_EQ(to_hex(root.parent_id), "00f067aa0ba902b7");
        EXPECT_EQ(root.trace_state, "vendor=1");
        EXPECT_EQ(attribute(root.attributes, "request.id"), codec::Value(std::string("r 1")));
        EXPECT_EQ(one(spans, "child").parent_id, root.span_id);
        EXPECT_TRUE(one(spans, "child").attributes.empty());
    });
}

TEST(Contexts, not_sampled_record_nothing_below_and_pass_on) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        {
            const Scope scope = Context::from_headers(kUnsampled).attach();
            Span dark("dark");
            EXPECT_FALSE(dark.recording());
            EXPECT_EQ(dark.context().traceparent(), kUnsampled);
            SPANRING_SPAN("darker");
            event("dark event");
        }
        { Span light("light"); }
        const auto spans = consumer.drain();
        ASSERT_EQ(spans.size(), 1u);
        EXPECT_EQ(spans[0].name, "light");
        EXPECT_EQ(losses().total(), 0u);
    });
}

TEST(Contexts, not_sampled_are_recorded_on_request) {
    traced(
        [](TestDirectory&, MiniConsumer& consumer) {
            const Scope scope = Context::from_headers(kUnsampled).attach();
            { Span span("span"); }
            EXPECT_EQ(to_hex(one(consumer.drain(), "span").parent_id), "00f067aa0ba902b7");
        },
        {.record_unsampled = true});
}

TEST(Contexts, of_spans_that_outlived_their_scope_do_not_touch_what_went_with_it) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        const auto remote = [] { return Context::from_headers(kParent, "vendor=1", "user=x"); };
        std::string inside;
        {
            Scope scope = remote().attach();
            Span outlives("outlives");
            inside = outlives.context().traceparent();
            EXPECT_EQ(outlives.context().baggage("user"), "x");
            scope.end();
            EXPECT_FALSE(outlives.context().is_valid());
        }
        EXPECT_EQ(inside.substr(0, 36), std::string(kParent).substr(0, 36));
        {
            const Scope scope = remote().attach();
            Span ended("ended");
            ended.end();
            ended.end();
            EXPECT_EQ(ended.context().baggage("user"), "x");
        }
        Span local("local");
        const std::string id = local.context().span_id();
        local.end();
        EXPECT_EQ(local.context().span_id(), id);
        EXPECT_EQ(losses().total(), 0u);
        const auto spans = consumer.drain();
        EXPECT_EQ(spans.size(), 3u);
    });
}

TEST(Contexts, end_with_their_scopes_in_any_order) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        AsyncSpan a("a");
        AsyncSpan b("b");
        {
            Scope outer = a.context().attach();
            Scope inner = b.context().attach();
            outer.end();  // takes the inner one along
            Span root("root");
        }
        const Scope again = a.context().attach();
        { Span child("child"); }
        a.end();
        b.end();
        const auto spans = consumer.drain();
        EXPECT_FALSE(one(spans, "root").parent_id.valid());
        EXPECT_EQ(one(spans, "child").parent_id, one(spans, "a").span_id);
    });
}

TEST(Baggage, is_copied_on_write) {
    const Context empty;
    const Context one = empty.with_baggage("a", "1");
    const Context two = one.with_user_id("u").with_baggage("a", "2");
    EXPECT_EQ(empty.baggage("a"), "");
    EXPECT_EQ(one.baggage("a"), "1");
    EXPECT_EQ(two.baggage("a"), "2");
    EXPECT_EQ(two.user_id(), "u");
    EXPECT_EQ(two.with_baggage("a", "").all_baggage().size(), 1u);
    EXPECT_EQ(one.with_baggage("not a token", "x").all_baggage().size(), 1u);
    EXPECT_EQ(one.with_baggage("big", std::string(9000, 'x')).baggage("big"), "");
}

TEST(Contexts, attached_before_there_is_a_consumer_hold_when_it_comes) {
    traced(
        [](TestDirectory& directory, MiniConsumer& consumer) {
            const Scope scope = Context::from_headers(kParent).attach();
            { Span dark("dark"); }
            EXPECT_FALSE(status().recording);
            directory.control().set_enabled(true);
            { Span light("light"); }
            EXPECT_TRUE(status().recording);
            const auto spans = consumer.drain();
            ASSERT_EQ(spans.size(), 1u);
            EXPECT_EQ(to_hex(spans[0].parent_id), "00f067aa0ba902b7");
        },
        {}, false);
}

}  // namespace
}  // namespace spanring::test
