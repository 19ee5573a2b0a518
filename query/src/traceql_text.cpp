// Queries as text.
#include <string>
#include <type_traits>
#include <variant>

#include "spanring/base/shortest_text.hpp"
#include "spanring/query/traceql.hpp"
#include "traceql_words.hpp"

namespace spanring::query {
namespace {

using store::Condition;
using store::Field;
using store::Operator;
using store::Property;

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        switch (c) {
            case '"':
            case '\\': (out += '\\') += c; break;
            case '\n': out += "\\n"; break;
            case '\t': out += "\\t"; break;
            case '\r': out += "\\r"; break;
            default: out += c;
        }
    }
    return out + '"';
}

bool is_plain(std::string_view key) {
    for (const char c : key) {
        const bool letter =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '_' && c != '.' && c != '-' && c != '/' && c != '@' && c != '$' &&
            c != ':')
            return false;
    }
    return !key.empty() && key.front() != '"';
}

// With a point or an exponent, so that it stays no whole number.
std::string decimal(double value) {
    const std::string text = shortest_text(value);
    return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

std::string literal(const Condition& condition) {
    const Property property = condition.field.property;
    return std::visit(
        [&](const auto& value) -> std::string {
            using T = std::decay_t<decltype(value)>;
            if constexpr (std::is_same_v<T, std::monostate>) {
                return "nil";
            } else if constexpr (std::is_same_v<T, bool>) {
                return value ? "true" : "false";
            } else if constexpr (std::is_same_v<T, std::int64_t>) {
                if (property == Property::kKind || property == Property::kStatus)
                    return std::string(word_of_number(property, value));
                return std::to_string(value) +
                       (property == Property::kDuration || property == Property::kTraceDuration
                            ? "ns"
                            : "");
            } else if constexpr (std::is_same_v<T, double>) {
                return decimal(value);
            } else if constexpr (std::is_same_v<T, std::string>) {
                return quoted(value);
            } else {
                return quoted(to_hex(value));
            }
        },
        condition.literal);
}

std::string joined(const std::vector<Condition>& children, const char* mark) {
    std::string out;
    for (const Condition& child : children) {
        const bool brackets =
            child.kind == Condition::Kind::kAnd || child.kind == Condition::Kind::kOr;
        if (!out.empty()) out += mark;
        out += brackets ? "(" + to_string(child) + ")" : to_string(child);
    }
    return out;
}

std::string text_of(const Spanset& set, bool inside) {
    if (set.kind == Spanset::Kind::kOne) {
        return set.condition == Condition{} ? "{ }" : "{ " + to_string(set.condition) + " }";
    }
    std::string out;
    for (const Spanset& child : set.children) {
        if (!out.empty()) out += set.kind == Spanset::Kind::kBoth ? " && " : " || ";
        out += text_of(child, true);
    }
    return inside ? "(" + out + ")" : out;
}

std::string list(const std::vector<Field>& fields) {
    std::string out;
    for (const Field& field : fields) out += (out.empty() ? "" : ", ") + to_string(field);
    return out;
}

}  // namespace

std::string to_string(const Field& field) {
    if (field.property == Property::kService) return "resource.service.name";
    if (field.property != Property::kAttribute) return std::string(word_of(field.property));
    return std::string(word_of(field.scope)) + "." +
           (is_plain(field.key) ? field.key : quoted(field.key));
}

std::string to_string(const Condition& condition) {
    switch (condition.kind) {
        case Condition::Kind::kEvery: return "true";
        case Condition::Kind::kAnd: return joined(condition.children, " && ");
        case Condition::Kind::kOr: return joined(condition.children, " || ");
        case Condition::Kind::kNot: {
            const Condition& child = condition.children.front();
            if (child.kind == Condition::Kind::kEvery) return "false";
            if (child.kind == Condition::Kind::kCompare && child.op == Operator::kExists)
                return to_string(child.field) + " = nil";
            return "!(" + to_string(child) + ")";
        }
        case Condition::Kind::kCompare: break;
    }
    const std::string name = to_string(condition.field);
    if (condition.op == Operator::kExists) return name + " != nil";
    return name + " " + std::string(mark_of(condition.op)) + " " + literal(condition);
}

std::string to_string(const Query& query) {
    std::string out = text_of(query.spans, false);
    if (query.group_by) out += " | by(" + to_string(*query.group_by) + ")";
    for (const AggregateFilter& filter : query.filters) {
        out += " | " + std::string(word_of(filter.aggregate)) + "(";
        if (filter.aggregate != Aggregate::kCount) out += to_string(filter.of);
        out += ") " + std::string(mark_of(filter.op)) + " " + shortest_text(filter.value);
    }
    if (!query.select.empty()) out += " | select(" + list(query.select) + ")";
    if (!query.series) return out;
    const Series& series = *query.series;
    out += " | " + std::string(word_of(series.function)) + "(";
    if (series.function != SeriesFunction::kRate && series.function != SeriesFunction::kCount)
        out += to_string(series.of);
    for (const double quantile : series.quantiles) out += ", " + shortest_text(quantile);
    out += ")";
    if (!series.by.empty()) out += " by(" + list(series.by) + ")";
    return out;
}

}  // namespace spanring::query
