#include "spanring/codec/nezha_csv.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace spanring::codec {
namespace {

const std::string kHeader =
    "TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,Duration\n";
const std::string kRoot =
    "0087f677c0a2cf3f80a551987167911b,ee744a66e6efcb2e,root,frontend-t2dbm,shop/Recv.,"
    "1661140374351773094,1661140374362982609,11209\n";

struct Read {
    std::vector<Span> spans;
    std::string error;
};

Read read_all(const std::string& text) {
    std::istringstream in(text);
    NezhaCsvReader reader(in, "file.csv");
    Read read;
    for (;;) {
        auto span = reader.next();
        if (!span) {
            read.error = span.error().message;
            EXPECT_EQ(span.error().code, ErrorCode::kInvalidArgument);
            EXPECT_FALSE(reader.next()->has_value()) << "stays at its end";
            return read;
        }
        if (!span->has_value()) return read;
        read.spans.push_back(**std::move(span));
    }
}

TEST(NezhaCsv, a_row_becomes_a_span_of_its_pod) {
    const Read read = read_all(kHeader + kRoot);
    ASSERT_EQ(read.error, "");
    ASSERT_EQ(read.spans.size(), 1u);
    const Span& span = read.spans[0];
    EXPECT_EQ(to_hex(span.trace_id), "0087f677c0a2cf3f80a551987167911b");
    EXPECT_EQ(to_hex(span.span_id), "ee744a66e6efcb2e");
    EXPECT_FALSE(span.parent_id.valid());
    EXPECT_EQ(span.name, "shop/Recv.");
    EXPECT_EQ(service_of(*span.resource), "frontend-t2dbm");
    EXPECT_EQ(span.start_ns, 1661140374351773094);
    EXPECT_EQ(span.duration_ns, 11209515) << "in ns, not the rounded column";
}

TEST(NezhaCsv, parents_are_read_and_pods_share_their_resource) {
    const Read read = read_all(kHeader + kRoot +
                               "0087f677c0a2cf3f80a551987167911b,a23660ca2e7cc4c8,ee744a66e6efcb2e,"
                               "frontend-t2dbm,x,1,2,0\n");
    ASSERT_EQ(read.spans.size(), 2u);
    EXPECT_EQ(read.spans[1].parent_id, read.spans[0].span_id);
    EXPECT_EQ(read.spans[1].resource, read.spans[0].resource);
}

TEST(NezhaCsv, identical_rows_are_not_merged) {
    EXPECT_EQ(read_all(kHeader + kRoot + kRoot).spans.size(), 2u);
}

TEST(NezhaCsv, quotes_line_ends_and_a_byte_order_mark_are_tolerated) {
    std::string row = kRoot;
    row.replace(row.find("shop/Recv."), 10, "\"a,\"\"b\"\"\"");
    row.insert(row.size() - 1, "\r");
    const Read read = read_all("\xef\xbb\xbf" + kHeader + "\n" + row);
    ASSERT_EQ(read.error, "");
    ASSERT_EQ(read.spans.size(), 1u);
    EXPECT_EQ(read.spans[0].name, "a,\"b\"");
}

TEST(NezhaCsv, a_last_line_without_an_end_is_read) {
    EXPECT_EQ(read_all(kHeader + kRoot.substr(0, kRoot.size() - 1)).spans.size(), 1u);
}

TEST(NezhaCsv, a_header_alone_is_an_empty_table) {
    const Read read = read_all(kHeader);
    EXPECT_EQ(read.error, "");
    EXPECT_TRUE(read.spans.empty());
}

TEST(NezhaCsv, another_file_is_refused_in_one_line) {
    for (const char* text : {"", "[{\"traceId\":\"1\"}]", "a,b,c\n1,2,3\n", "\n"}) {
        const std::string error = read_all(text).error;
        EXPECT_TRUE(error.starts_with("file.csv:1: not a Nezha trace table")) << error;
        EXPECT_EQ(error.find('\n'), std::string::npos);
    }
}

TEST(NezhaCsv, a_bad_row_is_named_by_line_column_and_value) {
    const auto error_of = [](const std::string& from, const std::string& to) {
        std::string row = kRoot;
        row.replace(row.find(from), from.size(), to);
        return read_all(kHeader + kRoot + row).error;
    };
    EXPECT_EQ(error_of("0087f677", "zz87f677"),
              "file.csv:3: TraceID is not 16 or 32 hex characters: "
              "\"zz87f677c0a2cf3f80a551987167911b\"");
    EXPECT_EQ(error_of("ee744a66e6efcb2e", "e"),
              "file.csv:3: SpanID is not 16 hex characters: \"e\"");
    EXPECT_EQ(error_of("root", "r"),
              "file.csv:3: ParentID is not 16 hex characters or root: \"r\"");
    EXPECT_EQ(error_of("1661140374351773094", "soon"),
              "file.csv:3: StartTimeUnixNano is not a time in ns: \"soon\"");
    EXPECT_EQ(error_of("1661140374362982609", "99999999999999999999"),
              "file.csv:3: EndTimeUnixNano is not a time in ns: \"99999999999999999999\"");
    EXPECT_EQ(error_of("root,", ""), "file.csv:3: 7 fields, expected 8");
    EXPECT_EQ(error_of("root", "\"root"), "file.csv:3: a quote is not closed");
}

TEST(NezhaCsv, an_endless_line_is_refused) {
    const std::string error = read_all(kHeader + std::string(1 << 20, 'x')).error;
    EXPECT_EQ(error, "file.csv:2: line longer than 65536 bytes");
}

}  // namespace
}  // namespace spanring::codec
