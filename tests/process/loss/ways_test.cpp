// Each way to lose a record, or to leave an instance, on its own.
#include <sys/mman.h>

#include "mini_consumer.hpp"

namespace spanring::test {
namespace {

using namespace literals;

constexpr const char* kRemoteParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

Configuration small_ring() {
    Configuration configuration;
    configuration.ring_bytes_max = 64 << 10;
    configuration.ring_bytes_initial = 64 << 10;
    configuration.page_bytes = 1024;
    return configuration;
}

std::uint64_t sum(const std::uint64_t (&counts)[kLossReasons]) {
    std::uint64_t total = 0;
    for (const auto count : counts) total += count;
    return total;
}

void fill() {
    while (Span("fill"_key).recording()) {
    }
}

TEST(ForkedChild, gives_a_context_back_that_it_attached_before_its_first_span) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        Span parent("parent");
        const std::string parent_id = parent.context().span_id();
        in_child([&] {
            {
                const Scope scope = Context::from_headers(kRemoteParent).attach();
                Span inside("inside");
            }
            Span after("after");
            EXPECT_EQ(losses().total(), 0u);
        });
        parent.end();
        const auto spans = consumer.close();
        EXPECT_EQ(to_hex(one(spans, "inside").parent_id), "b7ad6b7169203331");
        EXPECT_EQ(to_hex(one(spans, "after").parent_id), parent_id);
    });
}

TEST(ReplacedSegment, ends_scopes_and_spans_that_were_open_in_the_old_one) {
    traced([](TestDirectory& directory, MiniConsumer& consumer) {
        Span outer("outer");
        const std::string outer_id = outer.context().span_id();
        std::unique_ptr<Scope> scope(new Scope(Context::from_headers(kRemoteParent).attach()));
        auto inner = std::make_unique<Span>("inner");
        const std::string inner_id = inner->context().span_id();
        for (const auto& span : consumer.drain()) ADD_FAILURE() << span.name << " is open";
        auto reader = shm::SegmentReader::attach(directory.directory(),
                                                 (*directory.directory().segments()).front(),
                                                 shm::SegmentReader::Mode::kReadWrite);
        ASSERT_TRUE(reader.ok());
        ASSERT_TRUE(reader->revoke().ok());
        { Span span("below inner"); }
        inner->set("n", 1);
        inner.reset();
        { Span span("below the remote context"); }
        scope.reset();
        { Span span("below outer"); }
        outer.end();
        { Span span("root"); }
        EXPECT_EQ(sum(losses().ends), 2u);
        EXPECT_EQ(sum(losses().details), 1u);
        EXPECT_EQ(sum(losses().spans), 0u);
        const auto spans = consumer.close();
        EXPECT_TRUE(one(spans, "inner").unfinished);
        EXPECT_TRUE(one(spans, "outer").unfinished);
        EXPECT_EQ(to_hex(one(spans, "below inner").parent_id), inner_id);
        EXPECT_EQ(to_hex(one(spans, "below the remote context").parent_id), "b7ad6b7169203331");
        EXPECT_EQ(to_hex(one(spans, "below outer").parent_id), outer_id);
        EXPECT_FALSE(one(spans, "root").parent_id.valid());
    });
}

TEST(ForeignTrace, is_known_below_a_span_that_ended_long_ago) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        Context held;
        {
            const Scope scope = Context::from_headers(kRemoteParent, "vendor=1").attach();
            Span server("server");
            held = server.context();
        }
        EXPECT_EQ(consumer.drain().size(), 1u);
        {
            const Scope scope = held.attach();
            Span late("late");
            late.add_link(held);
        }
        const auto spans = consumer.drain();
        const auto late = one(spans, "late");
        EXPECT_EQ(to_hex(late.trace_id), "0af7651916cd43dd8448eb211c80319c");
        EXPECT_EQ(to_hex(late.parent_id), held.span_id());
        EXPECT_EQ(late.trace_state, "vendor=1");
        ASSERT_EQ(late.links.size(), 1u);
        EXPECT_EQ(late.links[0].trace_id, late.trace_id);
        EXPECT_EQ(to_hex(late.links[0].span_id), held.span_id());
    });
}

TEST(ExplicitParent, takes_its_own_context_away_when_it_ends_out_of_order) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        const Context remote = Context::from_headers(kRemoteParent);
        Span first("first", SpanOptions{.parent = remote});
        Span second("second", SpanOptions{.parent = Context()});
        first.end();
        { Span child("child"); }
        const std::string second_id = second.context().span_id();
        second.end();
        { Span root("root"); }
        const auto spans = consumer.drain();
        EXPECT_EQ(to_hex(one(spans, "child").parent_id), second_id);
        EXPECT_FALSE(one(spans, "root").parent_id.valid());
        EXPECT_FALSE(one(spans, "second").end_lost);
    });
}

TEST(ExplicitParent, that_ends_before_its_children_leaves_them_their_trace) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        auto first = std::make_unique<Span>(
            "first", SpanOptions{.parent = Context::from_headers(kRemoteParent, "vendor=1")});
        Span second("second");
        Span third("third");
        first.reset();
        EXPECT_EQ(third.context().trace_id(), "0af7651916cd43dd8448eb211c80319c");
        second.end();
        EXPECT_EQ(third.context().trace_state(), "vendor=1");
        third.end();
        for (const auto& span : consumer.drain()) {
            EXPECT_EQ(to_hex(span.trace_id), "0af7651916cd43dd8448eb211c80319c") << span.name;
        }
    });
}

TEST(LoneEvent, inherits_what_a_root_span_inherits) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        const Scope scope =
            Context::from_headers(kRemoteParent, "vendor=1", "request.id=r7,user.id=ada").attach();
        event("lone", {{"k", 1}});
        const auto lone = one(consumer.drain(), "lone");
        EXPECT_EQ(lone.trace_state, "vendor=1");
        EXPECT_EQ(lone.attributes.size(), 3u);
    });
}

TEST(Import, is_whole_or_counted) {
    traced(
        [](TestDirectory&, MiniConsumer& consumer) {
            const std::string text(700, 'x');
            std::vector<Attribute> attributes;
            for (const char* key : {"a", "b", "c", "d"}) attributes.push_back({key, text});
            ImportedSpan span;
            span.name = "imported";
            span.attributes = attributes;
            std::uint64_t written = 0;
            for (std::uint8_t i = 1; i <= 60; ++i) {
                span.trace_id.bytes[0] = span.span_id.bytes[0] = i;
                written += import_span(span) ? 1 : 0;
            }
            EXPECT_EQ(written + sum(losses().spans), 60u);
            EXPECT_GT(sum(losses().spans), 0u) << "the ring never filled";
            const auto spans = consumer.close();
            EXPECT_EQ(spans.size(), written);
            for (const auto& found : spans) EXPECT_EQ(found.attributes.size(), 4u);
        },
        small_ring());
}

TEST(Process, that_exits_while_ends_are_lost_leaves_them_unfinished) {
    TestDirectory directory;
    std::uint64_t* const lost = static_cast<std::uint64_t*>(
        ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(lost, MAP_FAILED);
    in_child([&] {
        Configuration configuration = small_ring();
        configuration.directory = directory.path();
        ASSERT_TRUE(configure(configuration).ok());
        AsyncSpan async("async");
        {
            Span sync("sync");
            fill();
        }
        async.end();
        *lost = sum(losses().ends);
    });
    MiniConsumer consumer(directory.directory());
    const auto spans = consumer.close();
    EXPECT_EQ(*lost, 2u);
    EXPECT_TRUE(one(spans, "async").unfinished);
    EXPECT_TRUE(one(spans, "sync").unfinished);
    ::munmap(lost, 4096);
}

}  // namespace
}  // namespace spanring::test
