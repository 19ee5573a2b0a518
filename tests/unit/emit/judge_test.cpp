// The judge must see every kind of difference, and no other.
#include "judge.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace spanring::tools::emit {
namespace {

using testing::Contains;
using testing::HasSubstr;

const std::string kRoot =
    R"({"trace_id":"0a","span_id":"01","parent_id":"","service":"s","name":"root","kind":"server",)"
    R"("status":"unset","attributes":{"n":7,"t":"x"},"events":[{"name":"e1","attributes":{}},)"
    R"({"name":"e2","attributes":{"k":1.5}}],"links":[])";
const std::string kTimes = R"(,"start_ns":5,"duration_ns":3})";

std::string oracle(const std::string& extra = "") {
    return kRoot + extra + "}\n";
}
std::string losses(int spans, int ends, int details) {
    return R"({"losses":{"service":"s","spans":)" + std::to_string(spans) + R"(,"ends":)" +
           std::to_string(ends) + R"(,"details":)" + std::to_string(details) + "}}\n";
}
Verdict verdict_of(const std::string& oracle_text, const std::string& export_text) {
    std::istringstream expected(oracle_text);
    std::istringstream found(export_text);
    Result<Verdict> verdict = judge(expected, "oracle", found, "export");
    EXPECT_TRUE(verdict.ok()) << verdict.error().message;
    return verdict.ok() ? *verdict : Verdict{};
}
std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
}
const std::string kExported = kRoot + kTimes + "\n";

TEST(Judge, accepts_the_same_span) {
    const Verdict verdict = verdict_of(oracle(), kExported);
    EXPECT_TRUE(verdict.equal()) << verdict.differences.front();
    EXPECT_EQ(verdict.matched_spans, 1u);
}

TEST(Judge, order_of_members_does_not_matter) {
    EXPECT_TRUE(
        verdict_of(oracle(), replaced(kExported, R"("n":7,"t":"x")", R"("t":"x","n":7)")).equal());
}

struct Change {
    const char* from;
    const char* to;
    const char* said;
};

class Wrong : public testing::TestWithParam<Change> {};

TEST_P(Wrong, is_seen) {
    const Verdict verdict =
        verdict_of(oracle(), replaced(kExported, GetParam().from, GetParam().to));
    EXPECT_FALSE(verdict.equal());
    EXPECT_THAT(verdict.differences, Contains(HasSubstr(GetParam().said)));
}

INSTANTIATE_TEST_SUITE_P(
    Judge, Wrong,
    testing::Values(
        Change{R"("trace_id":"0a")", R"("trace_id":"0b")", "was never made"},
        Change{R"("span_id":"01")", R"("span_id":"02")", "is missing"},
        Change{R"("parent_id":"")", R"("parent_id":"09")", "parent_id is '09'"},
        Change{R"("service":"s")", R"("service":"t")", "service is 't'"},
        Change{R"("name":"root")", R"("name":"toor")", "name is 'toor'"},
        Change{R"("server")", R"("client")", "kind is 'client'"},
        Change{R"("status":"unset")", R"("status":"error")", "status is 'error'"},
        Change{R"("n":7)", R"("n":7.0)", "attribute n"},
        Change{R"("n":7)", R"("n":"7")", "attribute n"},
        Change{R"("n":7,)", R"("n":7,"m":1,)", "attribute m was never set"},
        Change{R"("n":7,)", "", "missing attribute n"},
        Change{R"("k":1.5)", R"("k":1.25)", "events"},
        Change{R"({"name":"e1","attributes":{}},)", "", "missing events: e1"},
        Change{R"("links":[])", R"("links":[{"trace_id":"0c","span_id":"03"}])", "never made"},
        Change{R"("duration_ns":3)", R"("duration_ns":-3)", "no sensible duration"},
        Change{R"("duration_ns":3)", R"("duration_ns":null,"end_lost":true)", "end is missing"},
        Change{R"("duration_ns":3)", R"("duration_ns":3,"truncated":true)", "truncated"},
        Change{R"("start_ns":5)", R"("start_ns":null)", "has no start"}));

TEST(Judge, a_span_stored_twice_is_a_difference) {
    const Verdict verdict = verdict_of(oracle(), kExported + kExported);
    EXPECT_THAT(verdict.differences, Contains(HasSubstr("more than once")));
}

TEST(Judge, events_out_of_order_are_a_difference_unless_threads_shared_the_span) {
    const std::string swapped = replaced(
        kExported, R"([{"name":"e1","attributes":{}},{"name":"e2","attributes":{"k":1.5}}])",
        R"([{"name":"e2","attributes":{"k":1.5}},{"name":"e1","attributes":{}}])");
    EXPECT_FALSE(verdict_of(oracle(), swapped).equal());
    EXPECT_TRUE(verdict_of(oracle(R"(,"any_order":true)"), swapped).equal());
}

TEST(Judge, what_is_missing_must_be_counted_exactly) {
    EXPECT_TRUE(verdict_of(oracle() + losses(1, 0, 0), "").equal());
    EXPECT_FALSE(verdict_of(oracle() + losses(0, 0, 0), "").equal());
    EXPECT_FALSE(verdict_of(oracle() + losses(2, 0, 0), "").equal());
    const std::string less = replaced(kExported, R"("n":7,)", "");
    EXPECT_TRUE(verdict_of(oracle() + losses(0, 0, 1), less).equal());
    EXPECT_FALSE(verdict_of(oracle() + losses(1, 0, 0), less).equal());
    const std::string endless =
        replaced(kExported, R"("duration_ns":3)", R"("duration_ns":null,"end_lost":true)");
    EXPECT_TRUE(verdict_of(oracle() + losses(0, 1, 0), endless).equal());
    EXPECT_FALSE(verdict_of(oracle() + losses(0, 1, 0), kExported).equal());
}

TEST(Judge, losses_of_one_service_do_not_excuse_another) {
    const std::string other = replaced(losses(1, 0, 0), R"("service":"s")", R"("service":"t")");
    EXPECT_EQ(verdict_of(oracle() + other, "").difference_count, 2u);
}

TEST(Judge, a_lost_rename_shows_the_old_name_and_counts_as_a_detail) {
    const std::string renamed =
        replaced(oracle(R"(,"name_before":"first")"), R"("name":"root")", R"("name":"second")");
    const std::string found = replaced(kExported, R"("name":"root")", R"("name":"first")");
    EXPECT_TRUE(verdict_of(renamed + losses(0, 0, 1), found).equal());
    EXPECT_FALSE(verdict_of(renamed, found).equal());
}

TEST(Judge, open_spans_must_be_stored_as_unfinished) {
    const std::string open = oracle(R"(,"unfinished":true)");
    EXPECT_FALSE(verdict_of(open, kExported).equal());
    EXPECT_TRUE(verdict_of(open, replaced(kExported, R"("duration_ns":3)",
                                          R"("duration_ns":null,"unfinished":true)"))
                    .equal());
}

TEST(Judge, ids_that_nobody_can_know_match_by_name) {
    const std::string any = replaced(replaced(oracle(), R"("trace_id":"0a")", R"("trace_id":"*")"),
                                     R"("span_id":"01")", R"("span_id":"*")");
    EXPECT_TRUE(verdict_of(any, kExported).equal());
    EXPECT_FALSE(verdict_of(any, replaced(kExported, "root", "other")).equal());
}

TEST(Judge, a_broken_line_is_named) {
    std::istringstream expected(oracle());
    std::istringstream found(kExported + "{\"span_id\":\n");
    const Result<Verdict> verdict = judge(expected, "oracle", found, "export.jsonl");
    ASSERT_FALSE(verdict.ok());
    EXPECT_THAT(verdict.error().message, HasSubstr("export.jsonl:2: not JSON"));
}

}  // namespace
}  // namespace spanring::tools::emit
