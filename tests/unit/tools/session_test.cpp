#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "commands.hpp"

namespace spanring::tools {
namespace {

class Precedence : public testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/spanring-session-XXXXXX";
        folder_ = mkdtemp(name);
        for (const char* variable : {"SPANRING_DIR", "SPANRING_DB", "SPANRING_CONFIG"}) {
            unsetenv(variable);
        }
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    std::string write_config(const std::string& text) const {
        const std::string path = folder_ + "/spanringd.toml";
        std::ofstream(path) << text;
        return path;
    }
    std::string folder_;
};

TEST_F(Precedence, flag_wins_over_environment_over_file_over_default) {
    GlobalOptions options;
    const std::string standard = *ring_directory(options);
    EXPECT_FALSE(standard.empty());
    options.config = write_config("directory = \"/from/file\"\ndatabase = \"/db/file\"\n");
    EXPECT_EQ(*ring_directory(options), "/from/file");
    EXPECT_EQ(*database_path(options), "/db/file");
    setenv("SPANRING_DIR", "/from/environment", 1);
    setenv("SPANRING_DB", "/db/environment", 1);
    EXPECT_EQ(*ring_directory(options), "/from/environment");
    EXPECT_EQ(*database_path(options), "/db/environment");
    options.dir = "/from/flag";
    options.db = "/db/flag";
    EXPECT_EQ(*ring_directory(options), "/from/flag");
    EXPECT_EQ(*database_path(options), "/db/flag");
}

TEST_F(Precedence, the_file_may_come_from_the_environment) {
    setenv("SPANRING_CONFIG", write_config("directory = \"/x\"\n").c_str(), 1);
    EXPECT_EQ(*ring_directory(GlobalOptions{}), "/x");
}

TEST_F(Precedence, database_limit_is_read_from_the_file) {
    GlobalOptions options;
    EXPECT_EQ(*database_bytes_max(options), 10ull << 30);
    options.config = write_config("[store]\nbytes_max = \"2GiB\"\n");
    EXPECT_EQ(*database_bytes_max(options), 2ull << 30);
}

TEST_F(Precedence, errors_name_file_and_line) {
    GlobalOptions options;
    options.config = write_config("directory = \"/x\"\nthis is no toml\n");
    EXPECT_NE(ring_directory(options).error().message.find(options.config + ":2"),
              std::string::npos);
    options.config = write_config("\ndirectory = []\n");
    EXPECT_NE(ring_directory(options).error().message.find(options.config + ":2"),
              std::string::npos);
    options.config = write_config("directory = \"/x\"\n\u00c4 = 1\n");
    EXPECT_NE(ring_directory(options).error().message.find(options.config + ":2"),
              std::string::npos);
    options.config = folder_;
    EXPECT_NE(ring_directory(options).error().message.find("Is a directory"), std::string::npos);
    options.config = folder_ + "/absent.toml";
    EXPECT_EQ(ring_directory(options).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace spanring::tools
