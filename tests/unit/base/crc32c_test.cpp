// CRC-32C against the vectors of RFC 3720, appendix B.4, and the two ways against each other.
#include "spanring/base/crc32c.hpp"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace spanring {
namespace {

std::vector<std::byte> bytes_of(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
    return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> noise(std::size_t count) {
    std::vector<std::byte> bytes(count);
    std::uint32_t state = 1;
    for (std::byte& b : bytes) {
        state = state * 1664525u + 1013904223u;
        b = static_cast<std::byte>(state >> 24);
    }
    return bytes;
}

TEST(Crc32c, gives_the_published_values) {
    std::vector<std::byte> ascending(32);
    for (std::size_t i = 0; i < 32; ++i) ascending[i] = static_cast<std::byte>(i);
    EXPECT_EQ(crc32c(bytes_of("123456789")), 0xe3069283u);
    EXPECT_EQ(crc32c(std::vector<std::byte>(32)), 0x8a9136aau);
    EXPECT_EQ(crc32c(std::vector<std::byte>(32, std::byte{0xff})), 0x62a8ab43u);
    EXPECT_EQ(crc32c(ascending), 0x46dd794eu);
    EXPECT_EQ(crc32c({}), 0u);
}

TEST(Crc32c, by_table_equals_by_cpu_for_every_length_and_alignment) {
    const auto bytes = noise(300);
    for (std::size_t begin = 0; begin < 9; ++begin) {
        for (std::size_t count = 0; count + begin < bytes.size(); ++count) {
            const auto part = std::span(bytes).subspan(begin, count);
            ASSERT_EQ(crc32c(part), crc32c_by_table(part)) << begin << "+" << count;
        }
    }
}

TEST(Crc32c, continues_where_the_bytes_before_stopped) {
    const auto bytes = noise(100);
    const std::span<const std::byte> all(bytes);
    for (std::size_t cut = 0; cut <= all.size(); ++cut) {
        const std::uint32_t first = crc32c(all.first(cut));
        ASSERT_EQ(crc32c(all.subspan(cut), first), crc32c(all));
        ASSERT_EQ(crc32c_by_table(all.subspan(cut), first), crc32c(all));
    }
}

TEST(Crc32c, changes_with_every_single_bit) {
    auto bytes = noise(64);
    const std::uint32_t whole = crc32c(bytes);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        const auto mask = static_cast<std::byte>(1u << (bit % 8));
        bytes[bit / 8] ^= mask;
        ASSERT_NE(crc32c(bytes), whole) << "bit " << bit;
        bytes[bit / 8] ^= mask;
    }
}

}  // namespace
}  // namespace spanring
