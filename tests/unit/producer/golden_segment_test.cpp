// Segments and control pages of every layout that was ever written: those of this layout are read
// and mean what they meant, others are refused in words that name both.
#include "golden_segment.hpp"

#include <gmock/gmock.h>

#include <cstring>
#include <filesystem>

#include "spanring/abi/segment_layout.h"

namespace spanring::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::vector<std::string> goldens(const std::string& suffix) {
    std::vector<std::string> paths;
    for (const auto& entry : fs::directory_iterator(SPANRING_GOLDEN_DIR)) {
        if (entry.path().string().ends_with(suffix)) paths.push_back(entry.path());
    }
    EXPECT_FALSE(paths.empty()) << suffix;
    return paths;
}

spanring_segment_header header_of(const std::string& segment) {
    spanring_segment_header header{};
    EXPECT_GE(segment.size(), sizeof header);
    std::memcpy(&header, segment.data(), std::min(segment.size(), sizeof header));
    return header;
}

bool is_of_this_layout(const spanring_segment_header& header) {
    return header.abi_major == SPANRING_ABI_MAJOR &&
           header.fingerprint == SPANRING_LAYOUT_FINGERPRINT;
}

constexpr const char* kName = "1-00112233445566778899aabbccddeeff.seg";

Result<shm::SegmentReader> attach(const TestDirectory& directory, const std::string& segment) {
    EXPECT_TRUE(write_file(directory.path() + "/" + kName, segment));
    return shm::SegmentReader::attach(directory.directory(), kName,
                                      shm::SegmentReader::Mode::kReadWrite);
}

TEST(GoldenSegments, of_this_layout_are_read_and_mean_what_they_meant) {
    int read = 0;
    for (const std::string& path : goldens(".segment.zst")) {
        const std::string segment = read_packed(path);
        if (!is_of_this_layout(header_of(segment))) continue;
        ++read;
        const TestDirectory directory;
        ASSERT_TRUE(attach(directory, segment).ok()) << path;
        const std::string base = path.substr(0, path.find(".segment"));
        EXPECT_EQ(told_by(directory.directory()), read_file(base + ".jsonl")) << path;
    }
    EXPECT_EQ(read, 1) << "a new layout has a golden segment: make_golden_segment";
}

TEST(GoldenSegments, of_another_layout_are_refused_by_name) {
    for (const std::string& path : goldens(".segment.zst")) {
        const std::string segment = read_packed(path);
        spanring_segment_header header = header_of(segment);
        if (is_of_this_layout(header)) header.fingerprint += 1;  // as a later version would have it
        std::string other = segment;
        std::memcpy(other.data(), &header, sizeof header);
        const TestDirectory directory;
        const auto reader = attach(directory, other);
        ASSERT_FALSE(reader.ok()) << path;
        EXPECT_EQ(reader.error().code, ErrorCode::kVersion);
        char theirs[32];
        std::snprintf(theirs, sizeof theirs, "is 0x%x, not 0x%x",
                      static_cast<unsigned>(header.fingerprint),
                      static_cast<unsigned>(SPANRING_LAYOUT_FINGERPRINT));
        if (header.abi_major == SPANRING_ABI_MAJOR) {
            EXPECT_THAT(reader.error().message, HasSubstr(theirs)) << path;
        }
    }
}

TEST(GoldenSegments, that_are_damaged_are_refused) {
    EXPECT_GE(goldens(".bad.zst").size(), 2u);
    for (const std::string& path : goldens(".bad.zst")) {
        const TestDirectory directory;
        const auto reader = attach(directory, read_packed(path));
        ASSERT_FALSE(reader.ok()) << path;
        EXPECT_EQ(reader.error().code, ErrorCode::kCorrupt) << reader.error().message;
    }
}

/// Starts a tracer in a directory with this control page; returns why it does not record.
std::string reason_with(const std::string& control) {
    std::string reason;
    int fds[2];
    EXPECT_EQ(::pipe(fds), 0);
    const TestDirectory directory;
    EXPECT_TRUE(write_file(directory.path() + "/control", control));
    in_child([&] {
        ASSERT_TRUE(configure({.service_name = "golden", .directory = directory.path()}).ok());
        { Span span("span"); }
        const Status now = status();
        const std::string text = now.recording ? "" : "refused: " + now.reason;
        ASSERT_EQ(::write(fds[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
    });
    ::close(fds[1]);
    char text[512];
    for (ssize_t got; (got = ::read(fds[0], text, sizeof text)) > 0;)
        reason.append(text, static_cast<std::size_t>(got));
    ::close(fds[0]);
    return reason;
}

TEST(GoldenControlPages, of_this_layout_are_obeyed_and_others_refused_by_name) {
    int obeyed = 0;
    for (const std::string& path : goldens(".control.zst")) {
        const std::string page = read_packed(path);
        spanring_control control{};
        ASSERT_GE(page.size(), sizeof control) << path;
        std::memcpy(&control, page.data(), sizeof control);
        if (control.abi_major == SPANRING_ABI_MAJOR) {
            ++obeyed;
            EXPECT_EQ(reason_with(page), "") << path;
            control.abi_major += 1;
        }
        std::string other = page;
        std::memcpy(other.data(), &control, sizeof control);
        const std::string reason = reason_with(other);
        EXPECT_THAT(reason, HasSubstr(std::to_string(control.abi_major))) << path;
        EXPECT_THAT(reason, HasSubstr("control")) << path;
    }
    EXPECT_GE(obeyed, 1);
}

}  // namespace
}  // namespace spanring::test
