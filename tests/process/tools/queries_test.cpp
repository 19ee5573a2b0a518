// The queries, against a database whose content is known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <fstream>
#include <sstream>

#include "cli_run.hpp"
#include "made_database.hpp"

namespace spanring::tools {
namespace {

using testing::HasSubstr;
using testing::Not;

class Queries : public testing::Test {
protected:
    static void SetUpTestSuite() {
        folder_ = new Folder();
        make_database(*folder_ / "db");
    }
    static void TearDownTestSuite() {
        delete folder_;
        folder_ = nullptr;
    }
    static Outcome ask(std::vector<std::string> arguments) {
        return run_spanring(std::move(arguments), {{"SPANRING_DB", *folder_ / "db"}});
    }
    static rapidjson::Document ask_json(std::vector<std::string> arguments) {
        arguments.push_back("--json");
        const Outcome outcome = ask(std::move(arguments));
        EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
        rapidjson::Document document;
        document.Parse(outcome.out.c_str());
        EXPECT_FALSE(document.HasParseError()) << outcome.out;
        return document;
    }
    static std::size_t exported(std::vector<std::string> flags) {
        flags.insert(flags.begin(), "export");
        const Outcome outcome = ask(std::move(flags));
        EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
        std::istringstream lines(outcome.out);
        std::size_t count = 0;
        for (std::string line; std::getline(lines, line); ++count) {
            rapidjson::Document document;
            document.Parse(line.c_str());
            EXPECT_TRUE(document.IsObject()) << line;
        }
        return count;
    }
    static Folder* folder_;
};
Folder* Queries::folder_ = nullptr;

TEST_F(Queries, services_are_listed_sorted) {
    EXPECT_EQ(ask({"services"}).out, "cart\nfrontend\npayment\n");
    const auto json = ask_json({"services"});
    ASSERT_EQ(json.Size(), 3u);
    EXPECT_STREQ(json[0].GetString(), "cart");
}

TEST_F(Queries, operations_are_counted_with_their_errors) {
    const auto all = ask_json({"operations"});
    EXPECT_EQ(all.Size(), 7u);
    const auto payment = ask_json({"operations", "payment"});
    ASSERT_EQ(payment.Size(), 2u);
    EXPECT_STREQ(payment[1]["operation"].GetString(), "charge card");
    EXPECT_EQ(payment[1]["errors"].GetInt(), 1);
    EXPECT_THAT(ask({"operations"}).out, HasSubstr("charge card"));
}

TEST_F(Queries, traces_are_newest_first_with_a_summary_of_the_whole_trace) {
    const auto answer = ask_json({"traces"});
    EXPECT_FALSE(answer["partial"].GetBool());
    EXPECT_TRUE(answer["next"].IsNull());
    const auto& json = answer["traces"];
    ASSERT_EQ(json.Size(), 2u);
    EXPECT_STREQ(json[0]["trace_id"].GetString(), kShortTrace);
    EXPECT_STREQ(json[1]["trace_id"].GetString(), kCheckoutTrace);
    EXPECT_EQ(json[1]["spans"].GetInt(), 6);
    EXPECT_EQ(json[1]["errors"].GetInt(), 1);
    EXPECT_EQ(json[1]["services"].Size(), 3u);
    EXPECT_EQ(json[1]["duration_ns"].GetInt64(), 12'000'000);
    EXPECT_STREQ(json[1]["root_operation"].GetString(), "GET /checkout");
}

TEST_F(Queries, traces_are_found_by_each_filter) {
    const std::vector<std::pair<std::vector<std::string>, std::size_t>> cases{
        {{"--service", "payment"}, 1},
        {{"--operation", "nightly"}, 1},
        {{"--error"}, 1},
        {{"--min", "10ms"}, 1},
        {{"--max", "1ms"}, 2},
        {{"--attribute", "currency=EUR"}, 1},
        {{"-a", "currency=EUR", "-a", "amount=12.5"}, 1},
        {{"-a", "currency=USD"}, 0},
        {{"--since", "2025-11-21T04:40:00.04Z"}, 1},
        {{"--until", "2025-11-21T04:40:00.04Z"}, 1},
        {{"--until", "1000d"}, 0},
        {{"--limit", "1"}, 1}};
    for (const auto& [flags, wanted] : cases) {
        std::vector<std::string> arguments{"traces"};
        arguments.insert(arguments.end(), flags.begin(), flags.end());
        EXPECT_EQ(ask_json(arguments)["traces"].Size(), wanted) << flags[0] << " " << flags.back();
    }
}

TEST_F(Queries, traces_come_page_by_page) {
    const auto first = ask_json({"traces", "--limit", "1"});
    ASSERT_EQ(first["traces"].Size(), 1u);
    ASSERT_TRUE(first["next"].IsString());
    const auto second = ask_json({"traces", "--limit", "1", "--cursor", first["next"].GetString()});
    ASSERT_EQ(second["traces"].Size(), 1u);
    EXPECT_STREQ(second["traces"][0]["trace_id"].GetString(), kCheckoutTrace);
    EXPECT_TRUE(second["next"].IsNull());
    EXPECT_THAT(ask({"traces", "--limit", "1"}).err, HasSubstr("--cursor"));
    EXPECT_EQ(ask({"traces", "--cursor", "x"}).exit_code, 2);
}

TEST_F(Queries, traces_by_traceql_show_what_was_found) {
    const auto json =
        ask_json({"traces", "--query",
                  R"({ status = error } && { name = "load cart" } | select(.currency))"});
    ASSERT_EQ(json["traces"].Size(), 1u);
    const auto& set = json["traces"][0]["span_sets"][0];
    EXPECT_EQ(set["matched"].GetInt(), 2);
    const Outcome wrong = ask({"traces", "--query", "{ name = }"});
    EXPECT_EQ(wrong.exit_code, 2);
    EXPECT_THAT(wrong.err, HasSubstr("column 10"));
    EXPECT_EQ(ask({"traces", "--query", "{ name =~ \"(\" }"}).exit_code, 2);
    EXPECT_EQ(ask({"traces", "--query", "{} | rate()"}).exit_code, 2);
}

TEST_F(Queries, sql_answers_in_bare_lines_and_in_json) {
    EXPECT_EQ(ask({"sql", "SELECT service, count(*), NULL FROM spans GROUP BY service"}).out,
              "cart\t3\t\nfrontend\t2\t\npayment\t2\t\n");
    const auto json = ask_json({"sql", "SELECT 'a\tb' AS text, 0.5 AS half, x'00ff' AS bytes"});
    EXPECT_STREQ(json["columns"][0].GetString(), "text");
    EXPECT_STREQ(json["rows"][0][0].GetString(), "a\tb");
    EXPECT_EQ(json["rows"][0][1].GetDouble(), 0.5);
    EXPECT_STREQ(json["rows"][0][2].GetString(), "x'00ff'");
    EXPECT_EQ(ask({"sql", "SELECT 'a\tb'"}).out, "a\\tb\n");
    EXPECT_EQ(ask_json({"sql", "SELECT 1 WHERE 0"})["rows"].Size(), 0u);
    for (const char* wrong : {"SELEC 1", "DELETE FROM spans", "SELECT 1; SELECT 2", ""})
        EXPECT_EQ(ask({"sql", wrong}).exit_code, 2) << wrong;
    EXPECT_THAT(ask({"sql", "--schema"}).out, HasSubstr("\"currency\""));
    EXPECT_THAT(ask({"sql", "--timeout", "20ms",
                     "SELECT count(*) FROM spans, spans, spans, spans, spans,"
                     " spans, spans, spans, spans, spans, spans, spans"})
                    .err,
                HasSubstr("longer than it may"));
}

TEST_F(Queries, statistics_series_edges_and_values) {
    const auto stats = ask_json({"stats", "--by", "service,.currency"});
    EXPECT_EQ(stats.Size(), 4u);
    EXPECT_EQ(ask({"stats", "--by", "duration"}).exit_code, 2);
    const auto series =
        ask_json({"series", "{} | count_over_time()", "--since", "2025-11-21T00:00:00Z", "--until",
                  "2025-11-22T00:00:00Z", "--step", "1h"});
    EXPECT_EQ(series["series"][0]["points"].Size(), 24u);
    EXPECT_EQ(ask({"series", "{} | rate()", "--since", "1000d", "--step", "1ns"}).exit_code, 2);
    EXPECT_EQ(ask({"series", "{}"}).exit_code, 2);
    const auto edges = ask_json({"deps"});
    ASSERT_GE(edges.Size(), 2u);
    EXPECT_STREQ(edges[0]["caller"].GetString(), "frontend");
    EXPECT_THAT(ask({"deps", "--dot"}).out, HasSubstr("\"frontend\" -> \"cart\""));
    EXPECT_THAT(ask({"attributes"}).out, HasSubstr("currency"));
    EXPECT_THAT(ask({"attributes", "currency"}).out, HasSubstr("EUR"));
    EXPECT_EQ(ask({"attributes", "nothing"}).exit_code, 2);
}

TEST_F(Queries, what_a_trace_waited_for_and_where_time_goes) {
    const auto path = ask_json({"trace", "--critical-path", kCheckoutTrace});
    std::int64_t sum = 0;
    for (const auto& segment : path.GetArray()) sum += segment["duration_ns"].GetInt64();
    EXPECT_EQ(sum, 12'000'000);
    EXPECT_THAT(ask({"trace", "--critical-path", kCheckoutTrace}).out, HasSubstr("charge card"));
    EXPECT_THAT(ask({"flame"}).out, HasSubstr("frontend:GET /checkout;"));
    EXPECT_THAT(ask({"flame", "--svg"}).out, HasSubstr("</svg>"));
    const auto differences = ask_json({"diff", kCheckoutTrace, kShortTrace});
    EXPECT_EQ(differences.Size(), 7u);
    EXPECT_EQ(ask_json({"diff", "1000d..2d", "2d..0s"}).Size(), 7u);
    EXPECT_EQ(ask({"diff", kCheckoutTrace, "1h..0s"}).exit_code, 2);
    EXPECT_EQ(ask({"diff", "soon..now", "1h..0s"}).exit_code, 2);
}

TEST_F(Queries, a_trace_is_drawn_as_a_tree_with_what_went_wrong) {
    const Outcome outcome = ask({"trace", kCheckoutTrace});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    for (const char* part :
         {"6 spans", "3 services", "1 error", "├─ cart  load cart", "│  └─ cart  SELECT items",
          "✗ ", "card declined", "parent not seen", "12.0 ms", "█"}) {
        EXPECT_THAT(outcome.out, HasSubstr(part));
    }
    EXPECT_THAT(outcome.out, Not(HasSubstr("\x1b")));
    EXPECT_THAT(outcome.out, Not(HasSubstr("currency")));
}

TEST_F(Queries, a_trace_told_in_full_shows_attributes_events_and_links) {
    const Outcome outcome = ask({"trace", "-v", kCheckoutTrace});
    for (const char* part : {"currency = EUR", "items = 3", "retry", "attempt = 2", "linked to cc",
                             "span 0000000000000004"}) {
        EXPECT_THAT(outcome.out, HasSubstr(part));
    }
}

TEST_F(Queries, a_trace_as_json_is_a_list_of_its_spans) {
    const auto json = ask_json({"trace", kCheckoutTrace});
    ASSERT_TRUE(json.IsArray());
    EXPECT_EQ(json.Size(), 6u);
    for (const auto& span : json.GetArray()) {
        EXPECT_STREQ(span["trace_id"].GetString(), kCheckoutTrace);
    }
}

TEST_F(Queries, a_trace_with_a_64_bit_id_is_found_by_its_16_digits) {
    EXPECT_THAT(ask({"trace", kShortTrace}).out, HasSubstr("nightly"));
}

TEST_F(Queries, export_writes_every_span_as_one_line) {
    EXPECT_EQ(exported({}), 7u);
    EXPECT_EQ(exported({"--service", "cart"}), 3u);
    EXPECT_EQ(exported({"--trace", kCheckoutTrace}), 6u);
    EXPECT_EQ(exported({"--error"}), 1u);
    EXPECT_EQ(exported({"--service", "nobody"}), 0u);
}

TEST_F(Queries, export_goes_into_a_file_when_told_so) {
    const std::string file = *folder_ / "spans.jsonl";
    const Outcome outcome = ask({"export", "-o", file});
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr("7 spans exported"));
    std::ifstream stream(file);
    std::size_t lines = 0;
    for (std::string line; std::getline(stream, line);) ++lines;
    EXPECT_EQ(lines, 7u);
}

TEST_F(Queries, quiet_leaves_only_data) {
    EXPECT_EQ(ask({"export", "-q"}).err, "");
    EXPECT_EQ(ask({"traces", "-q", "--service", "nobody"}).err, "");
}

TEST_F(Queries, fsck_finds_a_sound_database_sound) {
    const auto json = ask_json({"fsck"});
    EXPECT_TRUE(json["sound"].GetBool());
    EXPECT_EQ(json["spans"].GetInt(), 7);
    EXPECT_EQ(json["frames_good"].GetInt(), 2);
}

TEST_F(Queries, inspect_lists_the_frames_of_a_window) {
    const std::string window = *folder_ / "db/w-0000000000000001.log";
    const auto json = ask_json({"inspect", window});
    EXPECT_STREQ(json["type"].GetString(), "window");
    ASSERT_EQ(json["frames"].Size(), 2u);
    EXPECT_TRUE(json["frames"][0]["snapshot"].GetBool());
    EXPECT_EQ(json["frames"][0]["tracepoints"].GetInt(), 8);
    EXPECT_THAT(ask({"inspect", "-v", window}).out, HasSubstr("pid 4711"));
}

TEST_F(Queries, plan_does_not_generalise_from_a_handful_of_tracepoints) {
    const auto json = ask_json({"plan", "--rate", "1000", "--delay", "1s"});
    EXPECT_STREQ(json["stored_bytes_source"].GetString(), "assumed");
    EXPECT_STREQ(json["rate_source"].GetString(), "given");
    EXPECT_DOUBLE_EQ(json["in_flight"].GetDouble(), 1000);
}

}  // namespace
}  // namespace spanring::tools
