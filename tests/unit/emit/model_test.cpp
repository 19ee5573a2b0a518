// The oracle's own JSON must say what was said, or the judge judges nonsense.
#include "model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <sstream>

#include "json_text.hpp"
#include "judge.hpp"

namespace spanring::tools::emit {
namespace {

TEST(JsonText, escapes_what_json_does_not_allow) {
    EXPECT_EQ(json_of(std::string_view("a\"b\\c\n\0d", 8)), "\"a\\\"b\\\\c\\u000a\\u0000d\"");
    EXPECT_EQ(json_of("Größe 猫"), "\"Größe 猫\"");
}

TEST(JsonText, integers_and_doubles_stay_apart) {
    EXPECT_EQ(json_of(std::int64_t{3}), "3");
    EXPECT_EQ(json_of(3.0), "3.0");
    EXPECT_EQ(json_of(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
    EXPECT_EQ(json_of(0.1), "0.10000000000000001");
    EXPECT_EQ(json_of(std::numeric_limits<double>::infinity()), "\"Infinity\"");
}

TEST(JsonText, lists) {
    EXPECT_EQ(json_of_list(std::vector<bool>{true, false}), "[true,false]");
    EXPECT_EQ(json_of_list(std::vector<std::string>{"a", ""}), "[\"a\",\"\"]");
    EXPECT_EQ(json_of_list(std::vector<std::int64_t>{}), "[]");
}

TEST(ModelSpan, shows_the_last_value_of_a_key) {
    ModelSpan span;
    span.attributes = {{"a", "1"}, {"b", "2"}, {"a", "3"}};
    EXPECT_THAT(span.json(), testing::HasSubstr(R"("attributes":{"b":2,"a":3})"));
}

TEST(OracleFile, is_readable_by_the_judge) {
    char path[] = "/tmp/spanring-oracle-XXXXXX";
    const int fd = ::mkstemp(path);
    ASSERT_GE(fd, 0);
    ::close(fd);
    ModelSpan span;
    span.trace_id = "0a";
    span.span_id = "01";
    span.service = "s";
    span.name = "with \"quotes\"";
    span.events.push_back({"e", {{"k", "true"}}});
    span.links.push_back({"0b", "02", "v=1", {}});
    {
        OracleFile file(path);
        ASSERT_TRUE(file.ok());
        file.span(span);
        file.losses("s", {1, 0, 0});
    }
    std::ifstream in(path);
    std::istringstream none;
    const Result<Verdict> verdict = judge(in, "oracle", none, "export");
    ::unlink(path);
    ASSERT_TRUE(verdict.ok()) << verdict.error().message;
    EXPECT_EQ(verdict->oracle_spans, 1u);
    EXPECT_TRUE(verdict->equal());
}

}  // namespace
}  // namespace spanring::tools::emit
