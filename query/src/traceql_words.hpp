// What the words of TraceQL mean: fields, values, operators, stages. Threads: pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "spanring/query/traceql.hpp"
#include "traceql_token.hpp"

namespace spanring::query {

/// Returns the field that the word names. Nothing, with *what empty: it names none, and may be a
/// value; with *what: it looks like one, and that is wrong with it.
[[nodiscard]] std::optional<store::Field> field_of(const Token& word, std::string* what);
[[nodiscard]] bool word_is_value(const Token& word);
[[nodiscard]] std::optional<store::Operator> operator_of(std::string_view mark);
/// What a < b is from the other side.
[[nodiscard]] store::Operator mirrored(store::Operator op) noexcept;
/// `value`: as written; what it means depends on the field. Returns the condition, or nothing and
/// *what.
[[nodiscard]] std::optional<store::Condition> comparison_of(const store::Field& field,
                                                            store::Operator op, const Token& value,
                                                            std::string* what);
[[nodiscard]] std::optional<SeriesFunction> series_function_of(std::string_view word);
[[nodiscard]] std::optional<Aggregate> aggregate_of(std::string_view word);
[[nodiscard]] std::string stage_names();

// As they are written.
[[nodiscard]] std::string_view word_of(SeriesFunction function);
[[nodiscard]] std::string_view word_of(Aggregate aggregate);
[[nodiscard]] std::string_view word_of(store::Property property);
[[nodiscard]] std::string_view word_of(store::Scope scope);
[[nodiscard]] std::string_view mark_of(store::Operator op);
/// Of kKind and kStatus.
[[nodiscard]] std::string_view word_of_number(store::Property property, std::int64_t number);

}  // namespace spanring::query
