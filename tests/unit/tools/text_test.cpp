#include <gtest/gtest.h>

#include <cmath>

#include "term.hpp"

namespace spanring::tools {
namespace {

constexpr Terminal kPlainTerminal{false, false, 80};
constexpr Terminal kColourTerminal{true, true, 80};

TEST(DisplayWidth, counts_columns_not_bytes) {
    EXPECT_EQ(display_width("abc"), 3u);
    EXPECT_EQ(display_width("µs"), 2u);
    EXPECT_EQ(display_width("日本"), 4u);
    EXPECT_EQ(display_width("e\xcc\x81"), 1u);  // e and a combining accent
    EXPECT_EQ(display_width("\x1b[31mred\x1b[0m"), 3u);
}

TEST(DisplayWidth, survives_broken_utf8) {
    EXPECT_EQ(display_width("\xff\xfe"), 2u);
    EXPECT_EQ(display_width("a\xe2\x82"), 2u);  // cut in the middle
    EXPECT_EQ(display_width("\x1b[31"), 0u);    // an escape sequence without end
}

TEST(CutToWidth, keeps_what_fits_and_marks_what_was_cut) {
    EXPECT_EQ(cut_to_width("abc", 3), "abc");
    EXPECT_EQ(cut_to_width("abcd", 3), "ab…");
    EXPECT_EQ(cut_to_width("日本語", 4), "日…");
    EXPECT_EQ(cut_to_width("abc", 0), "");
    EXPECT_EQ(cut_to_width("abc", 1), "…");
}

TEST(Printable, disarms_control_characters) {
    EXPECT_EQ(printable("a\x1b[31mb"), "a�[31mb");
    EXPECT_EQ(printable("one\ntwo\tthree"), "one two three");
    EXPECT_EQ(printable("\xc2\x9b"), "�");  // the 8-bit form of ESC [
    EXPECT_EQ(printable("größe 日本"), "größe 日本");
}

TEST(Bar, fills_in_eighths_of_a_cell) {
    EXPECT_EQ(bar(0, 4), "    ");
    EXPECT_EQ(bar(1, 4), "████");
    EXPECT_EQ(bar(0.5, 4), "██  ");
    EXPECT_EQ(bar(0.125, 1), "▏");
}

TEST(Bar, clamps_what_is_out_of_range) {
    EXPECT_EQ(bar(7, 2), "██");
    EXPECT_EQ(bar(-1, 2), "  ");
    EXPECT_EQ(bar(std::nan(""), 2), "  ");
}

TEST(Table, aligns_columns_by_their_widest_cell) {
    Table table({{"NAME"}, {"N", Table::Align::kRight}});
    table.row({"a", "1"});
    table.row({"µµµµµµ", "1,000"});
    EXPECT_EQ(table.render(kPlainTerminal),
              "NAME        N\n"
              "a           1\n"
              "µµµµµµ  1,000\n");
}

TEST(Table, cuts_cells_at_the_limit_of_their_column) {
    Table table({{"NAME", Table::Align::kLeft, 5}, {"X"}});
    table.row({"abcdefgh", "1"});
    EXPECT_EQ(table.render(kPlainTerminal), "NAME   X\nabcd…  1\n");
}

TEST(Table, is_nothing_without_rows) {
    EXPECT_EQ(Table({{"NAME"}}).render(kPlainTerminal), "");
}

TEST(Table, pads_painted_cells_by_what_is_visible) {
    Table table({{"A"}, {"B"}});
    table.row({kColourTerminal.paint(Style::kRed, "x"), "1"});
    table.row({"yyy", "2"});
    const std::string text = table.render(kColourTerminal);
    EXPECT_NE(text.find("\x1b[31mx\x1b[0m    1\n"), std::string::npos) << text;
}

TEST(Terminal, paints_only_where_there_is_colour) {
    EXPECT_EQ(kPlainTerminal.paint(Style::kRed, "x"), "x");
    EXPECT_EQ(kColourTerminal.paint(Style::kRed, "x"), "\x1b[31mx\x1b[0m");
    EXPECT_EQ(kColourTerminal.paint(Style::kPlain, "x"), "x");
}

TEST(StyleOfName, is_the_same_for_the_same_name_and_never_an_alarm_colour) {
    EXPECT_EQ(style_of_name("cart"), style_of_name("cart"));
    for (const char* name : {"cart", "payment", "frontend", "", "x", "日本"}) {
        EXPECT_NE(style_of_name(name), Style::kRed);
        EXPECT_NE(style_of_name(name), Style::kYellow);
    }
}

}  // namespace
}  // namespace spanring::tools
