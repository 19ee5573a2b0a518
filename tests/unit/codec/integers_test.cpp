#include "integers.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace spanring::codec {
namespace {

using Words = std::vector<std::uint64_t>;
constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();

Words read_back(const Buffer& bytes, std::size_t count) {
    ByteReader in(bytes);
    Words values;
    EXPECT_TRUE(get_integers(in, count, &values));
    EXPECT_TRUE(in.finished());
    return values;
}

std::size_t stored_bytes(const Words& values) {
    Buffer bytes;
    put_integers(bytes, values);
    EXPECT_EQ(read_back(bytes, values.size()), values);
    return bytes.size();
}

TEST(Integers, come_back_for_every_count_around_a_block) {
    for (const std::size_t count : {0, 1, 2, 127, 128, 129, 255, 256, 257, 1000}) {
        Words values(count);
        for (std::size_t i = 0; i < count; ++i) values[i] = i * i * 977;
        stored_bytes(values);
    }
}

TEST(Integers, come_back_at_every_width) {
    std::mt19937_64 random(1);
    for (unsigned width = 0; width <= 64; ++width) {
        Words values(200);
        for (auto& v : values) v = width == 0 ? 5 : random() >> (64 - width);
        stored_bytes(values);
    }
}

TEST(Integers, come_back_at_the_extremes) {
    stored_bytes({kMax});
    stored_bytes({0, kMax});
    stored_bytes({kMax, 0, kMax, 1, kMax - 1, 1ull << 63});
    stored_bytes(Words(300, kMax));
}

TEST(Integers, equal_values_cost_next_to_nothing) {
    EXPECT_LE(stored_bytes(Words(8192, 1661140374351773094)), 64 * 12 + 1);
}

TEST(Integers, steady_steps_are_stored_as_differences) {
    Words values(8192);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = 1000000 + 37 * i;
    EXPECT_LE(stored_bytes(values), 64 * 4 + 8);
}

TEST(Integers, few_outliers_do_not_widen_a_block) {
    Words values(128, 3);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = i % 8;
    const std::size_t without = stored_bytes(values);
    values[17] = kMax;
    values[90] = kMax / 3;
    EXPECT_LE(stored_bytes(values), without + 26);
}

TEST(Integers, plain_takes_the_least_width) {
    for (const auto& [value, width] :
         {std::pair{0xffull, 1}, {0x100ull, 2}, {0x10000ull, 4}, {0x100000000ull, 8}}) {
        const Words values{0, value, 7};
        Buffer bytes;
        put_plain(bytes, std::span<const std::uint64_t>(values));
        EXPECT_EQ(bytes.size(), 2 + 3 * static_cast<std::size_t>(width));
        EXPECT_EQ(read_back(bytes, 3), values);
    }
}

TEST(Integers, refuses_every_cut) {
    std::mt19937_64 random(2);
    Words values(300);
    for (auto& v : values) v = random() >> (random() % 60);
    Buffer bytes;
    put_integers(bytes, values);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
        ByteReader in(std::span<const std::byte>(bytes).first(cut));
        Words read;
        ASSERT_FALSE(get_integers(in, values.size(), &read)) << cut;
    }
}

TEST(Integers, refuses_impossible_blocks) {
    const auto refuses = [](std::initializer_list<int> raw, std::size_t count) {
        Buffer bytes;
        for (const int b : raw) bytes.push_back(static_cast<std::byte>(b));
        bytes.resize(bytes.size() + 2000);
        ByteReader in(bytes);
        Words values;
        return !get_integers(in, count, &values);
    };
    EXPECT_TRUE(refuses({3}, 1)) << "unknown tag";
    EXPECT_TRUE(refuses({0, 3}, 1)) << "plain with words of 3 bytes";
    EXPECT_TRUE(refuses({1, 65, 0, 0}, 128)) << "wider than a word";
    EXPECT_TRUE(refuses({1, 8, 5, 0}, 4)) << "more exceptions than values";
    EXPECT_TRUE(refuses({1, 64, 1, 0}, 4)) << "exceptions above the full width";
    EXPECT_TRUE(refuses({1, 0, 1, 0, 4, 1}, 4)) << "an exception beyond the block";
}

TEST(Varint, refuses_more_than_64_bits) {
    Buffer bytes(9, std::byte{0xff});
    bytes.push_back(std::byte{0x01});
    EXPECT_EQ(ByteReader(bytes).varint(), kMax);
    bytes.back() = std::byte{0x02};
    ByteReader in(bytes);
    (void)in.varint();
    EXPECT_FALSE(in.ok());
}

TEST(Zigzag, is_small_for_small_distances_and_wraps_nowhere) {
    EXPECT_EQ(zigzag(0), 0u);
    EXPECT_EQ(zigzag(kMax), 1u);
    EXPECT_EQ(zigzag(1), 2u);
    for (const std::uint64_t v :
         {std::uint64_t{0}, std::uint64_t{1}, kMax, kMax / 2, kMax / 2 + 1}) {
        EXPECT_EQ(unzigzag(zigzag(v)), v);
    }
}

}  // namespace
}  // namespace spanring::codec
