// Damaged batches: whatever the bytes are, decode says so or gives a batch that can be read; it
// never crashes, reads out of bounds or allocates without limit (the asan preset runs this too).
#include <gtest/gtest.h>

#include <random>

#include "batch_layout.hpp"
#include "sample_spans.hpp"
#include "sections.hpp"
#include "spanring/base/crc32c.hpp"
#include "spanring/codec/batch.hpp"

namespace spanring::codec {
namespace {

// Short sections are compressed by compaction alone.
constexpr EncodeOptions kPacked{.small = true};

std::vector<std::byte> good_bytes(const EncodeOptions& options = {}) {
    Batch batch;
    for (std::uint8_t i = 1; i < 40; ++i) {
        Span span = i % 3 == 0 ? test::full_span() : test::plain_span(i % 5, i, i / 2, 1000 * i);
        batch.add(span);
    }
    const Instance own = test::instance(1);
    const InstanceIndex index = batch.intern_instance(own);
    for (std::uint64_t i = 1; i < 20; ++i) {
        batch.rows.push_back(test::native_row(index, own, SpanKey::of(1, 1), SpanKey::of(1, i),
                                              SpanKey::of(i % 2 != 0 ? 1 : 9, i / 2),
                                              static_cast<std::int64_t>(i)));
    }
    return *encode(batch, options);
}

void fix_checksum(std::vector<std::byte>* bytes) {
    const std::uint32_t crc = crc32c(std::span(*bytes).subspan(kChecksummedFrom));
    std::memcpy(bytes->data() + offsetof(BatchHeader, crc32c), &crc, sizeof(crc));
}

void set_field(std::vector<std::byte>* bytes, std::size_t offset, std::uint32_t value) {
    std::memcpy(bytes->data() + offset, &value, sizeof(value));
    fix_checksum(bytes);
}

Result<Batch> decode_exactly(const std::vector<std::byte>& bytes) {
    // A copy of exactly this length on the heap, so that a sanitizer sees every byte too far.
    const std::vector<std::byte> copy(bytes.begin(), bytes.end());
    auto read = decode(copy);
    EXPECT_TRUE(read.ok() || !read.error().message.empty());
    return read;
}

void read_everything(const Batch& batch) {
    for (std::size_t i = 0; i < batch.rows.size(); ++i) (void)batch.span(i);
}

TEST(DamagedBatch, every_cut_is_refused) {
    const auto bytes = good_bytes();
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
        const auto read = decode_exactly({bytes.begin(), bytes.begin() + static_cast<long>(cut)});
        ASSERT_FALSE(read.ok()) << cut;
        ASSERT_EQ(read.error().code, ErrorCode::kCorrupt) << cut;
    }
}

TEST(DamagedBatch, every_flipped_bit_is_found_by_the_checksum) {
    auto bytes = good_bytes();
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        const auto mask = static_cast<std::byte>(1u << (bit % 8));
        bytes[bit / 8] ^= mask;
        ASSERT_FALSE(decode_exactly(bytes).ok()) << "bit " << bit;
        bytes[bit / 8] ^= mask;
    }
}

// With the checksum made right, damage reaches the parsers.
TEST(DamagedBatch, every_changed_byte_under_a_right_checksum_is_survived) {
    for (const EncodeOptions& options : {EncodeOptions{}, kPacked}) {
        const auto good = good_bytes(options);
        std::size_t refused = 0;
        for (std::size_t i = kChecksummedFrom; i < good.size(); ++i) {
            for (const unsigned flip : {0x01u, 0x80u, 0xffu}) {
                auto bytes = good;
                bytes[i] ^= static_cast<std::byte>(flip);
                fix_checksum(&bytes);
                const auto read = decode_exactly(bytes);
                if (read) {
                    read_everything(*read);
                } else {
                    ++refused;
                }
            }
        }
        // In a raw section another byte is mostly another value.
        if (options.small) {
            EXPECT_GT(refused, good.size()) << "most damage must be noticed";
        }
    }
}

TEST(DamagedBatch, random_damage_under_a_right_checksum_is_survived) {
    std::mt19937 random(7);
    const std::vector<std::byte> good[] = {good_bytes(), good_bytes(kPacked)};
    for (int round = 0; round < 4000; ++round) {
        auto bytes = good[static_cast<std::size_t>(round % 2)];
        for (unsigned n = random() % 8; n-- > 0;) {
            bytes[kChecksummedFrom + random() % (bytes.size() - kChecksummedFrom)] =
                static_cast<std::byte>(random());
        }
        fix_checksum(&bytes);
        if (const auto read = decode_exactly(bytes)) read_everything(*read);
    }
}

TEST(DamagedBatch, another_version_is_named) {
    auto bytes = good_bytes();
    bytes[offsetof(BatchHeader, version)] = std::byte{9};
    const auto read = decode_exactly(bytes);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().code, ErrorCode::kVersion);
    EXPECT_EQ(read.error().message, "batch: version 9, this build reads 1 to 3");
}

TEST(DamagedBatch, bytes_after_the_end_are_refused) {
    auto bytes = good_bytes();
    bytes.push_back(std::byte{0});
    EXPECT_FALSE(decode_exactly(bytes).ok());
}

TEST(DamagedBatch, counts_beyond_the_limits_are_refused) {
    for (const std::size_t offset :
         {offsetof(BatchHeader, row_count), offsetof(BatchHeader, section_count),
          offsetof(BatchHeader, table_bytes), offsetof(BatchHeader, batch_bytes)}) {
        auto bytes = good_bytes();
        set_field(&bytes, offset, 0xffffffffu);
        EXPECT_FALSE(decode_exactly(bytes).ok()) << offset;
    }
}

TEST(DamagedBatch, rows_without_columns_are_refused) {
    CompressionMemory memory;
    const auto bytes = SectionWriter({}, 5, memory).finish();
    const auto read = decode_exactly(bytes);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().code, ErrorCode::kCorrupt);
}

// A hundred bytes that say "one section of a gibibyte": refused before anything is allocated.
TEST(DamagedBatch, sections_that_claim_to_be_huge_are_refused) {
    Buffer table;
    put_varint(table, 1);
    put_varint(table, kBatchBytesMax - 1);
    put_varint(table, 40);
    BatchHeader header{};
    header.magic = kBatchMagic;
    header.version = kBatchVersion;
    header.section_count = 1;
    header.table_bytes = static_cast<std::uint32_t>(table.size());
    Buffer bytes;
    put_fixed(bytes, header);
    put_bytes(bytes, table);
    bytes.resize(bytes.size() + 40);
    set_field(&bytes, offsetof(BatchHeader, batch_bytes), static_cast<std::uint32_t>(bytes.size()));
    const auto read = decode_exactly(bytes);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().message, "batch: section 1 is too large");
}

}  // namespace
}  // namespace spanring::codec
