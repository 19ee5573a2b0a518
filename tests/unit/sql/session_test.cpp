// What a statement may do, what it is told when it may not, and what the tables hold.
#include "spanring/sql/session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "database_of.hpp"
#include "spanring/store/database.hpp"

namespace spanring::sql {
namespace {

using codec::Span;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::int64_t kSecond = 1'000'000'000;

Span span_of(int number, const std::string& service, const std::string& name) {
    Span span;
    span.trace_id.bytes[0] = 1;
    span.trace_id.bytes[15] = static_cast<std::uint8_t>(number / 10);
    span.span_id.bytes[7] = static_cast<std::uint8_t>(number + 1);
    span.name = name;
    span.start_ns = 1000 * kSecond + number * kSecond;
    span.duration_ns = 1'000'000 * (number + 1);
    span.kind = codec::SpanKind::kServer;
    span.resource = std::make_shared<const codec::Attributes>(
        codec::Attributes{{"service.name", service}, {"zone", std::string("a")}});
    return span;
}

/// 40 spans of 4 traces; every fifth failed.
std::vector<Span> shop() {
    std::vector<Span> spans;
    for (int i = 0; i < 40; ++i) {
        Span span = span_of(i, i % 2 == 0 ? "cart" : "web", i % 4 == 0 ? "GET /cart" : "work");
        span.attributes = {{"http.status_code", std::int64_t{i % 5 == 0 ? 500 : 200}},
                           {"user", "u-" + std::to_string(i % 3)}};
        if (i % 5 == 0) {
            span.status = codec::StatusCode::kError;
            span.status_message = "it\tfailed";
        }
        if (i % 10 != 0) span.parent_id = spans.back().span_id;
        spans.push_back(std::move(span));
    }
    return spans;
}

class Sql : public testing::Test {
protected:
    void SetUp() override {
        query::test::make_database(folder.db(), shop(), 16);
        open({});
    }
    void open(const Limits& limits) {
        auto opened = Session::open(folder.db(), limits);
        ASSERT_TRUE(opened.ok()) << opened.error().message;
        session = std::move(*opened);
    }
    /// Each row as text, values joined by '|'.
    std::vector<std::string> ask(const std::string& statement) {
        std::vector<std::string> rows;
        const auto ran = session->run(statement, [&](const auto&, const Session::Row& row) {
            std::string line;
            for (const Value& value : row) {
                if (!line.empty()) line += "|";
                if (const auto* n = std::get_if<std::int64_t>(&value)) line += std::to_string(*n);
                if (const auto* t = std::get_if<std::string_view>(&value)) line += *t;
                if (std::holds_alternative<std::monostate>(value)) line += "NULL";
            }
            rows.push_back(line);
            return true;
        });
        EXPECT_TRUE(ran.ok()) << ran.error().message;
        return rows;
    }
    Error refusal(const std::string& statement) {
        const auto ran = session->run(statement, [](const auto&, const auto&) { return true; });
        EXPECT_FALSE(ran.ok()) << statement;
        return ran ? Error{} : ran.error();
    }

    store::testing::TempDir folder;
    std::unique_ptr<Session> session;
};

TEST_F(Sql, columns_are_those_of_the_data_model) {
    EXPECT_THAT(ask("SELECT trace_id, span_id, parent_id, service, name, kind, status,"
                    " status_message, start_ns, duration_ns, end_ns, unfinished FROM spans"
                    " WHERE span_id = '0000000000000006'"),
                ElementsAre("01000000000000000000000000000000|0000000000000006|0000000000000005|"
                            "web|work|server|error|it\tfailed|1005000000000|6000000|1005006000000|"
                            "0"));
    EXPECT_THAT(ask("SELECT attributes, resource, events, links FROM spans LIMIT 1"),
                ElementsAre(R"({"http.status_code":500,"user":"u-0"}|)"
                            R"({"service.name":"cart","zone":"a"}|[]|[])"));
}

TEST_F(Sql, attributes_are_columns_by_their_name) {
    EXPECT_THAT(ask(R"(SELECT count(*) FROM spans WHERE "http.status_code" >= 500)"),
                ElementsAre("8"));
    EXPECT_THAT(ask(R"(SELECT "user", count(*) FROM spans GROUP BY 1 ORDER BY 1)"),
                ElementsAre("u-0|14", "u-1|13", "u-2|13"));
    EXPECT_THAT(ask("SELECT DISTINCT zone FROM spans"), ElementsAre("a"));
}

TEST_F(Sql, integers_stand_for_texts) {
    EXPECT_THAT(ask("SELECT service, count(*) FROM spans GROUP BY service_id ORDER BY service"),
                ElementsAre("cart|20", "web|20"));
    EXPECT_THAT(ask("SELECT count(*) FROM spans WHERE kind_id = 2 AND status_id = 2"),
                ElementsAre("8"));
    EXPECT_THAT(ask("SELECT count(*) FROM spans WHERE service_id ="
                    " (SELECT service_id FROM spans WHERE service = 'web' LIMIT 1)"),
                ElementsAre("20"));
}

TEST_F(Sql, newest_first_is_an_order) {
    EXPECT_THAT(ask("SELECT start_ns / 1000000000 FROM spans ORDER BY start_ns DESC LIMIT 3"),
                ElementsAre("1039", "1038", "1037"));
    EXPECT_THAT(ask("SELECT start_ns / 1000000000 FROM spans WHERE service = 'cart'"
                    " ORDER BY start_ns DESC LIMIT 2 OFFSET 3"),
                ElementsAre("1032", "1030"));
}

TEST_F(Sql, tables_of_the_catalogue) {
    EXPECT_THAT(ask("SELECT * FROM services"), ElementsAre("cart|20|4", "web|20|4"));
    EXPECT_THAT(
        ask("SELECT service, name, kind, spans FROM operations ORDER BY 1, 2"),
        ElementsAre("cart|GET /cart|server|10", "cart|work|server|10", "web|work|server|20"));
    EXPECT_THAT(ask("SELECT key FROM attribute_keys"),
                ElementsAre("http.status_code", "service.name", "user", "zone"));
    EXPECT_THAT(ask("SELECT spans FROM database"), ElementsAre("40"));
    EXPECT_THAT(ask("SELECT count(*) FROM processes"), ElementsAre("0"));
}

TEST_F(Sql, joins_and_subqueries) {
    EXPECT_THAT(ask("SELECT p.service || ' -> ' || c.service, count(*) FROM spans c JOIN spans p"
                    " ON p.trace_id = c.trace_id AND p.span_id = c.parent_id"
                    " WHERE p.service <> c.service GROUP BY 1 ORDER BY 1"),
                ElementsAre("cart -> web|20", "web -> cart|16"));
    EXPECT_THAT(ask("SELECT count(*) FROM spans WHERE trace_id IN"
                    " (SELECT trace_id FROM spans WHERE span_id = '0000000000000001')"),
                ElementsAre("10"));
    EXPECT_THAT(ask("SELECT count(*) FROM spans WHERE service IN ('cart', 'web', 'none')"),
                ElementsAre("40"));
}

TEST_F(Sql, percentiles_and_regular_expressions) {
    EXPECT_THAT(ask("SELECT percentile(duration_ns, 100) FROM spans"), ElementsAre("40000000"));
    EXPECT_THAT(ask("SELECT percentile(duration_ns, 50) FROM spans WHERE name = 'none'"),
                ElementsAre("NULL"));
    EXPECT_THAT(ask("SELECT DISTINCT name FROM spans WHERE name REGEXP '^GET'"),
                ElementsAre("GET /cart"));
    EXPECT_THAT(refusal("SELECT percentile(duration_ns, 101) FROM spans").message,
                HasSubstr("from 0 to 100"));
    EXPECT_THAT(refusal("SELECT percentile(name, 50) FROM spans").message,
                HasSubstr("a whole number from 0"));
    EXPECT_THAT(refusal("SELECT * FROM spans WHERE name REGEXP '('").message,
                HasSubstr("regular expression"));
    EXPECT_THAT(refusal("SELECT * FROM spans WHERE name REGEXP '((a{100}){100}){100}'").message,
                HasSubstr("regular expression"));
}

TEST_F(Sql, nothing_can_be_written) {
    for (const char* statement :
         {"DELETE FROM spans", "INSERT INTO spans(name) VALUES('x')", "UPDATE spans SET name = 'x'",
          "DROP TABLE spans", "CREATE TABLE t(x)", "CREATE TEMP TABLE t(x)", "ATTACH 'f' AS f",
          "VACUUM INTO 'f'", "PRAGMA hard_heap_limit = 0", "PRAGMA temp_store_directory = '/'",
          "BEGIN", "SELECT load_extension('x')", "CREATE VIRTUAL TABLE s USING spans"}) {
        EXPECT_EQ(refusal(statement).code, ErrorCode::kInvalidArgument) << statement;
    }
    EXPECT_THAT(ask("SELECT count(*) FROM spans"), ElementsAre("40"));
}

TEST_F(Sql, a_fault_says_where_it_is) {
    EXPECT_EQ(refusal("SELECT nix FROM spans").message, "column 8: no such column: nix");
    EXPECT_THAT(refusal("SELEC 1").message, HasSubstr("column 1: near \"SELEC\""));
    EXPECT_THAT(refusal("SELECT 1; SELECT 2").message, HasSubstr("one statement"));
    EXPECT_THAT(refusal("").message, HasSubstr("no statement"));
    EXPECT_THAT(refusal("-- nothing").message, HasSubstr("no statement"));
    EXPECT_THAT(ask("SELECT 1 ; ; "), ElementsAre("1"));
}

TEST_F(Sql, a_statement_that_takes_too_long_ends) {
    Limits limits;
    limits.time_max = std::chrono::milliseconds(50);
    open(limits);
    EXPECT_EQ(refusal("SELECT count(*) FROM spans a, spans b, spans c, spans d, spans e").code,
              ErrorCode::kTimeout);
    EXPECT_EQ(refusal("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
                      " SELECT count(*) FROM n")
                  .code,
              ErrorCode::kTimeout);
    EXPECT_THAT(ask("SELECT count(*) FROM spans"), ElementsAre("40"));
}

TEST_F(Sql, a_statement_that_takes_too_much_memory_ends) {
    Limits limits;
    limits.bytes_max = 8u << 20;
    open(limits);
    EXPECT_EQ(refusal("WITH RECURSIVE n(i, t) AS (SELECT 1, 'x' UNION ALL SELECT i + 1, t || t"
                      " FROM n WHERE i < 40) SELECT max(length(t)) FROM n")
                  .code,
              ErrorCode::kNoSpace);
    open({});
    EXPECT_THAT(ask("SELECT count(*) FROM spans"), ElementsAre("40"));
}

TEST_F(Sql, sees_what_came_since) {
    Span late = span_of(50, "late", "x");
    late.attributes = {{"new.key", true}};
    query::test::make_database(folder.db(), {late}, 1);
    EXPECT_THAT(ask(R"(SELECT service FROM spans WHERE "new.key" = 1)"), ElementsAre("late"));
    const auto tables = session->tables();
    ASSERT_TRUE(tables.ok());
    EXPECT_EQ(tables->front().name, "spans");
    EXPECT_EQ(tables->front().columns.back().name, "zone");
}

TEST_F(Sql, a_key_that_sql_cannot_tell_apart_has_no_column) {
    Span span = span_of(60, "odd", "x");
    span.attributes = {
        {"Name", std::string("no")}, {"USER", std::string("no")}, {"we\"ird", std::int64_t{7}}};
    query::test::make_database(folder.db(), {span}, 1);
    EXPECT_THAT(ask(R"(SELECT name, "we""ird", attributes ->> '$.Name' FROM spans)"
                    " WHERE service = 'odd'"),
                ElementsAre("x|7|no"));
}

}  // namespace
}  // namespace spanring::sql
