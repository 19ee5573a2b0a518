// Configuration: what is said is taken, what is wrong is named with file and line.
#include "spanring/consumer/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spanring::consumer {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string complaint(const std::string& text) {
    const auto config = parse_config(text, "d.toml");
    return config.ok() ? "" : config.error().message;
}

TEST(Config, every_key_of_the_annotated_file_is_known_and_has_its_default) {
    auto documented = read_config(SPANRING_SOURCE_DIR "/consumer/spanringd.toml");
    ASSERT_TRUE(documented.ok()) << documented.error().message;
    const Config defaults;
    EXPECT_EQ(documented->max_delay, defaults.max_delay);
    EXPECT_EQ(documented->workers, defaults.workers);
    EXPECT_EQ(documented->rings.directory_bytes_max, defaults.rings.directory_bytes_max);
    EXPECT_EQ(documented->rings.policy_allowed_mask, defaults.rings.policy_allowed_mask);
    EXPECT_EQ(documented->rings.block_ns_max, defaults.rings.block_ns_max);
    EXPECT_EQ(documented->store.database_bytes_max, defaults.store.database_bytes_max);
    EXPECT_EQ(documented->store.retention, defaults.store.retention);
    EXPECT_EQ(documented->store.window_bytes_max, defaults.store.window_bytes_max);
    EXPECT_EQ(documented->store.window_age_max, defaults.store.window_age_max);
    EXPECT_EQ(documented->store.sync_interval, defaults.store.sync_interval);
    EXPECT_EQ(documented->store.durability, defaults.store.durability);
    EXPECT_EQ(documented->store.compaction.enabled, defaults.store.compaction.enabled);
    EXPECT_EQ(documented->store.compaction.cpu_percent, defaults.store.compaction.cpu_percent);
    EXPECT_EQ(documented->store.compaction.zstd_level, defaults.store.compaction.zstd_level);
    EXPECT_EQ(documented->log_level, defaults.log_level);
    EXPECT_EQ(documented->log_bytes_max, defaults.log_bytes_max);
    EXPECT_EQ(documented->log_files, defaults.log_files);
}

TEST(Config, values_are_taken) {
    const auto config = parse_config(
        "directory = \"/r\"\ndatabase = \"/d\"\n[drain]\nmax_delay = \"5ms\"\nworkers = 3\n"
        "[rings]\npolicies = [\"drop\"]\npage_bytes = 4096\nring_bytes_max = \"2MiB\"\n"
        "[store]\ndurability = \"commit\"\nretention = \"2d\"\n[log]\nfile = \"/l\"\n",
        "d.toml");
    ASSERT_TRUE(config.ok()) << config.error().message;
    EXPECT_EQ(config->directory, "/r");
    EXPECT_EQ(config->database, "/d");
    EXPECT_EQ(config->max_delay, std::chrono::milliseconds(5));
    EXPECT_EQ(config->workers, 3u);
    EXPECT_EQ(config->rings.policy_allowed_mask, 1u << SPANRING_POLICY_DROP);
    EXPECT_EQ(config->rings.page_bytes, 4096u);
    EXPECT_EQ(config->rings.ring_bytes_max, 2u << 20);
    EXPECT_EQ(config->store.durability, store::Durability::kCommit);
    EXPECT_EQ(config->store.retention, std::chrono::hours(48));
    EXPECT_EQ(config->log_file, "/l");
}

TEST(Config, an_unknown_key_is_refused_with_its_line) {
    EXPECT_EQ(complaint("\n[drain]\nmax_delai = \"1ms\"\n"),
              "d.toml:3: unknown key \"drain.max_delai\"");
    EXPECT_THAT(complaint("drain = 3\n"), StartsWith("d.toml:1: unknown key"));
    EXPECT_THAT(complaint("[what]\na = 1\n"), HasSubstr("unknown key \"what\""));
}

TEST(Config, what_has_control_characters_is_refused_in_one_line) {
    EXPECT_EQ(complaint("a = f\n").find('\n'), std::string::npos);
    EXPECT_EQ(complaint("\"a\\nb\\u001b[2J\\u007f\" = 1"), "d.toml:1: unknown key \"a?b?[2J?\"");
}

TEST(Config, a_bad_value_is_refused_with_its_line_and_what_it_may_be) {
    EXPECT_EQ(complaint("[drain]\nmax_delay = \"2h\"\n"),
              "d.toml:2: drain.max_delay must be a time such as \"100us\", from 100us to 1s");
    EXPECT_THAT(complaint("[drain]\nworkers = -1\n"), HasSubstr("from 0 to 64"));
    EXPECT_THAT(complaint("[drain]\nworkers = \"2\"\n"), HasSubstr("must be a number"));
    EXPECT_THAT(complaint("[store]\ndurability = \"maybe\"\n"), HasSubstr("\"interval\""));
    EXPECT_THAT(complaint("[store]\nbytes_max = \"1.5GiB\"\n"), HasSubstr("number of bytes"));
    EXPECT_THAT(complaint("[rings]\npage_bytes = 5000\n"), HasSubstr("power of two"));
    EXPECT_THAT(complaint("[rings]\npolicies = [\"overwrite\"]\n"), HasSubstr("\"block\""));
    EXPECT_THAT(complaint("directory = \"\"\n"), HasSubstr("not empty"));
}

TEST(Config, a_syntax_error_is_refused_with_its_line) {
    EXPECT_THAT(complaint("a = 1\n[drain\n"), StartsWith("d.toml:2: "));
}

// The parser's own assertions are no answer to a typing error.
TEST(Config, tables_without_a_key_are_refused_with_their_line) {
    for (const char* table : {"[+", "[+]", "[", "[]", "[=", "[a.+]", "[[+"}) {
        const auto config = parse_config("\n" + std::string(table), "a.toml");
        ASSERT_FALSE(config.ok()) << table;
        EXPECT_NE(config.error().message.find("a.toml:2"), std::string::npos)
            << config.error().message;
    }
}

// toml++ 3.3 takes a point for unreachable to which these bring it.
TEST(Config, letters_beyond_ascii_outside_of_quotes_and_comments_are_refused_with_their_line) {
    for (const char* line : {"\u00c4 = 1", "\ufedf = 1", "[\u00c4]", "workers = \u00c4"}) {
        EXPECT_THAT(complaint("[drain]\n" + std::string(line)),
                    StartsWith("d.toml:2: letters beyond ASCII"));
    }
    const auto config = parse_config("directory = \"/srv/\u00c4\" # \u00c4", "d.toml");
    ASSERT_TRUE(config.ok()) << config.error().message;
    EXPECT_EQ(config->directory, "/srv/\u00c4");
}

TEST(Config, a_file_that_is_not_there_is_named) {
    const auto config = read_config("/nowhere/spanringd.toml");
    ASSERT_FALSE(config.ok());
    EXPECT_EQ(config.error().code, ErrorCode::kNotFound);
    EXPECT_THAT(config.error().message, HasSubstr("/nowhere/spanringd.toml"));
}

TEST(Config, bytes_and_times_have_units) {
    EXPECT_EQ(parse_bytes("64KiB"), 65536u);
    EXPECT_EQ(parse_bytes("7"), 7u);
    EXPECT_EQ(parse_bytes("7 MiB"), std::nullopt);
    EXPECT_EQ(parse_bytes("99999999999GiB"), std::nullopt);
    EXPECT_EQ(parse_duration("7d"), std::chrono::hours(7 * 24));
    EXPECT_EQ(parse_duration("250us"), std::chrono::microseconds(250));
    EXPECT_EQ(parse_duration("250"), std::nullopt);
    EXPECT_EQ(parse_duration("ms"), std::nullopt);
}

}  // namespace
}  // namespace spanring::consumer
