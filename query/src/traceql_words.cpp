#include "traceql_words.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "spanring/codec/span.hpp"

namespace spanring::query {
namespace {

using store::Condition;
using store::Field;
using store::Literal;
using store::Operator;
using store::Property;
using store::Scope;

struct Intrinsic {
    std::string_view word;
    Property property;
};
// The first spelling of each is the one that we write.
constexpr std::array kIntrinsics{Intrinsic{"name", Property::kName},
                                 Intrinsic{"kind", Property::kKind},
                                 Intrinsic{"status", Property::kStatus},
                                 Intrinsic{"statusMessage", Property::kStatusMessage},
                                 Intrinsic{"duration", Property::kDuration},
                                 Intrinsic{"traceDuration", Property::kTraceDuration},
                                 Intrinsic{"rootName", Property::kRootName},
                                 Intrinsic{"rootServiceName", Property::kRootService},
                                 Intrinsic{"span:name", Property::kName},
                                 Intrinsic{"span:kind", Property::kKind},
                                 Intrinsic{"span:status", Property::kStatus},
                                 Intrinsic{"span:statusMessage", Property::kStatusMessage},
                                 Intrinsic{"span:duration", Property::kDuration},
                                 Intrinsic{"span:start", Property::kStart},
                                 Intrinsic{"span:id", Property::kSpanId},
                                 Intrinsic{"span:parentID", Property::kParentId},
                                 Intrinsic{"trace:id", Property::kTraceId},
                                 Intrinsic{"trace:duration", Property::kTraceDuration},
                                 Intrinsic{"trace:rootName", Property::kRootName},
                                 Intrinsic{"trace:rootService", Property::kRootService},
                                 Intrinsic{"event:name", Property::kEventName},
                                 Intrinsic{"instrumentation:name", Property::kScopeName},
                                 Intrinsic{"instrumentation:version", Property::kScopeVersion}};

struct ScopeWord {
    std::string_view word;
    Scope scope;
};
constexpr std::array kScopes{ScopeWord{"", Scope::kAny}, ScopeWord{"span", Scope::kSpan},
                             ScopeWord{"resource", Scope::kResource},
                             ScopeWord{"event", Scope::kEvent}, ScopeWord{"link", Scope::kLink}};

struct OperatorMark {
    std::string_view mark;
    Operator op;
};
constexpr std::array kOperators{
    OperatorMark{"=", Operator::kEqual},    OperatorMark{"!=", Operator::kUnequal},
    OperatorMark{"<", Operator::kLess},     OperatorMark{"<=", Operator::kAtMost},
    OperatorMark{">", Operator::kMore},     OperatorMark{">=", Operator::kAtLeast},
    OperatorMark{"=~", Operator::kMatches}, OperatorMark{"!~", Operator::kMatchesNot}};

template <typename T>
struct Word {
    std::string_view word;
    T means;
};
constexpr std::array kStatuses{Word<std::int64_t>{"unset", 0}, Word<std::int64_t>{"ok", 1},
                               Word<std::int64_t>{"error", 2}};
constexpr std::array kKinds{
    Word<std::int64_t>{"unspecified", 0}, Word<std::int64_t>{"internal", 1},
    Word<std::int64_t>{"server", 2},      Word<std::int64_t>{"client", 3},
    Word<std::int64_t>{"producer", 4},    Word<std::int64_t>{"consumer", 5}};
constexpr std::array kSeries{
    Word<SeriesFunction>{"rate", SeriesFunction::kRate},
    Word<SeriesFunction>{"count_over_time", SeriesFunction::kCount},
    Word<SeriesFunction>{"min_over_time", SeriesFunction::kMin},
    Word<SeriesFunction>{"max_over_time", SeriesFunction::kMax},
    Word<SeriesFunction>{"sum_over_time", SeriesFunction::kSum},
    Word<SeriesFunction>{"avg_over_time", SeriesFunction::kAvg},
    Word<SeriesFunction>{"quantile_over_time", SeriesFunction::kQuantile},
    Word<SeriesFunction>{"histogram_over_time", SeriesFunction::kHistogram}};
constexpr std::array kAggregates{
    Word<Aggregate>{"count", Aggregate::kCount}, Word<Aggregate>{"min", Aggregate::kMin},
    Word<Aggregate>{"max", Aggregate::kMax}, Word<Aggregate>{"sum", Aggregate::kSum},
    Word<Aggregate>{"avg", Aggregate::kAvg}};

template <typename Words>
auto find_word(const Words& words, std::string_view word) {
    return std::ranges::find(words, word, [](const auto& entry) { return entry.word; });
}
template <typename Words>
auto meaning_of(const Words& words, std::string_view word) {
    const auto found = find_word(words, word);
    using T = decltype(found->means);
    return found == words.end() ? std::nullopt : std::optional<T>(found->means);
}
template <typename Words>
std::string names_of(const Words& words) {
    std::string names;
    for (const auto& entry : words) names += (names.empty() ? "" : " ") + std::string(entry.word);
    return names;
}

bool is_ordering(Operator op) noexcept {
    return op == Operator::kLess || op == Operator::kAtMost || op == Operator::kMore ||
           op == Operator::kAtLeast;
}
bool is_regex(Operator op) noexcept {
    return op == Operator::kMatches || op == Operator::kMatchesNot;
}

bool is_text(Property property) noexcept {
    switch (property) {
        case Property::kName:
        case Property::kStatusMessage:
        case Property::kService:
        case Property::kScopeName:
        case Property::kScopeVersion:
        case Property::kEventName:
        case Property::kRootName:
        case Property::kRootService: return true;
        default: return false;
    }
}

std::string quoted_name(const Field& field) {
    return "'" + to_string(field) + "'";
}

// The literal, or nothing and *what.
class LiteralOf {
public:
    LiteralOf(const Field& field, Operator op, const Token& token, std::string* what)
        : field_(field), op_(op), token_(token), what_(what) {}

    std::optional<Literal> literal() {
        if (is_regex(op_)) return regex();
        switch (field_.property) {
            case Property::kKind: return number_of_word(kKinds);
            case Property::kStatus: return number_of_word(kStatuses);
            case Property::kDuration:
            case Property::kTraceDuration:
            case Property::kStart: return duration();
            case Property::kTraceId: return id<TraceId>("32 or 16");
            case Property::kSpanId:
            case Property::kParentId: return id<SpanId>("16");
            case Property::kAttribute: return any();
            default: return text();
        }
    }

private:
    std::optional<Literal> wrong(std::string what) {
        *what_ = std::move(what);
        return std::nullopt;
    }
    std::optional<Literal> regex() {
        if (field_.property != Property::kAttribute && !is_text(field_.property))
            return wrong(quoted_name(field_) +
                         " is no text: a regular expression cannot be asked of it");
        return text();
    }
    std::optional<Literal> text() {
        if (token_.kind != TokenKind::kText)
            return wrong(quoted_name(field_) + " is compared with a text, between quotes");
        return token_.text;
    }
    template <typename Words>
    std::optional<Literal> number_of_word(const Words& words) {
        if (is_ordering(op_))
            return wrong(quoted_name(field_) + " has no order: '=' and '!=' alone");
        const bool word = token_.kind == TokenKind::kWord && !token_.attribute;
        if (const auto number = meaning_of(words, word ? token_.text : "")) return *number;
        return wrong(quoted_name(field_) + " is one of " + names_of(words));
    }
    std::optional<Literal> duration() {
        // A bare number is nanoseconds, as in Tempo.
        if (token_.kind == TokenKind::kDuration || token_.kind == TokenKind::kInteger)
            return token_.integer;
        if (token_.kind == TokenKind::kDecimal) return token_.decimal;
        return wrong(quoted_name(field_) + (field_.property == Property::kStart
                                                ? " is compared with nanoseconds since 1970"
                                                : " is compared with a duration, as in 10ms"));
    }
    template <typename Id>
    std::optional<Literal> id(const char* digits) {
        if (is_ordering(op_))
            return wrong(quoted_name(field_) + " has no order: '=' and '!=' alone");
        Id id;
        if (token_.kind == TokenKind::kText && from_hex(token_.text, &id)) return id;
        return wrong(quoted_name(field_) + " is compared with " + digits +
                     " hex digits between quotes");
    }
    std::optional<Literal> any() {
        switch (token_.kind) {
            case TokenKind::kText: return token_.text;
            case TokenKind::kInteger:
            case TokenKind::kDuration: return token_.integer;
            case TokenKind::kDecimal: return token_.decimal;
            default: break;
        }
        if (token_.text == "true" || token_.text == "false") {
            if (is_ordering(op_)) return wrong("true and false have no order: '=' and '!=' alone");
            return token_.text == "true";
        }
        if (const auto number = meaning_of(kStatuses, token_.text)) return *number;
        if (const auto number = meaning_of(kKinds, token_.text)) return *number;
        return wrong("a value was expected");
    }

    const Field& field_;
    Operator op_;
    const Token& token_;
    std::string* what_;
};

}  // namespace

std::optional<Field> field_of(const Token& word, std::string* what) {
    if (word.attribute) {
        const auto scope = find_word(kScopes, word.scope);
        if (scope == kScopes.end()) {
            *what = "there is no scope '" + word.scope +
                    "'; there are span, resource, event, link, or none";
            return std::nullopt;
        }
        // What resources without it are shown as can be asked for, too.
        if (scope->scope == Scope::kResource && word.text == "service.name")
            return Field{Property::kService};
        return Field{Property::kAttribute, scope->scope, word.text};
    }
    const auto known = find_word(kIntrinsics, word.text);
    if (known != kIntrinsics.end()) return Field{known->property};
    if (!word_is_value(word)) {
        *what = "there is no field '" + word.text + "'; an attribute is written '." + word.text +
                "', a text stands between quotes";
    }
    return std::nullopt;
}

bool word_is_value(const Token& word) {
    if (word.attribute) return false;
    return word.text == "true" || word.text == "false" || word.text == "nil" ||
           find_word(kStatuses, word.text) != kStatuses.end() ||
           find_word(kKinds, word.text) != kKinds.end();
}

std::optional<Operator> operator_of(std::string_view mark) {
    for (const OperatorMark& known : kOperators)
        if (known.mark == mark) return known.op;
    return std::nullopt;
}

Operator mirrored(Operator op) noexcept {
    switch (op) {
        case Operator::kLess: return Operator::kMore;
        case Operator::kAtMost: return Operator::kAtLeast;
        case Operator::kMore: return Operator::kLess;
        case Operator::kAtLeast: return Operator::kAtMost;
        default: return op;
    }
}

std::optional<Condition> comparison_of(const Field& field, Operator op, const Token& value,
                                       std::string* what) {
    if (value.kind == TokenKind::kWord && value.text == "nil") {
        if (op != Operator::kEqual && op != Operator::kUnequal) {
            *what = "nil is what is absent: '= nil' and '!= nil' alone";
            return std::nullopt;
        }
        Condition there = Condition::compare(field, Operator::kExists, {});
        return op == Operator::kUnequal ? there : Condition::negation(std::move(there));
    }
    auto literal = LiteralOf(field, op, value, what).literal();
    if (!literal) return std::nullopt;
    Condition made = Condition::compare(field, op, std::move(*literal));
    if (is_regex(op)) {
        // What a trace has is asked of no span; the expression is the same.
        Condition of_span = made;
        if (store::is_of_trace(field.property)) of_span.field = {Property::kName, {}, {}};
        if (auto matcher = store::Matcher::make(of_span); !matcher) {
            *what = matcher.error().message;
            return std::nullopt;
        }
    }
    return made;
}

std::optional<SeriesFunction> series_function_of(std::string_view word) {
    return meaning_of(kSeries, word);
}
std::optional<Aggregate> aggregate_of(std::string_view word) {
    return meaning_of(kAggregates, word);
}
std::string stage_names() {
    return "select by " + names_of(kAggregates) + " " + names_of(kSeries);
}

std::string_view word_of(SeriesFunction function) {
    return std::ranges::find(kSeries, function, &Word<SeriesFunction>::means)->word;
}
std::string_view word_of(Aggregate aggregate) {
    return std::ranges::find(kAggregates, aggregate, &Word<Aggregate>::means)->word;
}
std::string_view word_of(Property property) {
    const auto found = std::ranges::find(kIntrinsics, property, &Intrinsic::property);
    return found == kIntrinsics.end() ? "" : found->word;
}
std::string_view word_of(Scope scope) {
    return std::ranges::find(kScopes, scope, &ScopeWord::scope)->word;
}
std::string_view mark_of(Operator op) {
    return std::ranges::find(kOperators, op, &OperatorMark::op)->mark;
}
std::string_view word_of_number(Property property, std::int64_t number) {
    if (property == Property::kStatus)
        return std::ranges::find(kStatuses, number, &Word<std::int64_t>::means)->word;
    return std::ranges::find(kKinds, number, &Word<std::int64_t>::means)->word;
}

}  // namespace spanring::query
