// Frames: any frame comes back equal; damaged, torn and foreign bytes are refused with a cause.
#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include "frame_view.hpp"
#include "spanring/base/crc32c.hpp"
#include "support.hpp"
#include "wire.hpp"

namespace spanring::store::testing {
namespace {

using ::testing::HasSubstr;

rc::Gen<std::vector<std::byte>> any_bytes() {
    return rc::gen::map(rc::gen::arbitrary<std::vector<std::uint8_t>>(),
                        [](const std::vector<std::uint8_t>& from) {
                            const auto* data = reinterpret_cast<const std::byte*>(from.data());
                            return std::vector<std::byte>(data, data + from.size());
                        });
}

InstanceDelta any_instance() {
    InstanceDelta delta;
    delta.id.bytes = *rc::gen::container<Key128>(rc::gen::arbitrary<std::uint8_t>());
    delta.pid = *rc::gen::arbitrary<std::uint32_t>();
    delta.process_name = *rc::gen::arbitrary<std::string>();
    delta.ended = *rc::gen::arbitrary<bool>();
    delta.tracepoints = *rc::gen::arbitrary<std::uint64_t>();
    delta.pages.resize(*rc::gen::inRange<std::size_t>(0, 4));
    for (PagePosition& page : delta.pages)
        page = {*rc::gen::arbitrary<std::uint32_t>(), *rc::gen::arbitrary<std::uint32_t>(),
                *rc::gen::arbitrary<std::uint32_t>()};
    delta.pages_released = *rc::gen::arbitrary<std::vector<std::uint32_t>>();
    delta.streams.resize(*rc::gen::inRange<std::size_t>(0, 4));
    for (StreamState& stream : delta.streams)
        stream = {*rc::gen::arbitrary<std::uint32_t>(), *rc::gen::arbitrary<std::uint64_t>(),
                  *rc::gen::arbitrary<std::uint64_t>(), *any_bytes()};
    delta.losses.resize(*rc::gen::inRange<std::size_t>(0, 3));
    for (StreamLosses& losses : delta.losses) {
        losses.stream = *rc::gen::arbitrary<std::uint32_t>();
        for (auto* counts : {losses.spans, losses.ends, losses.details})
            for (int i = 0; i < 4; ++i) counts[i] = *rc::gen::arbitrary<std::uint64_t>();
    }
    return delta;
}

Frame any_frame() {
    Frame frame;
    frame.number = *rc::gen::arbitrary<std::uint64_t>();
    frame.committed_ns = *rc::gen::arbitrary<std::int64_t>();
    frame.snapshot = *rc::gen::arbitrary<bool>();
    frame.instances.resize(*rc::gen::inRange<std::size_t>(0, 4));
    for (InstanceDelta& delta : frame.instances) delta = any_instance();
    frame.batches = *rc::gen::container<std::vector<std::vector<std::byte>>>(any_bytes());
    frame.open_spans = *rc::gen::container<std::vector<std::vector<std::byte>>>(any_bytes());
    frame.deferred = *any_bytes();
    return frame;
}

RC_GTEST_PROP(Frame, comes_back_equal, ()) {
    const Frame frame = any_frame();
    const FrameSummary summary{*rc::gen::arbitrary<std::uint64_t>(),
                               *rc::gen::arbitrary<std::int64_t>(),
                               *rc::gen::arbitrary<std::int64_t>()};
    const auto bytes = encode(frame, summary);
    RC_ASSERT(bytes.size() % SPANRING_FRAME_ALIGNMENT == 0u);
    std::size_t length = 0;
    const auto decoded = decode_frame(bytes, &length);
    RC_ASSERT(decoded.ok());
    RC_ASSERT(*decoded == frame);
    RC_ASSERT(length == bytes.size());
    RC_ASSERT(read_header(bytes)->spans == summary.spans);
    RC_ASSERT(read_header(bytes)->start_ns_min == summary.start_ns_min);
    RC_ASSERT(read_header(bytes)->start_ns_max == summary.start_ns_max);
}

RC_GTEST_PROP(Frame, any_changed_byte_is_noticed, ()) {
    auto bytes = encode(any_frame(), {});
    const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
    bytes[at] ^= std::byte{*rc::gen::inRange<std::uint8_t>(1, 255)};
    RC_ASSERT(!decode_frame(bytes, nullptr).ok());
}

RC_GTEST_PROP(Frame, any_shorter_frame_is_refused, ()) {
    auto bytes = encode(any_frame(), {});
    bytes.resize(*rc::gen::inRange<std::size_t>(0, bytes.size()));
    const auto refused = decode_frame(bytes, nullptr);
    RC_ASSERT(!refused.ok());
    RC_ASSERT(refused.error().code == ErrorCode::kCorrupt);
}

RC_GTEST_PROP(Frame, positions_of_arbitrary_bytes_never_crash, ()) {
    const auto bytes = *any_bytes();
    const auto decoded = decode_instances(bytes);
    const bool refused = !decoded.ok() && decoded.error().code == ErrorCode::kCorrupt;
    RC_ASSERT((decoded.ok() || refused));
}

TEST(Wire, numbers_take_as_many_bytes_as_they_need) {
    for (const auto& [value, bytes] : std::map<std::uint64_t, std::size_t>{
             {0, 1}, {127, 1}, {128, 2}, {16383, 2}, {16384, 3}, {UINT64_MAX, 10}}) {
        std::vector<std::byte> out;
        WireWriter(out).varint(value);
        EXPECT_EQ(out.size(), bytes);
        WireReader reader(out);
        EXPECT_EQ(reader.varint(), value);
        EXPECT_TRUE(reader.ok() && reader.at_end());
    }
}

TEST(Wire, refuses_what_exceeds_64_bits_32_bits_or_the_buffer) {
    std::vector<std::byte> endless(10, std::byte{0xff});
    WireReader too_long(endless);
    EXPECT_EQ(too_long.varint(), 0u);
    EXPECT_FALSE(too_long.ok());
    std::vector<std::byte> wide;
    WireWriter(wide).varint(std::uint64_t{1} << 32);
    WireReader too_wide(wide);
    EXPECT_EQ(too_wide.varint32(), 0u);
    EXPECT_FALSE(too_wide.ok());
    std::vector<std::byte> many;
    WireWriter(many).varint(3);
    many.resize(many.size() + 5);
    WireReader too_many(many);
    EXPECT_EQ(too_many.count(2), 0u) << "three elements of two bytes do not fit into five";
    EXPECT_FALSE(too_many.ok());
}

TEST(Frame, of_another_version_is_refused_by_name) {
    auto bytes = encode({}, {});
    spanring_frame_header header;
    std::memcpy(&header, bytes.data(), sizeof header);
    header.version = 7;
    header.header_crc = 0;
    std::memcpy(bytes.data(), &header, sizeof header);
    EXPECT_EQ(decode_frame(bytes, nullptr).error().code, ErrorCode::kCorrupt)
        << "a flipped bit in the version is no other version";
    header.header_crc = crc32c(std::span<const std::byte>(bytes).first(76));
    std::memcpy(bytes.data(), &header, sizeof header);
    const auto refused = decode_frame(bytes, nullptr);
    EXPECT_EQ(refused.error().code, ErrorCode::kVersion);
    EXPECT_THAT(refused.error().message, HasSubstr("version 7"));
}

// tests/golden/store holds what the first release wrote: make_golden_frames.cpp.
std::vector<std::byte> golden(const std::string& name) {
    const std::string text = read_file(std::string(SPANRING_GOLDEN_DIR) + "/" + name);
    EXPECT_FALSE(text.empty()) << name;
    const auto* data = reinterpret_cast<const std::byte*>(text.data());
    return {data, data + text.size()};
}

TEST(GoldenFrame, good_reads_as_it_was_written) {
    std::size_t length = 0;
    const auto bytes = golden("good.frame");
    const auto frame = decode_frame(bytes, &length);
    ASSERT_TRUE(frame.ok()) << frame.error().message;
    EXPECT_EQ(length, bytes.size());
    EXPECT_EQ(frame->number, 77u);
    EXPECT_EQ(frame->committed_ns, 1'700'000'000'123'456'789);
    EXPECT_TRUE(frame->snapshot);
    ASSERT_EQ(frame->instances.size(), 1u);
    const InstanceDelta& delta = frame->instances.front();
    EXPECT_EQ(delta.id.bytes, key_of(1));
    EXPECT_EQ(delta.process_name, "shop");
    EXPECT_EQ(delta.pages.front(), (PagePosition{3, 2, 8192}));
    EXPECT_EQ(delta.losses.front().details[2], 12u);
    EXPECT_EQ(frame->batches.size(), 2u);
    EXPECT_EQ(frame->deferred.size(), 5u);
    EXPECT_EQ(encode(*frame, {9, -5, 600}), bytes) << "and is written the same today";
}

TEST(GoldenFrame, bad_and_torn_are_refused) {
    EXPECT_THAT(decode_frame(golden("bad.frame"), nullptr).error().message, HasSubstr("checksum"));
    EXPECT_THAT(decode_frame(golden("torn.frame"), nullptr).error().message, HasSubstr("cut off"));
}

}  // namespace
}  // namespace spanring::store::testing
