// Batches of every format version that was ever written are read, and mean what they meant.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "batch_layout.hpp"
#include "golden_samples.hpp"
#include "spanring/base/crc32c.hpp"
#include "spanring/codec/jsonl.hpp"

namespace spanring::codec {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(file.is_open()) << path;
    return {std::istreambuf_iterator<char>(file), {}};
}

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}

std::vector<fs::path> goldens(const char* extension) {
    std::vector<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(SPANRING_GOLDEN_DIR)) {
        if (entry.path().extension() == extension) paths.push_back(entry.path());
    }
    EXPECT_GE(paths.size(), 3u);
    return paths;
}

TEST(GoldenBatches, are_read_and_mean_what_they_meant) {
    for (const fs::path& path : goldens(".batch")) {
        const std::string file = read_file(path);
        const auto batch = decode(bytes_of(file));
        ASSERT_TRUE(batch.ok()) << path << ": " << batch.error().message;
        std::string lines;
        for (std::size_t i = 0; i < batch->rows.size(); ++i) {
            lines += to_jsonl(*batch->span(i)) + "\n";
        }
        EXPECT_EQ(lines, read_file(fs::path(path).replace_extension(".jsonl"))) << path;
    }
}

TEST(GoldenBatches, that_are_damaged_are_refused) {
    for (const fs::path& path : goldens(".bad")) {
        const std::string file = read_file(path);
        const auto batch = decode(bytes_of(file));
        ASSERT_FALSE(batch.ok()) << path;
        EXPECT_EQ(batch.error().code, ErrorCode::kCorrupt) << path;
    }
}

// A reader of version 2 would refuse it as this build does: corrupt, not understood by half.
TEST(GoldenBatches, a_dictionary_in_a_batch_of_version_2_is_refused) {
    std::string file = read_file(fs::path(SPANRING_GOLDEN_DIR) / "v3-dictionary.batch");
    BatchHeader header;
    ASSERT_GT(file.size(), sizeof(header));
    std::memcpy(&header, file.data(), sizeof(header));
    ASSERT_EQ(header.version, kBatchVersionDictionary);
    header.version = kBatchVersionZstd;
    std::memcpy(file.data(), &header, sizeof(header));
    const std::uint32_t crc = crc32c(bytes_of(file).subspan(kChecksummedFrom));
    std::memcpy(file.data() + offsetof(BatchHeader, crc32c), &crc, sizeof(crc));
    const auto batch = decode(bytes_of(file));
    ASSERT_FALSE(batch.ok());
    EXPECT_EQ(batch.error().message, "batch: column of values 0");
}

// The format did not change unnoticed. LZ4's output may differ between its versions, so the
// comparison is of what a reader sees, section by section sizes aside.
TEST(GoldenBatches, are_what_this_build_writes) {
    for (const auto& [name, batch] : test::golden_batches()) {
        const std::string golden = read_file(fs::path(SPANRING_GOLDEN_DIR) / (name + ".batch"));
        const auto written = encode(batch);
        ASSERT_TRUE(written.ok());
        const auto from_golden = decode(bytes_of(golden));
        ASSERT_TRUE(from_golden.ok());
        EXPECT_EQ(*encode(*from_golden), *written) << name;
    }
}

}  // namespace
}  // namespace spanring::codec
