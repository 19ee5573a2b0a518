// The hot path's own way to copy text.
#include "spanring/detail/hot_path.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace spanring::detail {
namespace {

TEST(HotPath, text_of_each_length_is_padded_with_zeros_and_nothing_behind_it_is_touched) {
    std::string text;
    for (std::size_t bytes = 0; bytes <= 40; ++bytes) {
        char place[64];
        std::memset(place, 0x55, sizeof place);
        EXPECT_EQ(put_padded_at(place, text.data(), bytes), place + padded(bytes)) << bytes;
        EXPECT_EQ(std::string(place, bytes), text) << bytes;
        for (std::size_t i = bytes; i < padded(bytes); ++i) EXPECT_EQ(place[i], 0) << bytes;
        for (std::size_t i = padded(bytes); i < sizeof place; ++i) EXPECT_EQ(place[i], 0x55);
        text.push_back(static_cast<char>(0x80 + bytes));
    }
}

}  // namespace
}  // namespace spanring::detail
