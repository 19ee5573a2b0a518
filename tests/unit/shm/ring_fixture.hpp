// A ring directory of its own for each test, removed with everything in it, and short ways to a
// small segment in it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "spanring/abi/record_layout.h"
#include "spanring/shm/directory.hpp"
#include "spanring/shm/mapping/segment_reader.hpp"
#include "spanring/shm/segment_writer.hpp"

namespace spanring::shm {

class ScratchDirectory {
public:
    ScratchDirectory() {
        char path[] = "/dev/shm/spanring-test-XXXXXX";
        path_ = ::mkdtemp(path);
    }
    ~ScratchDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    ScratchDirectory(const ScratchDirectory&) = delete;
    ScratchDirectory& operator=(const ScratchDirectory&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] RingDirectory open() const {
        return *RingDirectory::open(path_, RingDirectory::Create::kNo);
    }
    [[nodiscard]] std::vector<std::string> files() const {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(path_)) {
            names.push_back(entry.path().filename());
        }
        return names;
    }

private:
    std::string path_;
};

/// Four pages of 1 KiB, growing to eight: full after a few records.
inline SegmentOptions small_segment() {
    SegmentOptions options;
    options.ring_bytes_initial = 4096;
    options.ring_bytes_max = 8192;
    options.page_bytes = 1024;
    options.slots_max = 64;
    options.strings_max = 256;
    options.process_name = "test";
    return options;
}

/// One thread's writing: what the producer does, without its hot path.
class PageWriter {
public:
    PageWriter(const RingMemory& ring, const PageClaim& claim) : ring_(ring), claim_(claim) {}
    /// Appends a record of one word; false if the page is full.
    bool append(std::uint64_t head) {
        if (end_ + 8 > ring_.page_bytes) return false;
        std::memcpy(claim_.bytes() + end_, &head, sizeof head);
        end_ += 8;
        return true;
    }
    void publish() const { PageRing::publish(claim_, end_); }
    [[nodiscard]] std::uint32_t end() const { return end_; }

private:
    RingMemory ring_;
    PageClaim claim_;
    std::uint32_t end_{SPANRING_PAGE_DATA};
};

class RingTest : public ::testing::Test {
protected:
    ~RingTest() override { writer.destroy(); }

    void open_writer(const SegmentOptions& options = small_segment()) {
        const Result<void> opened = writer.open(directory, options);
        ASSERT_TRUE(opened) << opened.error().message;
    }
    SegmentReader attach(SegmentReader::Mode mode = SegmentReader::Mode::kReadWrite) {
        Result<SegmentReader> reader = SegmentReader::attach(directory, writer.file_name(), mode);
        EXPECT_TRUE(reader) << (reader ? "" : reader.error().message);
        return *std::move(reader);
    }
    /// A claimed page with its header.
    PageClaim begin_page(std::uint32_t stream, std::uint64_t sequence) {
        const PageClaim claim = writer.claim_page(stream);
        if (claim.valid()) PageRing::write_header(claim, {stream, sequence, 1000 + sequence, 1});
        return claim;
    }

    ScratchDirectory scratch;
    RingDirectory directory = scratch.open();
    SegmentWriter writer{};
};

}  // namespace spanring::shm
