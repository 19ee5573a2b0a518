#include "spanring/base/ids.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <set>

namespace spanring {
namespace {

Key128 ascending_key() {
    Key128 key;
    std::iota(key.begin(), key.end(), std::uint8_t{0});
    return key;
}

// Beaulieu et al., IACR ePrint 2013/404, appendix C: the words of key and text are given from the
// most significant one.
TEST(Ids, trace_cipher_matches_the_published_vector_of_speck_128_128) {
    const TraceId id =
        derive_trace_id(ascending_key(), 0x6c61766975716520, SpanKey{0x7469206564616d20});
    std::uint64_t x;
    std::uint64_t y;
    std::memcpy(&x, id.bytes.data(), 8);
    std::memcpy(&y, id.bytes.data() + 8, 8);
    EXPECT_EQ(x, 0xa65d985179783265u);
    EXPECT_EQ(y, 0x7860fedf5c570d18u);
}

TEST(Ids, span_cipher_matches_the_published_vector_of_speck_64_128) {
    // The paper's key is 1b1a1918 13121110 0b0a0908 03020100.
    const Key128 key{0x00, 0x01, 0x02, 0x03, 0x08, 0x09, 0x0a, 0x0b,
                     0x10, 0x11, 0x12, 0x13, 0x18, 0x19, 0x1a, 0x1b};
    const SpanId id = derive_span_id(key, SpanKey{0x3b7265747475432d});
    std::uint64_t value;
    std::memcpy(&value, id.bytes.data(), 8);
    EXPECT_EQ(value, 0x8c6fa548454e028bu);
}

TEST(Ids, a_trace_id_leads_back_to_the_instance_and_span_that_minted_it) {
    const Key128 key = ascending_key();
    for (std::uint64_t ordinal = 1; ordinal < 1000; ++ordinal) {
        const SpanKey root = SpanKey::of(static_cast<std::uint32_t>(ordinal % 7), ordinal);
        const TraceOrigin origin =
            locate_trace(key, derive_trace_id(key, 0xfeedfacecafebeef, root));
        ASSERT_EQ(origin.instance_number, 0xfeedfacecafebeefu);
        ASSERT_EQ(origin.root, root);
    }
}

TEST(Ids, span_ids_are_unique_nonzero_and_invertible) {
    const Key128 key = ascending_key();
    std::set<SpanId> seen;
    for (std::uint64_t ordinal = 1; ordinal <= 20000; ++ordinal) {
        const SpanKey span = SpanKey::of(3, ordinal);
        const SpanId id = derive_span_id(key, span);
        ASSERT_TRUE(id.valid());
        ASSERT_TRUE(seen.insert(id).second);
        ASSERT_EQ(locate_span(key, id), span);
    }
}

TEST(Ids, the_key_whose_image_would_be_zero_still_gets_an_id_of_its_own) {
    const Key128 key = ascending_key();
    // Walking backward from zero finds that key: its plain image is zero, so it takes the image of
    // zero.
    const SpanKey walker = locate_span(key, SpanId{});
    const SpanId id = derive_span_id(key, walker);
    EXPECT_TRUE(id.valid());
    EXPECT_EQ(locate_span(key, id), walker);
}

TEST(Ids, other_keys_give_other_ids) {
    Key128 other = ascending_key();
    other[15] ^= 1;
    EXPECT_NE(derive_span_id(ascending_key(), SpanKey{1}), derive_span_id(other, SpanKey{1}));
    EXPECT_NE(derive_trace_id(ascending_key(), 1, SpanKey{1}),
              derive_trace_id(other, 1, SpanKey{1}));
}

TEST(Ids, hex_keeps_the_width_that_an_id_came_with) {
    TraceId trace;
    ASSERT_TRUE(from_hex("5AF7183FB1D4CF5F", &trace));
    EXPECT_EQ(to_hex(trace, true), "5af7183fb1d4cf5f");
    EXPECT_EQ(to_hex(trace), "00000000000000005af7183fb1d4cf5f");
    ASSERT_TRUE(from_hex("4bf92f3577b34da6a3ce929d0e0e4736", &trace));
    EXPECT_EQ(to_hex(trace), "4bf92f3577b34da6a3ce929d0e0e4736");
}

TEST(Ids, refuses_what_is_not_hex_and_leaves_the_output_alone) {
    SpanId span;
    ASSERT_TRUE(from_hex("00f067aa0ba902b7", &span));
    const SpanId before = span;
    for (const char* bad : {"", "0", "00f067aa0ba902b", "00f067aa0ba902b7f", "00f067aa0ba902bg",
                            " 0f067aa0ba902b7"}) {
        EXPECT_FALSE(from_hex(bad, &span)) << bad;
        EXPECT_EQ(span, before);
    }
    TraceId trace;
    EXPECT_FALSE(from_hex("4bf92f3577b34da6a3ce929d0e0e473", &trace));
    EXPECT_FALSE(trace.valid());
}

}  // namespace
}  // namespace spanring
