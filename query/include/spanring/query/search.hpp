// Traces that a query names, newest or slowest first, page by page. Threads: the reader's.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "spanring/base/result.hpp"
#include "spanring/query/traceql.hpp"
#include "spanring/store/database.hpp"

namespace spanring::query {

struct SearchOptions {
    enum class Order : std::uint8_t {
        kNewest,   ///< by the latest start of a span that the query names
        kSlowest,  ///< by the longest such span
    };
    Order order{Order::kNewest};
    std::size_t limit{20};                              ///< traces of one page
    std::size_t spans_per_set{3};                       ///< how many spans of a spanset are shown
    std::optional<std::string> cursor{};                ///< of the page before: SearchResult::next
    std::optional<std::chrono::milliseconds> budget{};  ///< what is found in that time
};

/// The spans for which a trace was found; with "by", those of one value.
struct FoundSpans {
    std::optional<std::string> group{};  ///< the value of "by"
    std::size_t matched{0};
    std::vector<codec::Span> spans;  ///< the first of them, by start
};

struct FoundTrace {
    store::TraceSummary summary;
    std::vector<FoundSpans> sets;
};

struct SearchResult {
    std::vector<FoundTrace> traces;
    bool partial{false};              ///< the budget was used up: there may be others
    std::optional<std::string> next;  ///< a cursor; none: that was the last page
};

/// Returns the traces. The pages of a search are those of one long answer, cut, over what the
/// reader sees: spans that come in between move what they belong to. Errors: kInvalidArgument: a
/// query for series, a cursor that is none, a regular expression.
[[nodiscard]] Result<SearchResult> search(store::Reader& reader, const Query& query,
                                          const SearchOptions& options);

/// Whether all of a trace's spans satisfy a query, and which are the ones it names: what search
/// does with each trace. `spans`: not empty, by start. Errors: kInvalidArgument.
[[nodiscard]] Result<std::vector<FoundSpans>> spansets_of(const std::vector<codec::Span>& spans,
                                                          const Query& query);

}  // namespace spanring::query
