// A query that is ready to be asked of traces. Threads: one.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "spanring/query/search.hpp"

namespace spanring::query {

class SpansetFinder {
public:
    /// `query` must outlive it. Errors: kInvalidArgument.
    [[nodiscard]] static Result<SpansetFinder> make(const Query& query);

    /// What a trace has of the spans that the query names, at most `spans_max` of each set; none:
    /// it is not meant. `summary`: of the spans. Errors: kInvalidArgument.
    [[nodiscard]] Result<std::vector<FoundSpans>> find(const std::vector<codec::Span>& spans,
                                                       const store::TraceSummary& summary,
                                                       std::size_t spans_max) const;

private:
    /// Of a Spanset.
    struct Node {
        const Spanset* set;
        std::optional<store::Matcher> matcher;  ///< if it says nothing of whole traces
        std::vector<Node> children;
    };
    /// Which spans, by their places.
    using Places = std::vector<std::size_t>;
    struct Trace {
        const std::vector<codec::Span>& spans;
        /// A span that has what the trace has as a whole: one comparison serves both.
        codec::Span whole;
    };

    explicit SpansetFinder(const Query& query) : query_(&query) {}
    [[nodiscard]] static Result<Node> node_of(const Spanset& set);
    [[nodiscard]] static Result<Places> places_of(const Node& node, const Trace& trace);

    const Query* query_;
    std::optional<Node> root_;
};

}  // namespace spanring::query
