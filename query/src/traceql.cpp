#include "spanring/query/traceql.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "traceql_token.hpp"
#include "traceql_words.hpp"

namespace spanring::query {
namespace {

using store::Condition;
using store::Field;
using store::Literal;
using store::Operator;
using store::Property;

constexpr std::size_t kBytesMax = 64u << 10;
constexpr int kDepthMax = 64;

/// Thrown inside this file alone, caught by parse().
struct Wrong {
    Fault fault;
};

class Parser {
public:
    explicit Parser(std::string_view text) : lexer_(text) { advance(); }

    Query query() {
        Query query;
        query.spans = either();
        while (take("|")) stage(query);
        if (token_.kind != TokenKind::kEnd)
            wrong("'|', '&&', '||' or the end was expected, " + found());
        return query;
    }

private:
    // --- tokens

    void advance() {
        token_ = lexer_.next();
        if (token_.kind == TokenKind::kFault) throw Wrong{{token_.at + 1, token_.text}};
    }
    [[noreturn]] void wrong(std::string what) { throw Wrong{{token_.at + 1, std::move(what)}}; }
    [[noreturn]] static void wrong_at(const Token& token, std::string what) {
        throw Wrong{{token.at + 1, std::move(what)}};
    }
    [[nodiscard]] std::string found() const {
        switch (token_.kind) {
            case TokenKind::kEnd: return "the query ends";
            case TokenKind::kText: return "found a text";
            case TokenKind::kInteger:
            case TokenKind::kDecimal: return "found a number";
            case TokenKind::kDuration: return "found a duration";
            case TokenKind::kWord:
                return "found '" + (token_.attribute ? token_.scope + "." : "") + token_.text + "'";
            default: return "found '" + token_.text + "'";
        }
    }
    [[nodiscard]] bool is(std::string_view mark) const {
        return token_.kind == TokenKind::kMark && token_.text == mark;
    }
    bool take(std::string_view mark) {
        if (!is(mark)) return false;
        advance();
        return true;
    }
    void expect(std::string_view mark) {
        if (!take(mark)) wrong("'" + std::string(mark) + "' was expected, " + found());
    }

    /// Counts how deep the parser is.
    class Level {
    public:
        explicit Level(Parser& parser) : parser_(parser) {
            if (++parser_.depth_ > kDepthMax) parser_.wrong("nested deeper than 64");
        }
        ~Level() { --parser_.depth_; }
        Level(const Level&) = delete;
        Level& operator=(const Level&) = delete;

    private:
        Parser& parser_;
    };

    // --- spansets

    Spanset joined(Spanset::Kind kind, std::vector<Spanset> children) {
        if (children.size() == 1) return std::move(children.front());
        Spanset set;
        set.kind = kind;
        set.children = std::move(children);
        return set;
    }
    Spanset either() {
        std::vector<Spanset> children;
        do children.push_back(both());
        while (take("||"));
        return joined(Spanset::Kind::kEither, std::move(children));
    }
    Spanset both() {
        std::vector<Spanset> children;
        do children.push_back(one());
        while (take("&&"));
        return joined(Spanset::Kind::kBoth, std::move(children));
    }
    Spanset one() {
        const Level level(*this);
        if (take("(")) {
            Spanset inner = either();
            expect(")");
            return inner;
        }
        if (!is("{")) wrong("a query begins with '{', " + found());
        advance();
        Spanset set;
        if (!is("}")) set.condition = any_of();
        expect("}");
        return set;
    }

    // --- conditions

    Condition any_of() {
        std::vector<Condition> children;
        do children.push_back(all_of());
        while (take("||"));
        return Condition::any_of(std::move(children));
    }
    Condition all_of() {
        std::vector<Condition> children;
        do children.push_back(unary());
        while (take("&&"));
        return Condition::all_of(std::move(children));
    }
    Condition unary() {
        const Level level(*this);
        if (take("!")) return Condition::negation(unary());
        if (take("(")) {
            Condition inner = any_of();
            expect(")");
            return inner;
        }
        return comparison();
    }

    Condition comparison() {
        const Token first = token_;
        if (const auto field = take_field()) {
            if (const auto op = take_operator()) return compared(*field, *op, take_value());
            return bare(first, *field);
        }
        if (first.kind == TokenKind::kWord && (first.text == "true" || first.text == "false")) {
            advance();
            if (!next_is_operator()) {
                return first.text == "true" ? Condition{} : Condition::negation(Condition{});
            }
            return turned(first);
        }
        return turned(take_value());
    }
    /// "5ms < duration"
    Condition turned(const Token& value) {
        const auto op = take_operator();
        if (!op) wrong("an operator was expected behind the value, " + found());
        return compared(field(), mirrored(*op), value);
    }
    /// A field by itself: an attribute that is true.
    Condition bare(const Token& at, const Field& field) {
        if (field.property != Property::kAttribute)
            wrong("an operator was expected behind '" + at.text + "', " + found());
        return Condition::compare(field, Operator::kEqual, true);
    }

    Condition compared(const Field& field, Operator op, const Token& value) {
        std::string what;
        auto made = comparison_of(field, op, value, &what);
        if (!made) wrong_at(value, what);
        return std::move(*made);
    }

    std::optional<Field> take_field() {
        if (token_.kind != TokenKind::kWord) return std::nullopt;
        std::string what;
        auto field = field_of(token_, &what);
        if (!field) {
            if (!what.empty()) wrong(what);
            return std::nullopt;
        }
        advance();
        return field;
    }
    Field field() {
        auto field = take_field();
        if (!field) wrong("a field was expected, " + found());
        return std::move(*field);
    }
    [[nodiscard]] bool next_is_operator() const {
        return token_.kind == TokenKind::kMark && operator_of(token_.text).has_value();
    }
    std::optional<Operator> take_operator() {
        if (token_.kind != TokenKind::kMark) return std::nullopt;
        const auto op = operator_of(token_.text);
        if (op) advance();
        return op;
    }
    Token take_value() {
        const Token token = token_;
        if (token.kind == TokenKind::kWord && !word_is_value(token)) {
            wrong("a value was expected, " + found() +
                  (token.attribute ? "; fields are compared with values alone"
                                   : "; a text stands between quotes"));
        }
        if (token.kind == TokenKind::kEnd || token.kind == TokenKind::kMark)
            wrong("a value was expected, " + found());
        advance();
        return token;
    }

    // --- stages

    void stage(Query& query) {
        const Token word = token_;
        if (word.kind != TokenKind::kWord || word.attribute)
            wrong("a stage was expected (select, by, count, rate, ...), " + found());
        if (query.series) wrong("nothing may follow a function over time");
        advance();
        expect("(");
        if (word.text == "select") {
            do query.select.push_back(field());
            while (take(","));
            expect(")");
        } else if (word.text == "by") {
            if (query.group_by) wrong_at(word, "there is a 'by' already");
            query.group_by = field();
            expect(")");
        } else if (const auto function = series_function_of(word.text)) {
            query.series = series(*function);
        } else if (const auto aggregate = aggregate_of(word.text)) {
            query.filters.push_back(filter(*aggregate));
        } else {
            wrong_at(word, "there is no stage '" + word.text + "'; there are " + stage_names());
        }
    }

    AggregateFilter filter(Aggregate aggregate) {
        AggregateFilter filter;
        filter.aggregate = aggregate;
        if (aggregate != Aggregate::kCount) filter.of = field();
        expect(")");
        const auto op = take_operator();
        if (!op || *op == Operator::kMatches || *op == Operator::kMatchesNot)
            wrong("a comparison with a number was expected, " + found());
        filter.op = *op;
        filter.value = number();
        return filter;
    }

    double number() {
        const Token token = token_;
        if (token.kind != TokenKind::kInteger && token.kind != TokenKind::kDecimal &&
            token.kind != TokenKind::kDuration)
            wrong("a number was expected, " + found());
        advance();
        return token.kind == TokenKind::kDecimal ? token.decimal
                                                 : static_cast<double>(token.integer);
    }

    Series series(SeriesFunction function) {
        Series series;
        series.function = function;
        if (function != SeriesFunction::kRate && function != SeriesFunction::kCount)
            series.of = field();
        if (function == SeriesFunction::kQuantile) {
            while (take(",")) {
                const Token at = token_;
                series.quantiles.push_back(number());
                if (!(series.quantiles.back() >= 0 && series.quantiles.back() <= 1))
                    wrong_at(at, "a quantile is a number from 0 to 1");
            }
            if (series.quantiles.empty())
                wrong("a quantile was expected, as in quantile_over_time(duration, .99)");
        }
        expect(")");
        if (token_.kind == TokenKind::kWord && token_.text == "by" && !token_.attribute) {
            advance();
            expect("(");
            do series.by.push_back(field());
            while (take(","));
            expect(")");
        }
        return series;
    }

    Lexer lexer_;
    Token token_;
    int depth_{0};
};

}  // namespace

std::string Fault::line() const {
    return "column " + std::to_string(column) + ": " + what;
}

std::string Fault::picture(std::string_view query) const {
    // As a terminal shows it: a line, and as many columns as there are characters.
    std::string line;
    std::size_t cells = 0;
    for (std::size_t i = 0; i < query.size(); ++i) {
        const char c = query[i];
        line += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
        const bool starts = (static_cast<unsigned char>(c) & 0xc0) != 0x80;
        if (i + 1 < column && starts) ++cells;
    }
    return line + "\n" + std::string(cells, ' ') + "^";
}

std::optional<Query> parse(std::string_view text, Fault* fault) {
    if (text.size() > kBytesMax) {
        *fault = {kBytesMax + 1, "the query is longer than 64 KiB"};
        return std::nullopt;
    }
    try {
        return Parser(text).query();
    } catch (Wrong& wrong) {
        *fault = std::move(wrong.fault);
        return std::nullopt;
    }
}

}  // namespace spanring::query
