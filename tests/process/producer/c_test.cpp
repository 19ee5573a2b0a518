// spanring.h, used by a C file, seen by the assembler.
#include "../../unit/producer/mini_consumer.hpp"

extern "C" int c_program(void);

namespace spanring::test {
namespace {

TEST(CInterface, records_what_the_c_program_says) {
    traced([](TestDirectory&, MiniConsumer& consumer) {
        EXPECT_EQ(c_program(), 0);
        const auto spans = consumer.drain();
        ASSERT_EQ(spans.size(), 3u);
        const auto outer = one(spans, "c outer");
        EXPECT_EQ(outer.attributes.size(), 4u);
        EXPECT_EQ(outer.events.size(), 1u);
        EXPECT_EQ(outer.status_message, "bad");
        const auto inner = one(spans, "c inner");
        EXPECT_EQ(inner.parent_id, outer.span_id);
        EXPECT_EQ(attribute(inner.attributes, "request.id"), codec::Value(std::string("7")));
        EXPECT_EQ(one(spans, "c async").parent_id, outer.span_id);
    });
}

}  // namespace
}  // namespace spanring::test
