// Where letters beyond ASCII may stand in a configuration file.
#include "spanring/base/toml_letters.hpp"

#include <gtest/gtest.h>

namespace spanring {
namespace {

/// Returns the line that is refused, 0: none.
int refused_line(std::string_view text) {
    const auto checked = check_toml_letters(text, "a.toml");
    if (checked) return 0;
    EXPECT_EQ(checked.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(checked.error().message.rfind("a.toml:", 0), 0u) << checked.error().message;
    return std::stoi(checked.error().message.substr(7));
}

TEST(TomlLetters, beyond_ascii_stand_in_comments_and_in_the_quotes_of_a_key) {
    for (const char* text : {
             "# Ä\na = 1 # ö\n[b] # \"ä\"",
             "a = \"/srv/ä\" # ü\nb = '/srv/ß'\r\nc=\"ä\"",
             "\t a.b_c-9\t= \"\\\"Ä\\\\\" # \"",
             "a = 'Ä\\' # '",
             "a = \"Ä\"",
             "a = [ # Ä\n 1, # ö\n]",
             "\xEF\xBB\xBF# Ä\na = 1",
             "a = \"\"\"b\nc\"\"\"",
             "",
         }) {
        EXPECT_EQ(refused_line(text), 0) << text;
    }
}

TEST(TomlLetters, beyond_ascii_are_refused_with_their_line_anywhere_else) {
    EXPECT_EQ(refused_line("ä = 1"), 1);
    EXPECT_EQ(refused_line("a = 1\nb\xC3\x84 = 2\n"), 2);
    EXPECT_EQ(refused_line("\n\n[\xEF\xBB\x9F]"), 3);
    EXPECT_EQ(refused_line("\"ä\" = 1"), 1);
    EXPECT_EQ(refused_line("a = \"b\"ä"), 1);
    EXPECT_EQ(refused_line("a = \"b\" ä # c"), 1);
    EXPECT_EQ(refused_line("a = \"ä"), 1);
    EXPECT_EQ(refused_line("a = 'b\\'ä"), 1);
    EXPECT_EQ(refused_line("a = \"\\\nä\""), 2);
    EXPECT_EQ(refused_line("a\n\xEF\xBB\xBF"), 2);
    EXPECT_EQ(refused_line("\x80"), 1);
}

// toml++ looks for the end of a number's characters without a thought for quotes.
TEST(TomlLetters, beyond_ascii_are_refused_in_quotes_that_may_be_within_a_number) {
    EXPECT_EQ(refused_line("a = 1\"ä\""), 1);
    EXPECT_EQ(refused_line("a = 1=\"ä\""), 1);
    EXPECT_EQ(refused_line("a = [\n1=\"ä\"\n]"), 2);
    EXPECT_EQ(refused_line("a = [\"ä\"]"), 1);
}

// Behind a backslash at the end of a line there, it asks for white space, too.
TEST(TomlLetters, beyond_ascii_are_refused_in_a_file_with_strings_of_several_lines) {
    EXPECT_EQ(refused_line("a = \"\"\"\\\n\xC3\x84\"\"\""), 2);
    EXPECT_EQ(refused_line("a = '''\n'''\n# ä"), 3);
}

}  // namespace
}  // namespace spanring
