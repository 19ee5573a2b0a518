// The table at the end of `spanring run`: one line per service and operation. Threads: one.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "spanring/codec/span.hpp"
#include "spanring/query/duration_histogram.hpp"
#include "term.hpp"

namespace spanring::tools {

class OperationTable {
public:
    void add(const codec::Span& span);
    [[nodiscard]] std::uint64_t spans() const noexcept { return spans_; }
    /// Largest total first.
    [[nodiscard]] std::string text(const Terminal& terminal) const;
    [[nodiscard]] std::string json(const std::string& trace_id, int exit_code) const;

private:
    struct Totals {
        std::uint64_t count{0};
        std::uint64_t errors{0};
        std::int64_t total_ns{0};
        query::DurationHistogram durations;
    };
    using Entry = std::pair<const std::pair<std::string, std::string>, Totals>;
    [[nodiscard]] std::vector<const Entry*> sorted() const;

    std::map<std::pair<std::string, std::string>, Totals> totals_;
    std::uint64_t spans_{0};
};

}  // namespace spanring::tools
