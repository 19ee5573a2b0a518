#include "spanring/codec/details.hpp"

#include <gtest/gtest.h>

#include "sample_spans.hpp"
#include "spanring/abi/record_layout.h"

namespace spanring::codec {
namespace {

std::vector<Detail> read_all(const std::vector<std::byte>& bytes, bool* ok) {
    std::vector<Detail> details;
    DetailReader reader(bytes);
    for (Detail detail; reader.next(&detail);) details.push_back(detail);
    *ok = reader.ok();
    return details;
}

TEST(Details, every_attribute_type_comes_back) {
    std::vector<std::byte> bytes;
    DetailWriter writer(bytes);
    const Attributes attributes = test::every_type();
    std::uint32_t key = 1;
    for (const auto& [name, value] : attributes) writer.attribute(key++, value, 0);

    bool ok = false;
    const auto details = read_all(bytes, &ok);
    ASSERT_TRUE(ok);
    ASSERT_EQ(details.size(), attributes.size());
    for (std::size_t i = 0; i < details.size(); ++i) {
        EXPECT_EQ(details[i].id, i + 1);
        const auto value = attribute_value(details[i]);
        ASSERT_TRUE(value.ok()) << attributes[i].first;
        EXPECT_EQ(*value, attributes[i].second) << attributes[i].first;
    }
}

TEST(Details, records_are_those_of_the_abi) {
    std::vector<std::byte> bytes;
    DetailWriter writer(bytes);
    writer.status(StatusCode::kError, "no");
    const std::uint64_t head = spanring_record_head(SPANRING_REC_STATUS, SPANRING_STATUS_ERROR, 2);
    std::uint64_t words[2];
    ASSERT_EQ(bytes.size(), sizeof(words));
    std::memcpy(words, bytes.data(), sizeof(words));
    EXPECT_EQ(words[0], head);
    EXPECT_EQ(words[1], 0x6f6eull) << "the text, zero-padded";
}

TEST(Details, target_and_item_records_keep_their_order) {
    std::vector<std::byte> bytes;
    DetailWriter writer(bytes);
    writer.event_at(4, 77);
    writer.attribute(5, true, SPANRING_TARGET_ITEM);
    writer.link(test::trace_id(1), test::span_id(2), true, 3);
    writer.trace_state("a=b", SPANRING_TARGET_ITEM);
    writer.dropped({7, 8, 9});

    bool ok = false;
    const auto d = read_all(bytes, &ok);
    ASSERT_TRUE(ok);
    ASSERT_EQ(d.size(), 5u);
    EXPECT_EQ(d[0].kind, SPANRING_REC_EVENT_AT);
    EXPECT_EQ(d[0].id, 4u);
    EXPECT_EQ(d[1].target, SPANRING_TARGET_ITEM);
    EXPECT_EQ(d[2].kind, SPANRING_REC_LINK);
    EXPECT_EQ(d[2].id, SPANRING_REMOTE_TRACE_64);
    EXPECT_EQ(d[2].body.size(), 24u);
    EXPECT_EQ(d[3].body.size(), 3u) << "padding is not part of the body";
    EXPECT_EQ(d[4].low, 7u);
}

TEST(Details, a_cut_record_is_malformed_and_what_stood_before_is_read) {
    std::vector<std::byte> bytes;
    DetailWriter writer(bytes);
    writer.attribute(1, std::int64_t{5}, 0);
    const std::size_t first = bytes.size();
    writer.attribute(2, std::string("some text"), 0);
    for (std::size_t cut = first + 1; cut < bytes.size(); ++cut) {
        bool ok = true;
        const std::vector<std::byte> part(bytes.begin(),
                                          bytes.begin() + static_cast<std::ptrdiff_t>(cut));
        EXPECT_EQ(read_all(part, &ok).size(), 1u) << cut;
        EXPECT_FALSE(ok) << cut;
    }
}

TEST(Details, records_of_rings_are_no_details) {
    for (const std::uint32_t kind :
         {SPANRING_REC_NONE, SPANRING_REC_BEGIN, SPANRING_REC_END, SPANRING_REC_NAME, 0x1fu, 0x3fu,
          0xc0u | SPANRING_REC_ATTR_BOOL, SPANRING_TARGET_ITEM | SPANRING_REC_BEGIN}) {
        std::vector<std::byte> bytes;
        DetailWriter(bytes).raw(kind, 1, 0, {});
        bytes.resize(64);
        bool ok = true;
        EXPECT_TRUE(read_all(bytes, &ok).empty()) << kind;
        EXPECT_FALSE(ok) << kind;
    }
}

TEST(Details, a_payload_that_claims_more_than_a_span_may_have_is_malformed) {
    std::vector<std::byte> bytes(2u << 20);
    const std::uint64_t head =
        spanring_record_head(SPANRING_REC_ATTR_STRING, 1, SPANRING_SPAN_BYTES_MAX);
    std::memcpy(bytes.data(), &head, 8);
    bool ok = true;
    EXPECT_TRUE(read_all(bytes, &ok).empty());
    EXPECT_FALSE(ok);
}

TEST(Details, of_arrays_that_end_within_an_element_the_whole_ones_count) {
    const auto value_of = [](std::uint32_t kind, std::size_t body_bytes, std::uint8_t first) {
        std::vector<std::byte> body(body_bytes);
        if (body_bytes > 0) body[0] = static_cast<std::byte>(first);
        std::vector<std::byte> bytes;
        DetailWriter(bytes).raw(kind, 1, static_cast<std::uint32_t>(body_bytes), body);
        Detail detail;
        EXPECT_TRUE(DetailReader(bytes).next(&detail));
        return *attribute_value(detail);
    };
    using Strings = std::vector<std::string>;
    EXPECT_EQ(value_of(SPANRING_REC_ATTR_INT_ARRAY, 12, 7), Value(std::vector<std::int64_t>{7}));
    EXPECT_EQ(value_of(SPANRING_REC_ATTR_DOUBLE_ARRAY, 7, 0), Value(std::vector<double>{}));
    EXPECT_EQ(value_of(SPANRING_REC_ATTR_STRING_ARRAY, 3, 0), Value(Strings{}));
    EXPECT_EQ(value_of(SPANRING_REC_ATTR_STRING_ARRAY, 6, 3), Value(Strings{}));
    EXPECT_EQ(value_of(SPANRING_REC_ATTR_STRING_ARRAY, 4, 0), Value(Strings{""}));
    EXPECT_EQ(value_of(SPANRING_REC_ATTR_STRING_ARRAY, 9, 1).index(), Value(Strings{}).index());
}

}  // namespace
}  // namespace spanring::codec
