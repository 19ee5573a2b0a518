// Reading recorded spans: what is kept, in which order, and what is said of a wrong file.
#include "recording.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "temporary_file.hpp"

namespace spanring::tools::replay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kHeader =
    "TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,Duration\n";
const std::string kTrace = "0087f677c0a2cf3f80a551987167911b";

std::string csv_row(const std::string& span, const std::string& parent, const std::string& pod,
                    long start) {
    return kTrace + "," + span + "," + parent + "," + pod + ",Op," + std::to_string(start) + "," +
           std::to_string(start + 7) + ",0\n";
}

Recording must_read(const std::string& content, Format format = Format::kGuess) {
    const TemporaryFile file(content);
    Result<Recording> recording = read_recording(file.path(), format);
    EXPECT_TRUE(recording.ok()) << recording.error().message;
    return recording.ok() ? std::move(*recording) : Recording();
}

Error must_fail(const std::string& content, Format format = Format::kGuess) {
    const TemporaryFile file(content);
    const Result<Recording> recording = read_recording(file.path(), format);
    EXPECT_FALSE(recording.ok());
    return recording.ok() ? Error{} : recording.error();
}

TEST(Recording, sorts_the_rows_of_each_service_by_start) {
    const Recording recording =
        must_read(kHeader + csv_row("ee744a66e6efcb2e", "root", "cart-1", 300) +
                  csv_row("ee744a66e6efcb2f", "ee744a66e6efcb2e", "ad-2", 50) +
                  csv_row("ee744a66e6efcb30", "ee744a66e6efcb2e", "cart-1", 100));
    ASSERT_THAT(recording.services(), ElementsAre("cart-1", "ad-2"));
    ASSERT_EQ(recording.rows_of(0).size(), 2u);
    EXPECT_EQ(recording.rows_of(0)[0].start_ns, 100);
    EXPECT_EQ(recording.rows_of(0)[1].start_ns, 300);
    EXPECT_FALSE(recording.rows_of(0)[1].parent_id.valid());
    EXPECT_EQ(recording.rows_of(1)[0].duration_ns, 7);
    EXPECT_EQ(recording.first_start_ns(), 50);
}

TEST(Recording, keeps_identical_rows) {
    const std::string row = csv_row("ee744a66e6efcb2e", "root", "cart-1", 300);
    EXPECT_EQ(must_read(kHeader + row + row + row).size(), 3u);
}

TEST(Recording, keeps_absent_times_and_short_ids_of_zipkin) {
    const Recording recording = must_read(
        R"([{"traceId":"14b60fd9ae504820","id":"a0dc23f22c4fee3f","name":"post",)"
        R"("localEndpoint":{"serviceName":"platform"}},)"
        R"({"traceId":"14b60fd9ae504820","id":"a0dc23f22c4fee40","timestamp":5,"duration":2,)"
        R"("kind":"SERVER","shared":true,"tags":{"a":"b"},)"
        R"("localEndpoint":{"serviceName":"platform"}}])");
    ASSERT_EQ(recording.size(), 2u);
    const auto rows = recording.rows_of(0);
    EXPECT_FALSE(rows[0].has_start);
    EXPECT_FALSE(rows[0].has_duration);
    EXPECT_TRUE(rows[0].trace_id_64);
    EXPECT_EQ(rows[1].start_ns, 5000);
    ASSERT_NE(recording.whole_of(rows[1]), nullptr);
    EXPECT_EQ(recording.whole_of(rows[1])->kind, codec::SpanKind::kServer);
    EXPECT_EQ(recording.first_start_ns(), 5000);
}

TEST(Recording, names_the_line_of_a_broken_row) {
    const Error error =
        must_fail(kHeader + csv_row("ee744a66e6efcb2e", "root", "cart-1", 300) + "not,a,row\n");
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.message, HasSubstr(":3:"));
}

TEST(Recording, says_what_it_can_read_when_the_format_is_unknown) {
    const Error error = must_fail("hello\n");
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.message, HasSubstr("--format"));
    EXPECT_THAT(must_fail("").message, HasSubstr("--format"));
}

TEST(Recording, refuses_files_without_spans) {
    EXPECT_THAT(must_fail(kHeader).message, HasSubstr("holds no span"));
    EXPECT_THAT(must_fail("[]").message, HasSubstr("holds no span"));
}

TEST(Recording, refuses_the_other_format) {
    EXPECT_EQ(must_fail("[]", Format::kNezhaCsv).code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(must_fail(kHeader, Format::kZipkin).code, ErrorCode::kInvalidArgument);
}

TEST(Recording, says_which_file_is_missing) {
    const Result<Recording> recording = read_recording("/nonexistent/file.csv", Format::kGuess);
    ASSERT_FALSE(recording.ok());
    EXPECT_THAT(recording.error().message, HasSubstr("/nonexistent/file.csv"));
}

TEST(Recording, a_directory_is_no_file) {
    EXPECT_FALSE(read_recording("/tmp", Format::kGuess).ok());
}

TEST(GuessFormat, looks_at_the_beginning_only) {
    EXPECT_EQ(guess_format("  \n[{"), Format::kZipkin);
    EXPECT_EQ(guess_format("\xef\xbb\xbf[{"), Format::kZipkin);
    EXPECT_EQ(guess_format(kHeader), Format::kNezhaCsv);
    EXPECT_EQ(guess_format("{\"resourceSpans\":[]}"), Format::kGuess);
    EXPECT_EQ(guess_format(""), Format::kGuess);
}

}  // namespace
}  // namespace spanring::tools::replay
