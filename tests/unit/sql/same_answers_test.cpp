// What SQL says of spans in the store is what it says of the same spans in a plain table of SQLite,
// and what the store's own conditions and plain code say.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "any_condition.hpp"
#include "any_span.hpp"
#include "database_of.hpp"
#include "spanring/codec/jsonl.hpp"
#include "spanring/sql/session.hpp"

namespace spanring::sql {
namespace {

using codec::Span;
using codec::test::number;
using codec::test::word;
using store::Condition;
using store::Operator;
using store::Property;

// "service.name" is in a resource, or in a span, or in both.
constexpr std::array<const char*, 5> kKeys = {"a", "http.method", "service.name", "\xc3\xa4",
                                              "x y"};

std::string quoted(const std::string& text, char quote) {
    std::string out(1, quote);
    for (const char c : text) out += c == quote ? std::string(2, quote) : std::string(1, c);
    return out + quote;
}

/// A plain table of the same columns, filled span by span.
class PlainTable {
public:
    explicit PlainTable(const std::vector<Span>& spans) {
        sqlite3* raw = nullptr;
        EXPECT_EQ(sqlite3_open(":memory:", &raw), SQLITE_OK);
        connection_.reset(raw);
        std::string create =
            "CREATE TABLE spans(trace_id TEXT, span_id TEXT, parent_id TEXT, service TEXT,"
            " name TEXT, kind TEXT, status TEXT, status_message TEXT, start_ns INTEGER,"
            " duration_ns INTEGER, scope_name TEXT, scope_version TEXT, flags INTEGER,"
            " trace_state TEXT, unfinished INTEGER, end_lost INTEGER, attributes TEXT, events TEXT";
        for (const char* key : kKeys) create += ", " + quoted(key, '"');
        EXPECT_EQ(sqlite3_exec(raw, (create + ")").c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
        std::string insert = "INSERT INTO spans VALUES(?";
        for (std::size_t i = 1; i < 18 + kKeys.size(); ++i) insert += ",?";
        EXPECT_EQ(sqlite3_prepare_v2(raw, (insert + ")").c_str(), -1, &insert_, nullptr),
                  SQLITE_OK);
        for (const Span& span : spans) add(span);
        sqlite3_finalize(insert_);
    }

    /// The rows, each value with its type, joined.
    std::vector<std::string> ask(const std::string& statement) {
        std::vector<std::string> rows;
        sqlite3_stmt* ask = nullptr;
        EXPECT_EQ(sqlite3_prepare_v2(connection_.get(), statement.c_str(), -1, &ask, nullptr),
                  SQLITE_OK)
            << statement << ": " << sqlite3_errmsg(connection_.get());
        while (sqlite3_step(ask) == SQLITE_ROW) {
            std::string row;
            for (int c = 0; c < sqlite3_column_count(ask); ++c) {
                const auto bytes = [&](const void* at) {
                    return std::string(static_cast<const char*>(at),
                                       static_cast<std::size_t>(sqlite3_column_bytes(ask, c)));
                };
                switch (sqlite3_column_type(ask, c)) {
                    case SQLITE_INTEGER:
                        row += "i" + std::to_string(sqlite3_column_int64(ask, c));
                        break;
                    case SQLITE_FLOAT:
                        row += "f" + std::to_string(sqlite3_column_double(ask, c));
                        break;
                    case SQLITE_TEXT: row += "t" + bytes(sqlite3_column_text(ask, c)); break;
                    case SQLITE_BLOB: row += "b" + bytes(sqlite3_column_blob(ask, c)); break;
                    default: row += "n";
                }
                row += '|';
            }
            rows.push_back(row);
        }
        sqlite3_finalize(ask);
        return rows;
    }

private:
    void put(const std::string& text) {
        sqlite3_bind_text64(insert_, ++column_, text.data(), text.size(), SQLITE_TRANSIENT,
                            SQLITE_UTF8);
    }
    void put_unless_empty(const std::string& text) {
        if (text.empty()) {
            ++column_;
        } else {
            put(text);
        }
    }
    void put(std::int64_t whole) { sqlite3_bind_int64(insert_, ++column_, whole); }
    void put(const std::optional<std::int64_t>& whole) {
        ++column_;
        if (whole) sqlite3_bind_int64(insert_, column_, *whole);
    }
    void put(const codec::Value* value) {
        ++column_;
        if (value == nullptr) return;
        if (const auto* flag = std::get_if<bool>(value)) {
            sqlite3_bind_int64(insert_, column_, *flag ? 1 : 0);
        } else if (const auto* whole = std::get_if<std::int64_t>(value)) {
            sqlite3_bind_int64(insert_, column_, *whole);
        } else if (const auto* real = std::get_if<double>(value)) {
            sqlite3_bind_double(insert_, column_, *real);
        } else if (const auto* text = std::get_if<std::string>(value)) {
            --column_;
            put(*text);
        } else if (const auto* bytes = std::get_if<codec::Bytes>(value)) {
            sqlite3_bind_blob64(insert_, column_, bytes->data.data(), bytes->data.size(),
                                SQLITE_TRANSIENT);
        } else {
            --column_;
            put(codec::to_json(*value));
        }
    }
    static const codec::Value* last_of(const codec::Attributes& attributes, const char* key) {
        const auto found = std::find_if(attributes.rbegin(), attributes.rend(),
                                        [key](const auto& a) { return a.first == key; });
        return found == attributes.rend() ? nullptr : &found->second;
    }
    void add(const Span& s) {
        column_ = 0;
        put(to_hex(s.trace_id, s.trace_id_64));
        put(to_hex(s.span_id));
        put_unless_empty(s.parent_id.valid() ? to_hex(s.parent_id) : "");
        put(codec::service_of(*s.resource));
        put(s.name);
        put(std::string(to_string(s.kind)));
        put(std::string(to_string(s.status)));
        put_unless_empty(s.status_message);
        put(s.start_ns);
        put(s.duration_ns);
        put_unless_empty(s.scope.name);
        put_unless_empty(s.scope.version);
        put(std::int64_t{s.flags});
        put_unless_empty(s.trace_state);
        put(std::int64_t{s.unfinished});
        put(std::int64_t{s.end_lost});
        put(codec::to_json(s.attributes));
        put(codec::to_json(s.events));
        for (const char* key : kKeys) {
            const auto* own = last_of(s.attributes, key);
            put(own != nullptr ? own : last_of(*s.resource, key));
        }
        EXPECT_EQ(sqlite3_step(insert_), SQLITE_DONE);
        sqlite3_reset(insert_);
        sqlite3_clear_bindings(insert_);
    }

    struct Close {
        void operator()(sqlite3* connection) const { sqlite3_close(connection); }
    };
    std::unique_ptr<sqlite3, Close> connection_;
    sqlite3_stmt* insert_{nullptr};
    int column_{0};
};

std::vector<std::string> ask(Session& session, const std::string& statement) {
    std::vector<std::string> rows;
    const auto ran = session.run(statement, [&](const auto&, const Session::Row& values) {
        std::string row;
        for (const Value& value : values) {
            if (const auto* whole = std::get_if<std::int64_t>(&value))
                row += "i" + std::to_string(*whole);
            else if (const auto* real = std::get_if<double>(&value))
                row += "f" + std::to_string(*real);
            else if (const auto* text = std::get_if<std::string_view>(&value))
                row += "t" + std::string(*text);
            else if (const auto* blob = std::get_if<Blob>(&value))
                row += "b" + std::string(blob->bytes);
            else
                row += "n";
            row += '|';
        }
        rows.push_back(row);
        return true;
    });
    EXPECT_TRUE(ran.ok()) << ran.error().message << "\n" << statement;
    return rows;
}

std::string literal() {
    switch (*rc::gen::inRange(0, 6)) {
        case 0: return std::to_string(number());
        case 1: return *rc::gen::element<std::string>("0.5", "1e3", "-2.25", "0.0", "1e300");
        case 2: return *rc::gen::element<std::string>("NULL", "x'61'", "0", "1");
        case 3:
            return quoted(to_hex(codec::test::id<TraceId>(4), *rc::gen::arbitrary<bool>()), '\'');
        case 4:
            return *rc::gen::element<std::string>("'server'", "'error'", "'unset'", "'[true]'",
                                                  "'[]'", "'0000000000000003'");
        default: return quoted(word(), '\'');
    }
}

std::string column() {
    return *rc::gen::element<std::string>(
        "trace_id", "span_id", "parent_id", "service", "name", "kind", "status", "status_message",
        "start_ns", "duration_ns", "scope_name", "scope_version", "unfinished", "flags", "\"a\"",
        "\"http.method\"", "\"service.name\"", "\"\xc3\xa4\"", "\"x y\"");
}

std::string any_where(int depth = 2) {
    if (depth > 0 && *rc::gen::inRange(0, 2) == 0) {
        const std::string a = any_where(depth - 1);
        const std::string b = any_where(depth - 1);
        switch (*rc::gen::inRange(0, 3)) {
            case 0: return "(" + a + " AND " + b + ")";
            case 1: return "(" + a + " OR " + b + ")";
            default: return "NOT (" + a + ")";
        }
    }
    const std::string left = column();
    switch (*rc::gen::inRange(0, 8)) {
        case 0: return left + *rc::gen::element<std::string>(" IS NULL", " IS NOT NULL");
        case 1: return left + " IN (" + literal() + ", " + literal() + ", " + literal() + ")";
        case 2: return left + " BETWEEN " + literal() + " AND " + literal();
        case 3: return left + " IS " + literal();
        case 4: return left + " = " + column();
        default:
            return left +
                   *rc::gen::element<std::string>(" = ", " <> ", " < ", " <= ", " > ", " >= ") +
                   literal();
    }
}

std::vector<std::string> sorted(std::vector<std::string> rows) {
    std::ranges::sort(rows);
    return rows;
}

std::vector<Span> any_spans() {
    return *rc::gen::container<std::vector<Span>>(
        rc::gen::exec([] { return codec::test::any_span(); }));
}

TEST(SqlAnswers, answers_as_a_plain_table_does) {
    codec::test::check("SQL over the store = SQL over a plain table", [] {
        auto spans = any_spans();
        // So that each key is a column.
        Span all_keys;
        all_keys.span_id.bytes[0] = 9;
        for (const char* key : kKeys) all_keys.attributes.emplace_back(key, std::int64_t{1});
        all_keys.resource = std::make_shared<const codec::Attributes>();
        spans.push_back(all_keys);
        const store::testing::TempDir folder;
        query::test::make_database(folder.db(), spans, *rc::gen::inRange<std::size_t>(20, 100));
        auto session = Session::open(folder.db());
        RC_ASSERT(session.ok());
        PlainTable plain(spans);
        for (int i = 0; i < 10; ++i) {
            const std::string where = any_where();
            RC_LOG() << where;
            const std::string all =
                "SELECT trace_id, span_id, parent_id, service, name, kind, status, status_message,"
                " start_ns, duration_ns, scope_name, scope_version, flags, trace_state, unfinished,"
                " end_lost, attributes, events, \"a\", \"http.method\", \"service.name\","
                " \"\xc3\xa4\", \"x y\" FROM spans WHERE " +
                where;
            RC_ASSERT(sorted(ask(**session, all)) == sorted(plain.ask(all)));
            const std::string newest =
                "SELECT start_ns FROM spans WHERE " + where + " ORDER BY start_ns DESC LIMIT 5";
            RC_ASSERT(ask(**session, newest) == plain.ask(newest));
            const std::string by = column();
            const std::string groups = "SELECT " + by +
                                       ", count(*), sum(unfinished), min(duration_ns),"
                                       " max(start_ns) FROM spans WHERE " +
                                       where + " GROUP BY " + by + " ORDER BY " + by;
            RC_ASSERT(ask(**session, groups) == plain.ask(groups));
            const std::string two =
                "SELECT service, status, count(*), max(duration_ns) FROM spans"
                " WHERE " +
                where + " GROUP BY service, status";
            RC_ASSERT(sorted(ask(**session, two)) == sorted(plain.ask(two)));
            const std::string distinct =
                "SELECT DISTINCT " + by + ", kind FROM spans WHERE " + where;
            RC_ASSERT(sorted(ask(**session, distinct)) == sorted(plain.ask(distinct)));
        }
    });
}

/// A condition, and the same in SQL: what is not known is false in the one, NULL in the other.
struct Both {
    Condition condition;
    std::string sql;
};

Both any_comparison() {
    static const std::vector<std::pair<Operator, const char*>> kOrder{
        {Operator::kEqual, "="},   {Operator::kUnequal, "<>"}, {Operator::kLess, "<"},
        {Operator::kAtMost, "<="}, {Operator::kMore, ">"},     {Operator::kAtLeast, ">="}};
    const auto compare = [](Property property, const char* name, store::Literal value,
                            const std::string& text) {
        const auto& [op, sign] = *rc::gen::elementOf(kOrder);
        return Both{Condition::compare(property, op, std::move(value)),
                    std::string("coalesce(") + name + " " + sign + " " + text + ", 0)"};
    };
    switch (*rc::gen::inRange(0, 4)) {
        case 0: {
            const auto& [property, name] = *rc::gen::element(
                std::pair(Property::kName, "name"), std::pair(Property::kService, "service"),
                std::pair(Property::kStatusMessage, "status_message"),
                std::pair(Property::kScopeName, "scope_name"),
                std::pair(Property::kScopeVersion, "scope_version"));
            const std::string text = word();
            return compare(property, name, text, quoted(text, '\''));
        }
        case 1: {
            const std::int64_t value = number();
            return *rc::gen::arbitrary<bool>()
                       ? compare(Property::kDuration, "duration_ns", value, std::to_string(value))
                       : compare(Property::kStart, "start_ns", value, std::to_string(value));
        }
        case 2: {
            const auto value = *rc::gen::inRange<std::int64_t>(0, 6);
            return *rc::gen::arbitrary<bool>()
                       ? compare(Property::kKind, "kind_id", value, std::to_string(value))
                       : compare(Property::kStatus, "status_id", value, std::to_string(value));
        }
        default: {
            const auto id = codec::test::id<SpanId>(20);
            return {Condition::compare(Property::kSpanId, Operator::kEqual, id),
                    "span_id = '" + to_hex(id) + "'"};
        }
    }
}

Both any_both(int depth = 3) {
    if (depth == 0 || *rc::gen::inRange(0, 3) == 0) return any_comparison();
    Both a = any_both(depth - 1);
    if (*rc::gen::inRange(0, 4) == 0)
        return {Condition::negation(std::move(a.condition)), "NOT (" + a.sql + ")"};
    Both b = any_both(depth - 1);
    if (*rc::gen::arbitrary<bool>())
        return {Condition::all_of({std::move(a.condition), std::move(b.condition)}),
                "(" + a.sql + " AND " + b.sql + ")"};
    return {Condition::any_of({std::move(a.condition), std::move(b.condition)}),
            "(" + a.sql + " OR " + b.sql + ")"};
}

std::string row_of(const Span& span) {
    return "t" + to_hex(span.trace_id, span.trace_id_64) + "|t" + to_hex(span.span_id) + "|";
}

TEST(SqlAnswers, and_conditions_and_plain_code_agree) {
    codec::test::check("native = SQL = naive", [] {
        const auto spans = any_spans();
        const store::testing::TempDir folder;
        query::test::make_database(folder.db(), spans, *rc::gen::inRange<std::size_t>(20, 100));
        auto session = Session::open(folder.db());
        auto reader = store::Reader::open(folder.db());
        RC_ASSERT(session.ok());
        RC_ASSERT(reader.ok());
        for (int i = 0; i < 10; ++i) {
            const Both both = any_both();
            std::vector<std::string> native;
            RC_ASSERT((*reader)
                          ->visit(both.condition,
                                  [&](const Span& span) {
                                      native.push_back(row_of(span));
                                      return true;
                                  })
                          .ok());
            const auto matcher = store::Matcher::make(both.condition);
            std::vector<std::string> naive;
            for (const Span& span : spans)
                if (matcher->matches(span)) naive.push_back(row_of(span));
            std::ranges::sort(native);
            std::ranges::sort(naive);
            RC_ASSERT(native == naive);
            RC_ASSERT(sorted(ask(**session, "SELECT trace_id, span_id FROM spans WHERE " +
                                                both.sql)) == naive);
        }
    });
}

}  // namespace
}  // namespace spanring::sql
