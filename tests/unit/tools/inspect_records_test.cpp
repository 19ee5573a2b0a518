#include "inspect_records.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "spanring/abi/record_layout.h"

namespace spanring::tools {
namespace {

void put(std::vector<std::byte>* out, std::uint64_t word) {
    const std::size_t at = out->size();
    out->resize(at + 8);
    std::memcpy(out->data() + at, &word, 8);
}

TEST(DumpRecords, names_records_and_resolves_their_strings) {
    std::vector<std::byte> bytes;
    put(&bytes, spanring_record_head(SPANRING_REC_BEGIN, 1, 500));
    put(&bytes, spanring_record_head(SPANRING_REC_ATTR_INT, 2, 0));
    put(&bytes, static_cast<std::uint64_t>(-42));
    put(&bytes, spanring_record_head(SPANRING_REC_END, 7, 900));
    EXPECT_EQ(dump_records(bytes, 128, {"", "charge", "amount"}),
              "       128  BEGIN  +500 ticks  'charge'\n"
              "       136  ATTR_INT  'amount'  -42\n"
              "       152  END  +900 ticks  ordinal 7\n");
}

TEST(DumpRecords, stops_at_the_first_malformed_record_and_says_so) {
    std::vector<std::byte> bytes;
    put(&bytes, spanring_record_head(SPANRING_REC_BEGIN, 99, 1));
    put(&bytes, spanring_record_head(0x1f, 0, 0));
    put(&bytes, spanring_record_head(SPANRING_REC_BEGIN, 1, 1));
    const std::string text = dump_records(bytes, 0, {});
    EXPECT_NE(text.find("(string 99)"), std::string::npos);
    EXPECT_NE(text.find("malformed"), std::string::npos);
    EXPECT_EQ(text.find("     16"), std::string::npos);
}

TEST(DumpRecords, survives_any_bytes) {
    std::mt19937_64 random(5);
    for (int round = 0; round < 2000; ++round) {
        std::vector<std::byte> bytes;
        for (std::size_t i = 0; i < random() % 40; ++i) {
            put(&bytes, round % 2 == 0 ? random() : random() & 0x0000007f000000ff);
        }
        bytes.resize(bytes.size() - std::min<std::size_t>(bytes.size(), random() % 8));
        EXPECT_EQ(dump_records(bytes, 0, {""}).find('\x1b'), std::string::npos);
    }
}

TEST(RecordName, knows_every_kind_that_has_a_length) {
    for (unsigned kind = 1; kind < 0x40; ++kind) {
        if (spanring_record_bytes(spanring_record_head(kind, 0, 0)) == 0) continue;
        EXPECT_NE(record_name(kind), "?") << kind;
    }
}

}  // namespace
}  // namespace spanring::tools
