#include "json.hpp"

#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <cmath>

namespace spanring::tools {
namespace {

TEST(Json, writes_what_a_parser_reads_back) {
    Json json;
    json.open_object()
        .field("text", "a\"b\n")
        .field("big", std::uint64_t{18446744073709551615u})
        .field("small", std::int64_t{-9223372036854775807})
        .field("flag", true)
        .key("list")
        .open_array()
        .value(1.5)
        .null()
        .close_array()
        .close_object();
    rapidjson::Document document;
    document.Parse(json.line().c_str());
    ASSERT_FALSE(document.HasParseError());
    EXPECT_STREQ(document["text"].GetString(), "a\"b\n");
    EXPECT_EQ(document["big"].GetUint64(), 18446744073709551615u);
    EXPECT_EQ(document["small"].GetInt64(), -9223372036854775807);
    EXPECT_TRUE(document["flag"].GetBool());
    EXPECT_DOUBLE_EQ(document["list"][0].GetDouble(), 1.5);
    EXPECT_TRUE(document["list"][1].IsNull());
}

TEST(Json, not_a_number_and_infinity_are_null) {
    Json json;
    json.open_array().value(std::nan("")).value(INFINITY).close_array();
    EXPECT_EQ(json.text(), "[null,null]");
}

TEST(Json, absent_values_are_null) {
    Json json;
    json.open_object()
        .field("there", std::optional<std::int64_t>(7))
        .field("absent", std::optional<std::int64_t>())
        .close_object();
    EXPECT_EQ(json.text(), R"({"there":7,"absent":null})");
}

TEST(Json, clear_begins_a_new_document) {
    Json json;
    json.open_object().close_object();
    json.clear();
    json.open_array().value("x").close_array();
    EXPECT_EQ(json.text(), "[\"x\"]");
}

TEST(ValidUtf8, replaces_only_what_is_broken) {
    EXPECT_EQ(valid_utf8("größe 日本 😀"), "größe 日本 😀");
    EXPECT_EQ(valid_utf8("a\xff"), "a\xef\xbf\xbd");
    EXPECT_EQ(valid_utf8("\xc0\x80"), "\xef\xbf\xbd\xef\xbf\xbd");          // overlong
    EXPECT_EQ(valid_utf8("\xed\xa0\x80").find('\xed'), std::string::npos);  // surrogate
    EXPECT_EQ(valid_utf8("\xf4\x90\x80\x80").find('\xf4'), std::string::npos);
    EXPECT_EQ(valid_utf8("\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd");  // cut
}

}  // namespace
}  // namespace spanring::tools
