// Interned strings, as the writer numbers them and the reader copies them.

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "ring_fixture.hpp"

namespace spanring::shm {
namespace {

using ::testing::ElementsAre;
using StringsTest = RingTest;

TEST_F(StringsTest, equal_strings_get_one_number_and_the_empty_one_is_zero) {
    open_writer();
    EXPECT_EQ(writer.intern(""), SPANRING_ID_NONE);
    const std::uint32_t one = writer.intern("one");
    const std::uint32_t two = writer.intern("two");
    EXPECT_EQ(one, 1U);
    EXPECT_EQ(two, 2U);
    EXPECT_EQ(writer.intern(std::string("one")), one);
    EXPECT_EQ(writer.string(one), "one");
    EXPECT_EQ(writer.string(0), "");
    EXPECT_EQ(writer.string(99), "");
}

TEST_F(StringsTest, bytes_of_any_value_and_length_up_to_the_limit_survive) {
    open_writer();
    SegmentReader reader = attach();
    const std::string longest(kInternBytesMax, '\xff');
    const std::string zeros("a\0b", 3);
    const std::uint32_t longest_id = writer.intern(longest);
    const std::uint32_t zeros_id = writer.intern(zeros);
    EXPECT_EQ(writer.string(longest_id), longest);
    EXPECT_EQ(writer.intern(longest + "x"), SPANRING_ID_INLINE);
    std::vector<std::string> copies;
    ASSERT_TRUE(reader.read_strings(&copies, 100));
    ASSERT_EQ(copies.size(), 3U);
    EXPECT_EQ(copies[longest_id], longest);
    EXPECT_EQ(copies[zeros_id], zeros);
}

TEST_F(StringsTest, the_reader_copies_only_what_is_new_and_no_more_than_it_asked_for) {
    open_writer();
    SegmentReader reader = attach(SegmentReader::Mode::kReadOnly);
    std::vector<std::string> copies;
    ASSERT_TRUE(reader.read_strings(&copies, 100));
    EXPECT_THAT(copies, ElementsAre(""));
    for (const char* text : {"a", "b", "c"}) writer.intern(text);
    ASSERT_TRUE(reader.read_strings(&copies, 2));
    EXPECT_THAT(copies, ElementsAre("", "a", "b"));
    ASSERT_TRUE(reader.read_strings(&copies, 2));
    EXPECT_THAT(copies, ElementsAre("", "a", "b", "c"));
    EXPECT_EQ(*reader.strings_count(), 4U);
}

TEST_F(StringsTest, a_full_table_says_inline_and_still_knows_the_old_ones) {
    SegmentOptions options = small_segment();
    options.strings_max = 4;  // the empty one, and three
    open_writer(options);
    for (const char* text : {"a", "b", "c"}) EXPECT_NE(writer.intern(text), SPANRING_ID_INLINE);
    EXPECT_EQ(writer.intern("d"), SPANRING_ID_INLINE);
    EXPECT_EQ(writer.intern("b"), 2U);
    EXPECT_EQ(writer.strings_count(), 4U);
}

TEST_F(StringsTest, full_string_memory_says_inline) {
    SegmentOptions options = small_segment();
    options.strings_max = 4096;
    open_writer(options);
    std::uint32_t interned = 0;
    for (std::uint32_t i = 0; i < 2000; ++i) {
        std::string text(kInternBytesMax, 'x');
        std::memcpy(text.data(), &i, sizeof i);
        if (writer.intern(text) == SPANRING_ID_INLINE) break;
        ++interned;
    }
    EXPECT_EQ(interned, (kStringDataBytesMax - 4) / (kInternBytesMax + 4));
}

TEST_F(StringsTest, threads_that_intern_the_same_strings_agree_on_the_numbers) {
    SegmentOptions options = small_segment();
    options.strings_max = 2000;
    open_writer(options);
    constexpr int kThreads = 4;
    constexpr std::uint32_t kStrings = 1000;
    std::vector<std::vector<std::uint32_t>> ids(kThreads, std::vector<std::uint32_t>(kStrings));
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            for (std::uint32_t i = 0; i < kStrings; ++i) {
                const std::uint32_t which =
                    (i * 7 + static_cast<std::uint32_t>(t) * 131) % kStrings;
                ids[t][which] = writer.intern("name " + std::to_string(which));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    for (int t = 1; t < kThreads; ++t) EXPECT_EQ(ids[t], ids[0]);
    EXPECT_EQ(writer.strings_count(), kStrings + 1);
    for (std::uint32_t i = 0; i < kStrings; ++i) {
        EXPECT_EQ(writer.string(ids[0][i]), "name " + std::to_string(i));
    }
}

TEST_F(StringsTest, a_reader_beside_a_writer_sees_whole_strings_only) {
    SegmentOptions options = small_segment();
    options.strings_max = 3000;
    open_writer(options);
    SegmentReader reader = attach(SegmentReader::Mode::kReadOnly);
    constexpr std::uint32_t kStrings = 2500;
    std::thread thread([&] {
        for (std::uint32_t i = 1; i <= kStrings; ++i) writer.intern("s" + std::to_string(i));
    });
    std::vector<std::string> copies;
    while (copies.size() <= kStrings) ASSERT_TRUE(reader.read_strings(&copies, 64));
    thread.join();
    for (std::uint32_t i = 1; i <= kStrings; ++i) EXPECT_EQ(copies[i], "s" + std::to_string(i));
}

TEST_F(StringsTest, a_new_segment_takes_over_the_strings_with_their_numbers) {
    open_writer();
    for (const char* text : {"a", "bb", "ccc"}) writer.intern(text);
    SegmentWriter next{};
    ASSERT_TRUE(next.open(directory, small_segment()));
    ASSERT_TRUE(next.copy_strings_from(writer.mapping()));
    EXPECT_EQ(next.string(2), "bb");
    EXPECT_EQ(next.intern("ccc"), 3U);
    EXPECT_EQ(next.intern("dddd"), 4U);
    EXPECT_FALSE(next.copy_strings_from(writer.mapping())) << "too late: numbers are given out";
    next.destroy();
}

TEST_F(StringsTest, strings_that_do_not_fit_are_not_taken_over) {
    open_writer();
    for (int i = 0; i < 10; ++i) writer.intern(std::to_string(i));
    SegmentOptions tiny = small_segment();
    tiny.strings_max = 5;
    SegmentWriter next{};
    ASSERT_TRUE(next.open(directory, tiny));
    EXPECT_FALSE(next.copy_strings_from(writer.mapping()));
    next.destroy();
}

TEST_F(StringsTest, without_memory_a_string_is_inline_and_nothing_breaks) {
    SegmentOptions options = small_segment();
    options.strings_max = 3000;
    open_writer(options);
    // The first 1024 numbers have their memory; the next one needs more.
    os::inject_lasting_fault(os::Call::kAllocate, 1, ENOSPC);
    std::uint32_t interned = 0;
    while (writer.intern("x" + std::to_string(interned)) != SPANRING_ID_INLINE) ++interned;
    EXPECT_GT(os::clear_fault(), 0U);
    EXPECT_GT(interned, 100U);
    EXPECT_NE(writer.intern("there is room again"), SPANRING_ID_INLINE);
}

}  // namespace
}  // namespace spanring::shm
