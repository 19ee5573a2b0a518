// docs/format against the headers. SPANRING_UPDATE_DOCS=1 writes the generated parts anew.

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "layout_table.h"
#include "spanring/abi/record_layout.h"

namespace {

using Print = void (*)(FILE*);

constexpr char kBegin[] = "<!-- generated from the headers: begin -->\n";
constexpr char kEnd[] = "<!-- generated from the headers: end -->\n";

std::string printed(Print print) {
    char* text = nullptr;
    std::size_t bytes = 0;
    FILE* out = ::open_memstream(&text, &bytes);
    print(out);
    std::fclose(out);
    std::string result(text, bytes);
    std::free(text);
    return result;
}

std::string read_file(const std::string& path) {
    std::ostringstream content;
    content << std::ifstream(path).rdbuf();
    return content.str();
}

std::string doc(const char* name) {
    return std::string(SPANRING_SOURCE_DIR) + "/docs/format/" + name;
}

/// Compares (or replaces) what stands between the marks.
void check_generated_part(const char* name, Print print) {
    const std::string content = read_file(doc(name));
    const std::size_t begin = content.find(kBegin);
    const std::size_t end = content.find(kEnd);
    ASSERT_NE(begin, std::string::npos) << name << " has no generated part";
    ASSERT_NE(end, std::string::npos);
    const std::size_t from = begin + sizeof kBegin - 1;
    const std::string expected = "\n" + printed(print);
    if (std::getenv("SPANRING_UPDATE_DOCS") != nullptr) {
        std::ofstream(doc(name)) << content.substr(0, from) << expected << content.substr(end);
        return;
    }
    EXPECT_EQ(content.substr(from, end - from), expected)
        << "docs/format/" << name << " is not what the headers say; SPANRING_UPDATE_DOCS=1 helps";
}

TEST(Layout, segment_md_has_the_offsets_of_the_headers) {
    check_generated_part("segment.md", [](FILE* out) { spanring_print_structs(out); });
}

TEST(Layout, records_md_has_the_kinds_and_lengths_of_the_headers) {
    check_generated_part("records.md", spanring_print_records);
}

TEST(Layout, the_table_covers_every_byte_of_every_struct) {
    FILE* nowhere = std::fopen("/dev/null", "w");
    EXPECT_EQ(spanring_print_structs(nowhere), 0U);
    std::fclose(nowhere);
}

TEST(Layout, every_record_kind_is_described) {
    const std::string content = read_file(doc("records.md"));
    const std::string meaning = content.substr(content.find(kEnd));
    const std::string header =
        read_file(std::string(SPANRING_SOURCE_DIR) + "/shm/include/spanring/abi/record_layout.h");
    const std::regex kind("#define SPANRING_REC_([A-Z_0-9]+) 0x[0-9a-f]+u");
    std::set<std::string> kinds;
    for (auto it = std::sregex_iterator(header.begin(), header.end(), kind);
         it != std::sregex_iterator(); ++it) {
        kinds.insert((*it)[1]);
    }
    EXPECT_GT(kinds.size(), 35U);
    for (const char* no_record : {"NONE", "DETAIL_MASK", "DETAIL_FIRST"}) kinds.erase(no_record);
    for (const std::string& name : kinds) {
        EXPECT_THAT(meaning, ::testing::HasSubstr("`" + name + "`"));
    }
}

TEST(Layout, a_record_is_never_longer_than_its_limit_and_always_whole_words) {
    for (std::uint32_t kind = 0; kind < 256; ++kind) {
        for (const std::uint32_t low : {0U, 1U, 7U, 8U, SPANRING_SPAN_BYTES_MAX, 0xffffffffU}) {
            const std::uint32_t bytes = spanring_record_bytes(spanring_record_head(kind, 0, low));
            EXPECT_EQ(bytes % 8, 0U) << kind;
            EXPECT_LE(bytes, SPANRING_SPAN_BYTES_MAX + 8) << kind;
        }
    }
}

TEST(Layout, only_details_may_have_a_target_and_no_record_has_two) {
    const std::uint64_t begin =
        spanring_record_head(SPANRING_REC_BEGIN | SPANRING_TARGET_ITEM, 1, 0);
    const std::uint64_t attribute =
        spanring_record_head(SPANRING_REC_ATTR_INT | SPANRING_TARGET_ITEM, 1, 0);
    const std::uint64_t twice =
        spanring_record_head(SPANRING_REC_ATTR_INT | SPANRING_TARGET_MASK, 1, 0);
    EXPECT_EQ(spanring_record_bytes(begin), 0U);
    EXPECT_EQ(spanring_record_bytes(attribute), 16U);
    EXPECT_EQ(spanring_record_bytes(twice), 0U);
}

}  // namespace
