#include "value.hpp"

#include <gtest/gtest.h>

namespace spanring::tools {
namespace {

TEST(ValueText, shows_each_type_as_people_write_it) {
    EXPECT_EQ(value_text(codec::Value(true)), "true");
    EXPECT_EQ(value_text(codec::Value(std::int64_t{-42})), "-42");
    EXPECT_EQ(value_text(codec::Value(12.5)), "12.5");
    EXPECT_EQ(value_text(codec::Value(std::string("EUR"))), "EUR");
    EXPECT_EQ(value_text(codec::Value(codec::Json{"{\"a\":1}"})), "{\"a\":1}");
    EXPECT_EQ(value_text(codec::Value(codec::Bytes{std::string("\x00\xff", 2)})), "(2 bytes) 00ff");
    EXPECT_EQ(value_text(codec::Value(std::vector<bool>{true, false})), "[true, false]");
    EXPECT_EQ(value_text(codec::Value(std::vector<std::int64_t>{1, 2})), "[1, 2]");
    EXPECT_EQ(value_text(codec::Value(std::vector<std::string>{"a", "b"})), "[a, b]");
}

TEST(ValueText, cannot_drive_the_terminal) {
    const std::string text = value_text(codec::Value(std::string("x\x1b[2J\ny")));
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_EQ(text.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace spanring::tools
