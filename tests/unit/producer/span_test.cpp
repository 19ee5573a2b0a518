// Spans, events and details as the public API writes them and the real assembler reads them.
#include <stdexcept>
#include <thread>

#include "mini_consumer.hpp"

namespace spanring::test {
namespace {

using namespace literals;

TEST(Spans, nest_on_their_thread) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        {
            Span outer("outer");
            {
                SPANRING_SPAN("middle", SpanKind::kServer);
                Span inner("inner"_key);
            }
        }
        const auto spans = consumer.drain();
        ASSERT_EQ(spans.size(), 3u);
        const auto outer = one(spans, "outer");
        const auto middle = one(spans, "middle");
        const auto inner = one(spans, "inner");
        EXPECT_FALSE(outer.parent_id.valid());
        EXPECT_EQ(middle.parent_id, outer.span_id);
        EXPECT_EQ(inner.parent_id, middle.span_id);
        EXPECT_EQ(inner.trace_id, outer.trace_id);
        EXPECT_EQ(middle.kind, codec::SpanKind::kServer);
        EXPECT_TRUE(outer.duration_ns.has_value());
        EXPECT_EQ(losses().total(), 0u);
    });
}

TEST(Spans, keep_every_type_of_attribute) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        {
            Span span("typed");
            span.set("bool"_key, true).set("int"_key, -7).set("double"_key, 2.5);
            span.set("dynamic", std::string("text")).set("literal"_key, "text2");
            span.set("ints", {1, 2, 3}).set("unsigned", std::vector<unsigned>{7, 8});
            span.set("doubles", {0.5, 1.5}).set("bools", std::vector<bool>{true, false, true});
            span.set("strings", {"a", "", "ccc"}).set("owned", std::vector<std::string>{"x", "y"});
            span.set("json", JsonView{"{\"a\":1}"}).set("bytes", BytesView{{"\0\1", 2}});
            span.set("empty", "");
        }
        const auto a = one(consumer.drain(), "typed").attributes;
        using codec::Value;
        EXPECT_EQ(attribute(a, "bool"), Value(true));
        EXPECT_EQ(attribute(a, "int"), Value(std::int64_t{-7}));
        EXPECT_EQ(attribute(a, "double"), Value(2.5));
        EXPECT_EQ(attribute(a, "dynamic"), Value(std::string("text")));
        EXPECT_EQ(attribute(a, "literal"), Value(std::string("text2")));
        EXPECT_EQ(attribute(a, "ints"), Value(std::vector<std::int64_t>{1, 2, 3}));
        EXPECT_EQ(attribute(a, "unsigned"), Value(std::vector<std::int64_t>{7, 8}));
        EXPECT_EQ(attribute(a, "doubles"), Value(std::vector<double>{0.5, 1.5}));
        EXPECT_EQ(attribute(a, "bools"), Value(std::vector<bool>{true, false, true}));
        EXPECT_EQ(attribute(a, "strings"), Value(std::vector<std::string>{"a", "", "ccc"}));
        EXPECT_EQ(attribute(a, "owned"), Value(std::vector<std::string>{"x", "y"}));
        EXPECT_EQ(attribute(a, "json"), Value(codec::Json{"{\"a\":1}"}));
        EXPECT_EQ(attribute(a, "bytes"), Value(codec::Bytes{std::string("\0\1", 2)}));
        EXPECT_EQ(attribute(a, "empty"), Value(std::string()));
        EXPECT_EQ(a.size(), 14u);
    });
}

TEST(Spans, keep_events_links_status_kind_and_their_last_name) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        Context other;
        {
            AsyncSpan linked("linked");
            other = linked.context();
        }
        {
            Span span("first name");
            span.event("plain"_key).event("rich", {{"n", 5}, {"s"_key, "v"}});
            span.add_link(other, {{"why", "because"}});
            span.record_exception(std::runtime_error("it broke"));
            span.set_status(StatusCode::kError, "no good").set_kind(SpanKind::kClient);
            span.update_name("second name");
        }
        const auto spans = consumer.drain();
        const auto linked = one(spans, "linked");
        const auto span = one(spans, "second name");
        ASSERT_EQ(span.events.size(), 3u);
        EXPECT_EQ(span.events[0].name, "plain");
        EXPECT_EQ(attribute(span.events[1].attributes, "n"), codec::Value(std::int64_t{5}));
        EXPECT_EQ(span.events[2].name, "exception");
        EXPECT_EQ(attribute(span.events[2].attributes, "exception.type"),
                  codec::Value(std::string("std::runtime_error")));
        EXPECT_EQ(attribute(span.events[2].attributes, "exception.message"),
                  codec::Value(std::string("it broke")));
        ASSERT_EQ(span.links.size(), 1u);
        EXPECT_EQ(span.links[0].span_id, linked.span_id);
        EXPECT_EQ(span.links[0].trace_id, linked.trace_id);
        EXPECT_EQ(attribute(span.links[0].attributes, "why"), codec::Value(std::string("because")));
        EXPECT_EQ(span.status, codec::StatusCode::kError);
        EXPECT_EQ(span.status_message, "no good");
        EXPECT_EQ(span.kind, codec::SpanKind::kClient);
    });
}

TEST(Spans, say_the_ids_that_are_stored) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        std::string trace;
        std::string id;
        {
            Span root("root");
            Span span("told");
            trace = span.context().trace_id();
            id = Context::current().span_id();
        }
        const auto span = one(consumer.drain(), "told");
        EXPECT_EQ(to_hex(span.trace_id), trace);
        EXPECT_EQ(to_hex(span.span_id), id);
    });
}

TEST(AsyncSpans, end_on_another_thread_with_details_from_both) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        {
            Span outer("outer");
            AsyncSpan request("request");
            request.set("from", "first");
            Context context = request.context();
            std::thread([moved = std::move(request), context]() mutable {
                const Scope scope = context.attach();
                Span child("child");
                child.end();
                moved.set("to"_key, 2);
                event("attached event");
                moved.end();
            }).join();
        }
        const auto spans = consumer.drain();
        const auto request = one(spans, "request");
        EXPECT_EQ(request.parent_id, one(spans, "outer").span_id);
        EXPECT_EQ(one(spans, "child").parent_id, request.span_id);
        EXPECT_EQ(request.attributes.size(), 2u);
        ASSERT_EQ(request.events.size(), 1u);
        EXPECT_EQ(request.events[0].name, "attached event");
    });
}

TEST(Spans, take_an_explicit_parent_and_leave_the_stack_as_it_was) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        {
            Span a("a");
            AsyncSpan b("b");
            {
                Span c("c", SpanOptions{.kind = SpanKind::kConsumer, .parent = b.context()});
                Span d("d");
            }
            Span root("root", SpanOptions{.parent = Context()});
            root.end();
            Span e("e");
        }
        const auto spans = consumer.drain();
        EXPECT_EQ(one(spans, "c").parent_id, one(spans, "b").span_id);
        EXPECT_EQ(one(spans, "c").kind, codec::SpanKind::kConsumer);
        EXPECT_EQ(one(spans, "d").parent_id, one(spans, "c").span_id);
        EXPECT_FALSE(one(spans, "root").parent_id.valid());
        EXPECT_NE(one(spans, "root").trace_id, one(spans, "a").trace_id);
        EXPECT_EQ(one(spans, "e").parent_id, one(spans, "a").span_id);
    });
}

TEST(Events, without_a_span_become_spans_of_no_duration) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        set("ignored", 1);
        event("alone", {{"k", 1}});
        SPANRING_EVENT("macro", "a", 1, "b"_key, "two");
        const auto spans = consumer.drain();
        ASSERT_EQ(spans.size(), 2u);
        EXPECT_EQ(one(spans, "alone").duration_ns, 0);
        EXPECT_EQ(one(spans, "macro").attributes.size(), 2u);
    });
}

TEST(Spans, ended_out_of_order_keep_their_parents) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        auto a = std::make_unique<Span>("a");
        auto b = std::make_unique<Span>("b");
        a.reset();
        Span c("c");
        c.set("still", "b's child");
        b->set("after", 1);
        c.end();
        b.reset();
        const auto spans = consumer.drain();
        EXPECT_EQ(one(spans, "b").parent_id, one(spans, "a").span_id);
        EXPECT_EQ(one(spans, "c").parent_id, one(spans, "b").span_id);
        EXPECT_EQ(one(spans, "b").attributes.size(), 1u);
        EXPECT_EQ(losses().total(), 0u);
    });
}

TEST(Spans, destroyed_on_another_thread_are_ended_all_the_same) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        auto span = std::make_unique<Span>("moved");
        std::thread([&] {
            span->set("there", 1);
            span.reset();
        }).join();
        const auto stored = one(consumer.drain(), "moved");
        EXPECT_TRUE(stored.duration_ns.has_value());
        EXPECT_EQ(stored.attributes.size(), 1u);
    });
}

TEST(Spans, nest_deeper_than_a_snapshot_and_the_inline_stack) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        constexpr int kDepth = 500;
        std::vector<std::unique_ptr<Span>> open;
        for (int i = 0; i < kDepth; ++i) {
            open.push_back(std::make_unique<Span>("level " + std::to_string(i)));
            open.back()->set("pad", std::string(100, 'x'));
        }
        while (!open.empty()) open.pop_back();
        const auto spans = consumer.drain();
        ASSERT_EQ(spans.size(), static_cast<std::size_t>(kDepth));
        std::map<std::string, SpanId> ids;
        for (const auto& span : spans) ids[span.name] = span.span_id;
        for (const auto& span : spans) {
            const int level = std::stoi(span.name.substr(6));
            if (level == 0) continue;
            EXPECT_EQ(span.parent_id, ids["level " + std::to_string(level - 1)]);
        }
    });
}

TEST(Values, larger_than_a_page_arrive_whole) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        const std::string large(100'001, 'L');
        std::vector<std::int64_t> numbers(5000);
        for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::int64_t>(i);
        {
            Span span("large");
            span.set("text", large).set("numbers", numbers);
            span.event("event", {{"text", large}});
            span.set_status(StatusCode::kError, large);
        }
        const auto span = one(consumer.drain(), "large");
        EXPECT_EQ(attribute(span.attributes, "text"), codec::Value(large));
        EXPECT_EQ(attribute(span.attributes, "numbers"), codec::Value(numbers));
        ASSERT_EQ(span.events.size(), 1u);
        EXPECT_EQ(attribute(span.events[0].attributes, "text"), codec::Value(large));
        EXPECT_EQ(span.status_message, large);
        EXPECT_FALSE(span.truncated);
    });
}

TEST(Values, beyond_a_mebibyte_per_span_are_cut_and_counted) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        {
            Span span("huge");
            for (int i = 0; i < 12; ++i) span.set("part", std::string(100'000, 'p'));
        }
        const auto span = one(consumer.drain(), "huge");
        EXPECT_TRUE(span.truncated);
        // Ten fit whole, the eleventh is cut, the twelfth is not written.
        EXPECT_EQ(span.attributes.size(), 11u);
        EXPECT_EQ(losses().details[2], 2u);
    });
}

TEST(CallSites, can_be_listed_and_switched) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        const auto run = [] { SPANRING_SPAN("switchable"); };
        run();
        EXPECT_EQ(switch_call_sites("switch*", false), 1u);
        run();
        bool listed = false;
        for (const auto& site : call_sites()) {
            listed = listed || (site.name == "switchable" && !site.enabled && site.line != 0);
        }
        EXPECT_TRUE(listed);
        switch_call_sites("later", false);
        { SPANRING_SPAN("later"); }
        EXPECT_EQ(switch_call_sites("*able", true), 1u);
        run();
        EXPECT_EQ(consumer.drain().size(), 2u);
    });
}

}  // namespace
}  // namespace spanring::test
