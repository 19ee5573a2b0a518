// Attaching to what may be a segment: one distinct error per cause, with both values in its text.

#include <gmock/gmock.h>

#include <fstream>
#include <functional>

#include "ring_fixture.hpp"

namespace spanring::shm {
namespace {

using ::testing::HasSubstr;

class AttachTest : public RingTest {
protected:
    void SetUp() override { open_writer(); }

    spanring_segment_header& header() {
        return *reinterpret_cast<spanring_segment_header*>(writer.mapping().data);
    }
    /// Attaches to the segment as `breakage` left it.
    Error error_after(const std::function<void(spanring_segment_header&)>& breakage) {
        const spanring_segment_header good = header();
        breakage(header());
        Result<SegmentReader> reader =
            SegmentReader::attach(directory, writer.file_name(), SegmentReader::Mode::kReadOnly);
        header() = good;
        EXPECT_FALSE(reader);
        return reader ? Error{} : std::move(reader).error();
    }
    void expect_error(const std::function<void(spanring_segment_header&)>& breakage, ErrorCode code,
                      const std::string& text) {
        const Error error = error_after(breakage);
        EXPECT_EQ(error.code, code) << error.message;
        EXPECT_THAT(error.message, HasSubstr(text));
        EXPECT_THAT(error.message, HasSubstr(writer.file_name()));
    }
};

TEST_F(AttachTest, each_wrong_word_has_its_own_error) {
    expect_error([](auto& h) { h.magic = 1; }, ErrorCode::kCorrupt,
                 "magic is 0x1, not 0x3147455347525053");
    expect_error([](auto& h) { h.abi_major = 9; }, ErrorCode::kVersion, "ABI version is 9, not 1");
    expect_error([](auto& h) { h.header_bytes = 100; }, ErrorCode::kVersion,
                 "header length is 100, not 4096");
    expect_error([](auto& h) { h.fingerprint = 5; }, ErrorCode::kVersion,
                 "layout fingerprint is 0x5, not 0x10003");
    expect_error([](auto& h) { h.segment_bytes = std::uint64_t{1} << 40; }, ErrorCode::kCorrupt,
                 "segment length is 1099511627776, the file has");
    expect_error([](auto& h) { h.page_bytes = 1000; }, ErrorCode::kCorrupt, "page length is 1000");
    expect_error([](auto& h) { h.pages_max = 0; }, ErrorCode::kCorrupt, "number of pages is 0");
    expect_error([](auto& h) { h.slots_max = 70000; }, ErrorCode::kCorrupt,
                 "number of thread slots is 70000, not from 1 to 65536");
    expect_error([](auto& h) { h.strings_max = 0xffffffff; }, ErrorCode::kCorrupt,
                 "number of strings");
    expect_error([](auto& h) { h.clock_kind = 3; }, ErrorCode::kCorrupt, "clock kind is 3");
    expect_error([](auto& h) { h.ready = 0; }, ErrorCode::kUnavailable, "not ready (0, not 1)");
}

TEST_F(AttachTest, the_checks_come_in_the_documented_order) {
    expect_error(
        [](auto& h) {
            h.magic = 1;
            h.abi_major = 9;
            h.ready = 0;
        },
        ErrorCode::kCorrupt, "magic");
    expect_error(
        [](auto& h) {
            h.abi_major = 9;
            h.fingerprint = 5;
        },
        ErrorCode::kVersion, "ABI version");
    expect_error(
        [](auto& h) {
            h.page_offset = 1;
            h.ready = 0;
        },
        ErrorCode::kCorrupt, "page region");
}

TEST_F(AttachTest, every_region_must_lie_in_the_segment) {
    using Header = spanring_segment_header;
    const std::pair<std::uint64_t Header::*, const char*> regions[] = {
        {&Header::resource_offset, "resource region"},
        {&Header::string_index_offset, "string index region"},
        {&Header::string_data_offset, "string data region"},
        {&Header::slot_offset, "thread slot region"},
        {&Header::state_offset, "page state region"},
        {&Header::stored_offset, "stored region"},
        {&Header::page_offset, "page region"}};
    for (const auto& [field, name] : regions) {
        const std::uint64_t good = header().*field;
        for (const std::uint64_t wrong : {std::uint64_t{0}, good + 4, ~std::uint64_t{7},
                                          header().segment_bytes, std::uint64_t{1} << 63}) {
            expect_error([&, at = field](Header& h) { h.*at = wrong; }, ErrorCode::kCorrupt, name);
        }
    }
    expect_error([](Header& h) { h.string_data_bytes_max = ~std::uint64_t{0}; },
                 ErrorCode::kCorrupt, "string data region");
    expect_error([](Header& h) { h.segment_bytes = 8192; }, ErrorCode::kCorrupt, "region");
}

TEST_F(AttachTest, files_that_are_no_segments_are_refused) {
    const auto attach_to = [&](const char* name) {
        Result<SegmentReader> reader =
            SegmentReader::attach(directory, name, SegmentReader::Mode::kReadOnly);
        EXPECT_FALSE(reader) << name;
        return reader ? Error{} : std::move(reader).error();
    };
    EXPECT_EQ(attach_to("absent.seg").code, ErrorCode::kNotFound);
    std::ofstream(scratch.path() + "/short.seg") << "SPRGSEG1";
    EXPECT_EQ(attach_to("short.seg").code, ErrorCode::kCorrupt);
    EXPECT_THAT(attach_to("short.seg").message, HasSubstr("8 bytes, fewer than 4096"));
    std::ofstream(scratch.path() + "/long.seg") << "x";
    std::filesystem::resize_file(scratch.path() + "/long.seg", std::uint64_t{3} << 30);
    EXPECT_THAT(attach_to("long.seg").message, HasSubstr("more than"));
    std::filesystem::create_symlink(writer.file_name(), scratch.path() + "/link.seg");
    attach_to("link.seg");
    std::filesystem::create_directory(scratch.path() + "/dir.seg");
    EXPECT_EQ(attach_to("dir.seg").code, ErrorCode::kCorrupt);
    ASSERT_EQ(::mkfifo((scratch.path() + "/fifo.seg").c_str(), 0600), 0);
    EXPECT_EQ(attach_to("fifo.seg").code, ErrorCode::kCorrupt) << "and it does not block";
}

TEST_F(AttachTest, a_read_only_reader_leaves_the_segment_as_it_is) {
    const std::uint32_t stream = writer.acquire_slot(1);
    begin_page(stream, 0);
    const spanring_segment_header before = header();
    SegmentReader reader = attach(SegmentReader::Mode::kReadOnly);
    std::vector<PageView> pages;
    std::vector<std::string> strings;
    EXPECT_TRUE(reader.peek_all(&pages));
    EXPECT_TRUE(reader.read_strings(&strings, 10));
    EXPECT_TRUE(reader.count_pending());
    EXPECT_TRUE(reader.slot(stream));
    EXPECT_EQ(std::memcmp(&before, &header(), sizeof before), 0);
}

}  // namespace
}  // namespace spanring::shm
