// Which spans: comparisons of what a span has, combined by and, or, not. What queries of every kind
// become (flags of the tools, TraceQL, SQL), and what batches are asked column by column.
//
// What a comparison means: a span that lacks the field never satisfies it, whatever the operator. A
// key that was set twice has its last value. Numbers compare with numbers, whole or not; what is of
// another type than the literal satisfies no comparison. An array does if one of its elements does.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "spanring/base/ids.hpp"
#include "spanring/base/result.hpp"
#include "spanring/codec/batch_view.hpp"
#include "spanring/codec/span.hpp"
#include "spanring/store/row_mask.hpp"

namespace spanring::store {

/// What of a span is compared.
enum class Property : std::uint8_t {
    kAttribute,      ///< Field::scope, Field::key
    kName,           ///< text
    kKind,           ///< number: codec::SpanKind
    kStatus,         ///< number: codec::StatusCode
    kStatusMessage,  ///< text
    kDuration,       ///< ns
    kStart,          ///< ns since 1970
    kTraceId,        ///< TraceId; equal and unequal alone
    kSpanId,         ///< SpanId; as above
    kParentId,       ///< SpanId; as above; a root has none
    kService,        ///< text; "unknown_service" if the resource does not say
    kScopeName,      ///< text: of the instrumentation scope
    kScopeVersion,   ///< text
    kEventName,      ///< text: of any of its events
    kUnfinished,     ///< bool
    // Of the whole trace:
    kTraceDuration,  ///< ns
    kRootName,       ///< text
    kRootService,    ///< text
};

/// Whether it is the whole trace's, which a Matcher refuses.
[[nodiscard]] bool is_of_trace(Property property) noexcept;

/// Returns what Property::kService is of each resource of a batch, by ResourceId.
[[nodiscard]] std::vector<std::string> services_of(const codec::Batch& batch);

/// Where an attribute stands.
enum class Scope : std::uint8_t {
    kAny,  ///< the span, or if it has none the resource
    kSpan,
    kResource,
    kEvent,  ///< any of its events
    kLink,   ///< any of its links
};

struct Field {
    Property property{Property::kAttribute};
    Scope scope{Scope::kAny};
    std::string key{};
    bool operator==(const Field&) const = default;
};

enum class Operator : std::uint8_t {
    kEqual,
    kUnequal,
    kLess,
    kAtMost,
    kMore,
    kAtLeast,
    kMatches,     ///< the whole text, a regular expression (RE2)
    kMatchesNot,  ///< text that does not
    kExists,      ///< whatever the value is
    kIsText,      ///< equal to the text that a person would type: 500, true, 0.5
    kIsNoNumber,  ///< neither a number nor true or false
    kIsNested,    ///< nor text: bytes, JSON, an array
};

using Literal =
    std::variant<std::monostate, bool, std::int64_t, double, std::string, TraceId, SpanId>;

struct Condition {
    enum class Kind : std::uint8_t { kEvery, kAnd, kOr, kNot, kCompare };

    Kind kind{Kind::kEvery};
    std::vector<Condition> children{};  ///< of kAnd and kOr any number, of kNot one
    Field field{};
    Operator op{Operator::kEqual};
    Literal literal{};

    [[nodiscard]] static Condition compare(Field field, Operator op, Literal literal);
    [[nodiscard]] static Condition compare(Property property, Operator op, Literal literal) {
        return compare(Field{property, Scope::kAny, {}}, op, std::move(literal));
    }
    [[nodiscard]] static Condition all_of(std::vector<Condition> children);
    [[nodiscard]] static Condition any_of(std::vector<Condition> children);
    [[nodiscard]] static Condition negation(Condition of);
    bool operator==(const Condition&) const = default;
};

/// A condition that is ready to be asked. Threads: one.
class Matcher {
public:
    /// Errors: kInvalidArgument: a regular expression that is none or takes too much memory.
    [[nodiscard]] static Result<Matcher> make(const Condition& condition);
    Matcher(Matcher&&) noexcept;
    Matcher& operator=(Matcher&&) noexcept;
    ~Matcher();

    [[nodiscard]] bool matches(const codec::Span& span) const;
    /// Which rows of the batch match. Decodes no more of it than that takes. Errors: kCorrupt.
    [[nodiscard]] Result<RowMask> select(codec::BatchView& batch) const;

private:
    struct Node;
    friend class BatchSelector;
    explicit Matcher(std::unique_ptr<const Node> root);

    std::unique_ptr<const Node> root_;
};

}  // namespace spanring::store
