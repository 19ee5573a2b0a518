// A compiled condition, and what a value is compared with. Threads: const after making.
#pragma once

#include <re2/re2.h>

#include <memory>
#include <string_view>
#include <vector>

#include "spanring/store/condition.hpp"

namespace spanring::store {

struct Matcher::Node {
    Condition condition;  ///< without children
    std::vector<std::unique_ptr<const Node>> children;
    std::unique_ptr<const RE2> regex;  ///< of kMatches and kMatchesNot

    [[nodiscard]] bool matches(const codec::Span& span) const;
    // Whether what a comparison speaks of, and is there, satisfies it:
    [[nodiscard]] bool fits(const codec::Value& value) const;
    [[nodiscard]] bool fits_text(std::string_view text) const;
    [[nodiscard]] bool fits_number(std::int64_t number) const;
    [[nodiscard]] bool fits_number(double number) const;
    [[nodiscard]] bool fits_bool(bool flag) const;
    [[nodiscard]] bool fits(const TraceId& id) const;
    [[nodiscard]] bool fits(const SpanId& id) const;
};

}  // namespace spanring::store
