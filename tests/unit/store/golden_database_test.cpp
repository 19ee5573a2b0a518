// Databases of every version that was ever written are read, mean what they meant, and go on. One
// whose catalogue is of an older version gets a new one.
#include "golden_database.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

#include "catalogue_schema.hpp"

namespace spanring::store::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;

std::vector<fs::path> goldens() {
    std::vector<fs::path> folders;
    for (const auto& entry : fs::directory_iterator(SPANRING_GOLDEN_DIR))
        if (entry.is_directory()) folders.push_back(entry.path());
    EXPECT_FALSE(folders.empty());
    return folders;
}

void unpack(const fs::path& golden, const std::string& path) {
    fs::create_directories(path);
    for (const auto& entry : fs::directory_iterator(golden)) {
        if (entry.path().extension() != ".zst") continue;
        const std::string bytes = test::read_packed(entry.path());
        ASSERT_FALSE(bytes.empty()) << entry.path();
        ASSERT_TRUE(test::write_file(path + "/" + entry.path().stem().string(), bytes));
    }
}

TEST(GoldenDatabases, are_read_and_mean_what_they_meant_and_go_on) {
    for (const fs::path& golden : goldens()) {
        const TempDir dir;
        unpack(golden, dir.db());
        const std::string meant = test::read_file(golden / "spans.jsonl");
        {
            auto reader = open_reader(dir.db());
            ASSERT_NE(reader, nullptr) << golden;
            EXPECT_EQ(told_by(*reader), meant) << golden;
        }
        auto writer = open_writer(dir.db());
        ASSERT_NE(writer, nullptr) << golden;
        EXPECT_EQ(writer->recovered().open_spans.rows.size(), 1u);
        ASSERT_TRUE(writer->index_now().ok()) << golden;
        auto reader = open_reader(dir.db());
        EXPECT_EQ(told_by(*reader), meant) << golden << ", indexed by this version";
        EXPECT_THAT(reader->warnings(), IsEmpty()) << golden;
        ASSERT_TRUE(commit_numbered(*writer, 1000).ok()) << golden;
        EXPECT_EQ(visible_names(dir.db(), {.operation = "f1000"}).size(), 1u) << golden;
    }
}

TEST(GoldenDatabases, of_this_version_are_read_by_their_own_catalogue) {
    const std::string name = "database-" + std::to_string(kCatalogueVersion);
    const fs::path golden = fs::path(SPANRING_GOLDEN_DIR) / name;
    ASSERT_TRUE(fs::exists(golden)) << "a new version has a golden database: make_golden_database";
    const TempDir dir;
    unpack(golden, dir.db());
    auto reader = open_reader(dir.db());
    EXPECT_EQ(told_by(*reader), test::read_file(golden / "spans.jsonl"));
    EXPECT_THAT(reader->warnings(), IsEmpty());
}

}  // namespace
}  // namespace spanring::store::testing
