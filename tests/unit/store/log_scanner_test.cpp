// A scanner beside a writer: what is whole is found, what is not whole yet is "not yet".
#include "log_scanner.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "spanring/base/unique_fd.hpp"
#include "spanring/store/frame.hpp"
#include "support.hpp"

namespace spanring::store::testing {
namespace {

class Scanner : public ::testing::Test {
protected:
    static std::vector<std::byte> frame(std::uint64_t number) {
        Frame one;
        one.number = number;
        one.deferred.resize(100);
        return encode(one, {});
    }
    static std::vector<std::byte> frame_with_batch(std::uint64_t number, std::size_t bytes) {
        Frame one;
        one.number = number;
        one.batches.emplace_back(bytes);
        return encode(one, {});
    }
    /// Appends to the file, as a writer does whose write comes in parts.
    void append(const std::vector<std::byte>& bytes, std::size_t from, std::size_t to) {
        std::ofstream file(path_, std::ios::binary | std::ios::app);
        file.write(reinterpret_cast<const char*>(bytes.data() + from),
                   static_cast<std::streamsize>(to - from));
    }
    void append(const std::vector<std::byte>& bytes) { append(bytes, 0, bytes.size()); }
    LogScanner scanner() {
        fd_.reset(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
        return {fd_.get(), "log", 0, Verify::kPositions};
    }
    static std::uint64_t next_number(LogScanner& scanner) {
        FramePlace place;
        const auto found = scanner.next(&place);
        EXPECT_TRUE(found.ok());
        return found && *found ? place.header.number : 0;
    }

    TempDir folder_;
    std::string path_ = folder_.path() + "/log";
    UniqueFd fd_;
};

TEST_F(Scanner, finds_frames_that_come_after_it_has_met_the_end) {
    append(frame(1));
    LogScanner scan = scanner();
    EXPECT_EQ(next_number(scan), 1u);
    EXPECT_EQ(next_number(scan), 0u);
    append(frame(2));
    EXPECT_EQ(next_number(scan), 2u);
    EXPECT_EQ(next_number(scan), 0u);
    EXPECT_EQ(scan.tail_bytes(), 0u);
}

TEST_F(Scanner, a_frame_that_was_half_written_when_the_scan_began_is_found_whole) {
    const auto second = frame(2);
    append(frame(1));
    append(second, 0, second.size() / 2);
    LogScanner scan = scanner();
    EXPECT_EQ(next_number(scan), 1u);
    append(second, second.size() / 2, second.size());
    append(frame(3));
    EXPECT_EQ(next_number(scan), 2u);
    EXPECT_EQ(next_number(scan), 3u);
    EXPECT_TRUE(scan.skipped().empty());
}

// A consumer that comes back cuts what was torn and writes its first frame in the same place.
TEST_F(Scanner, believes_no_length_that_the_file_had_before_it_was_cut) {
    const auto first = frame_with_batch(1, 20'000);  // more than is read ahead
    const auto second = frame_with_batch(2, 4000);
    append(first);
    append(std::vector<std::byte>(8000, std::byte{0xff}));
    LogScanner scan = scanner();
    EXPECT_EQ(next_number(scan), 1u);
    ASSERT_EQ(::truncate(path_.c_str(), static_cast<off_t>(first.size())), 0);
    append(second, 0, second.size() - 2000);
    EXPECT_EQ(next_number(scan), 0u) << "its batch is not all there";
    EXPECT_EQ(scan.tail_bytes(), second.size() - 2000);
}

TEST_F(Scanner, goes_no_further_than_its_limit) {
    append(frame(1));
    append(frame(2));
    append(frame(3));
    LogScanner scan = scanner();
    scan.limit(frame(1).size() + frame(2).size());
    EXPECT_EQ(next_number(scan), 1u);
    EXPECT_EQ(next_number(scan), 2u);
    EXPECT_EQ(next_number(scan), 0u);
}

TEST_F(Scanner, half_a_frame_is_the_tail_until_it_is_whole) {
    const auto first = frame(1);
    append(first, 0, 40);
    LogScanner scan = scanner();
    for (int look = 0; look < 2; ++look) {
        EXPECT_EQ(next_number(scan), 0u);
        EXPECT_EQ(scan.tail_bytes(), 40u);
    }
    append(first, 40, first.size());
    EXPECT_EQ(next_number(scan), 1u);
    EXPECT_TRUE(scan.skipped().empty());
}

}  // namespace
}  // namespace spanring::store::testing
