#include "spanring/store/condition.hpp"

#include <algorithm>
#include <compare>
#include <type_traits>
#include <utility>

#include "condition_node.hpp"
#include "spanring/base/shortest_text.hpp"

namespace spanring::store {
namespace {

/// Of one expression, with what it becomes when it is run.
constexpr std::int64_t kRegexBytesMax = 1 << 20;

bool holds(Operator op, std::partial_ordering order) noexcept {
    switch (op) {
        case Operator::kEqual: return order == 0;
        case Operator::kUnequal: return order != 0;
        case Operator::kLess: return order < 0;
        case Operator::kAtMost: return order <= 0;
        case Operator::kMore: return order > 0;
        case Operator::kAtLeast: return order >= 0;
        case Operator::kExists: return true;
        default: return false;
    }
}

/// Exactly, where the conversion to double would round.
std::partial_ordering compare_numbers(std::int64_t a, double b) noexcept {
    if (b != b) return std::partial_ordering::unordered;
    constexpr double kEnd = 9223372036854775808.0;  // 2^63
    if (b >= kEnd) return std::partial_ordering::less;
    if (b < -kEnd) return std::partial_ordering::greater;
    const auto whole = static_cast<std::int64_t>(b);
    if (a != whole) return a <=> whole;
    return 0.0 <=> (b - static_cast<double>(whole));
}

std::partial_ordering reversed(std::partial_ordering order) noexcept {
    return 0 <=> order;
}

}  // namespace

bool is_of_trace(Property property) noexcept {
    return property == Property::kTraceDuration || property == Property::kRootName ||
           property == Property::kRootService;
}

Condition Condition::compare(Field field, Operator op, Literal literal) {
    Condition made;
    made.kind = Kind::kCompare;
    made.field = std::move(field);
    made.op = op;
    made.literal = std::move(literal);
    return made;
}

Condition Condition::all_of(std::vector<Condition> children) {
    if (children.size() == 1) return std::move(children.front());
    Condition made;
    made.kind = children.empty() ? Kind::kEvery : Kind::kAnd;
    made.children = std::move(children);
    return made;
}

Condition Condition::any_of(std::vector<Condition> children) {
    if (children.size() == 1) return std::move(children.front());
    Condition made;
    made.kind = Kind::kOr;
    made.children = std::move(children);
    return made;
}

Condition Condition::negation(Condition of) {
    Condition made;
    made.kind = Kind::kNot;
    made.children.push_back(std::move(of));
    return made;
}

bool Matcher::Node::fits_text(std::string_view text) const {
    if (regex) return RE2::FullMatch(text, *regex) == (condition.op == Operator::kMatches);
    if (condition.op == Operator::kExists || condition.op == Operator::kIsNoNumber) return true;
    const auto* literal = std::get_if<std::string>(&condition.literal);
    if (literal == nullptr) return false;
    return condition.op == Operator::kIsText ? text == *literal
                                             : holds(condition.op, text <=> *literal);
}

bool Matcher::Node::fits_number(std::int64_t number) const {
    if (condition.op == Operator::kExists) return true;
    if (condition.op == Operator::kIsText)
        return shortest_text(number) == std::get<std::string>(condition.literal);
    if (const auto* whole = std::get_if<std::int64_t>(&condition.literal))
        return holds(condition.op, number <=> *whole);
    if (const auto* other = std::get_if<double>(&condition.literal))
        return holds(condition.op, compare_numbers(number, *other));
    return false;
}

bool Matcher::Node::fits_number(double number) const {
    if (condition.op == Operator::kExists) return true;
    if (condition.op == Operator::kIsText)
        return shortest_text(number) == std::get<std::string>(condition.literal);
    if (const auto* other = std::get_if<double>(&condition.literal))
        return holds(condition.op, number <=> *other);
    if (const auto* whole = std::get_if<std::int64_t>(&condition.literal))
        return holds(condition.op, reversed(compare_numbers(*whole, number)));
    return false;
}

bool Matcher::Node::fits_bool(bool flag) const {
    if (condition.op == Operator::kExists) return true;
    if (condition.op == Operator::kIsText)
        return (flag ? "true" : "false") == std::get<std::string>(condition.literal);
    const auto* literal = std::get_if<bool>(&condition.literal);
    if (literal == nullptr) return false;
    if (condition.op == Operator::kEqual) return flag == *literal;
    return condition.op == Operator::kUnequal && flag != *literal;
}

bool Matcher::Node::fits(const TraceId& id) const {
    if (condition.op == Operator::kExists) return true;
    const auto* literal = std::get_if<TraceId>(&condition.literal);
    return literal != nullptr && (id == *literal) == (condition.op == Operator::kEqual);
}

bool Matcher::Node::fits(const SpanId& id) const {
    if (condition.op == Operator::kExists) return true;
    const auto* literal = std::get_if<SpanId>(&condition.literal);
    return literal != nullptr && (id == *literal) == (condition.op == Operator::kEqual);
}

bool Matcher::Node::fits(const codec::Value& value) const {
    if (condition.op == Operator::kExists) return true;  // an empty array, too
    if (condition.op == Operator::kIsNoNumber)
        return codec::is_nested(value) || std::holds_alternative<std::string>(value);
    if (condition.op == Operator::kIsNested) return codec::is_nested(value);
    const auto one = [this](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, bool>)
            return fits_bool(v);
        else if constexpr (std::is_same_v<T, std::int64_t> || std::is_same_v<T, double>)
            return fits_number(v);
        else
            return fits_text(v);
    };
    return std::visit(
        [&](const auto& v) {
            using T = std::decay_t<decltype(v)>;
            if constexpr (std::is_same_v<T, codec::Json>) {
                return fits_text(v.text);
            } else if constexpr (std::is_same_v<T, codec::Bytes>) {
                return false;
            } else if constexpr (std::is_same_v<T, std::vector<bool>>) {
                return std::ranges::any_of(v, [&](bool b) { return one(b); });
            } else if constexpr (requires {
                                     v.begin();
                                     typename T::allocator_type;
                                 } &&
                                 !std::is_same_v<T, std::string>) {
                return std::ranges::any_of(v, one);
            } else {
                return one(v);
            }
        },
        value);
}

namespace {

template <typename Node>
bool attribute_fits(const Node& node, const codec::Span& span) {
    const Field& field = node.condition.field;
    const auto fits = [&](const codec::Attributes& attributes) {
        const codec::Value* value = codec::find_value(attributes, field.key);
        return value != nullptr && node.fits(*value);
    };
    switch (field.scope) {
        case Scope::kSpan: return fits(span.attributes);
        case Scope::kResource: return fits(codec::resource_of(span));
        case Scope::kEvent:
            return std::ranges::any_of(span.events,
                                       [&](const auto& e) { return fits(e.attributes); });
        case Scope::kLink:
            return std::ranges::any_of(span.links,
                                       [&](const auto& l) { return fits(l.attributes); });
        case Scope::kAny: break;
    }
    const bool has_its_own = codec::find_value(span.attributes, field.key) != nullptr;
    return fits(has_its_own ? span.attributes : codec::resource_of(span));
}

template <typename Node>
bool comparison_fits(const Node& node, const codec::Span& span) {
    switch (node.condition.field.property) {
        case Property::kAttribute: return attribute_fits(node, span);
        case Property::kName: return node.fits_text(span.name);
        case Property::kKind: return node.fits_number(static_cast<std::int64_t>(span.kind));
        case Property::kStatus: return node.fits_number(static_cast<std::int64_t>(span.status));
        case Property::kStatusMessage:
            return !span.status_message.empty() && node.fits_text(span.status_message);
        case Property::kDuration: return span.duration_ns && node.fits_number(*span.duration_ns);
        case Property::kStart: return span.start_ns && node.fits_number(*span.start_ns);
        case Property::kTraceId: return node.fits(span.trace_id);
        case Property::kSpanId: return node.fits(span.span_id);
        case Property::kParentId: return span.parent_id.valid() && node.fits(span.parent_id);
        case Property::kService: return node.fits_text(codec::service_of(span));
        case Property::kScopeName:
            return !span.scope.name.empty() && node.fits_text(span.scope.name);
        case Property::kScopeVersion:
            return !span.scope.version.empty() && node.fits_text(span.scope.version);
        case Property::kEventName:
            return std::ranges::any_of(span.events,
                                       [&](const auto& e) { return node.fits_text(e.name); });
        case Property::kUnfinished: return node.fits_bool(span.unfinished);
        case Property::kTraceDuration:
        case Property::kRootName:
        case Property::kRootService: break;  // Matcher::make refused them
    }
    return false;
}

template <typename Node>
Result<std::unique_ptr<const Node>> compile(const Condition& condition) {
    if (condition.kind == Condition::Kind::kCompare && is_of_trace(condition.field.property))
        return Error{ErrorCode::kInvalidArgument,
                     "what a whole trace has cannot be asked of a span"};
    auto node = std::make_unique<Node>();
    node->condition = condition;
    node->condition.children.clear();
    for (const Condition& child : condition.children) {
        auto compiled = compile<Node>(child);
        if (!compiled) return std::move(compiled).error();
        node->children.push_back(std::move(*compiled));
    }
    if (condition.kind == Condition::Kind::kCompare &&
        (condition.op == Operator::kMatches || condition.op == Operator::kMatchesNot)) {
        const auto* pattern = std::get_if<std::string>(&condition.literal);
        if (pattern == nullptr)
            return Error{ErrorCode::kInvalidArgument, "a regular expression is a text"};
        RE2::Options options;
        options.set_log_errors(false);
        options.set_max_mem(kRegexBytesMax);
        node->regex = std::make_unique<RE2>(*pattern, options);
        if (!node->regex->ok())
            return Error{ErrorCode::kInvalidArgument,
                         "the regular expression '" + *pattern + "': " + node->regex->error()};
    }
    return std::unique_ptr<const Node>(std::move(node));
}

}  // namespace

bool Matcher::Node::matches(const codec::Span& span) const {
    const auto child = [&](const auto& c) { return c->matches(span); };
    switch (condition.kind) {
        case Condition::Kind::kEvery: return true;
        case Condition::Kind::kAnd: return std::ranges::all_of(children, child);
        case Condition::Kind::kOr: return std::ranges::any_of(children, child);
        case Condition::Kind::kNot: return !child(children.front());
        case Condition::Kind::kCompare: return comparison_fits(*this, span);
    }
    return false;
}

Matcher::Matcher(std::unique_ptr<const Node> root) : root_(std::move(root)) {}
Matcher::Matcher(Matcher&&) noexcept = default;
Matcher& Matcher::operator=(Matcher&&) noexcept = default;
Matcher::~Matcher() = default;

Result<Matcher> Matcher::make(const Condition& condition) {
    auto root = compile<Node>(condition);
    if (!root) return std::move(root).error();
    return Matcher(std::move(*root));
}

bool Matcher::matches(const codec::Span& span) const {
    return root_->matches(span);
}

}  // namespace spanring::store
