#include "spanring/query/search.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "spansets.hpp"

namespace spanring::query {
namespace {

using store::CandidateOptions;
using store::Condition;
using store::TraceCandidate;
using Clock = std::chrono::steady_clock;

/// Candidates are looked at in rounds: most queries name all of theirs, some few of them.
constexpr std::size_t kRoundMin = 32;
constexpr std::size_t kRoundMax = 1024;

Condition never() {
    return Condition::negation({});
}

bool is_never(const Condition& condition) {
    return condition == never();
}

/// What every span satisfies that satisfies the condition in some trace: what it says of traces is
/// taken for true. `negated`: the same of its negation. Not of everything follows nothing.
Condition relaxed(const Condition& condition, bool negated) {
    using Kind = Condition::Kind;
    switch (condition.kind) {
        case Kind::kEvery: return negated ? never() : Condition{};
        case Kind::kNot: return relaxed(condition.children.front(), !negated);
        case Kind::kCompare:
            if (store::is_of_trace(condition.field.property)) return {};
            return negated ? Condition::negation(condition) : condition;
        default: break;
    }
    std::vector<Condition> children;
    for (const Condition& child : condition.children) children.push_back(relaxed(child, negated));
    return (condition.kind == Kind::kAnd) != negated ? Condition::all_of(std::move(children))
                                                     : Condition::any_of(std::move(children));
}

/// What at least one span of each trace that a spanset names satisfies.
Condition candidates_of(const Spanset& set) {
    if (set.kind == Spanset::Kind::kOne) return relaxed(set.condition, false);
    if (set.kind == Spanset::Kind::kBoth) {
        // Any of them will do; one that says something of spans does better.
        for (const Spanset& child : set.children)
            if (auto condition = candidates_of(child); condition != Condition{}) return condition;
        return {};
    }
    std::vector<Condition> any;
    for (const Spanset& child : set.children) any.push_back(candidates_of(child));
    if (any.empty()) return never();
    return Condition::any_of(std::move(any));
}

std::string cursor_text(const TraceCandidate& last) {
    return std::to_string(last.rank_ns) + "-" + to_hex(last.id);
}

std::optional<TraceCandidate> cursor_of(const std::string& text) {
    TraceCandidate behind;
    const char* const end = text.data() + text.size();
    const auto number = std::from_chars(text.data(), end, behind.rank_ns);
    if (number.ec != std::errc() || number.ptr == end || *number.ptr != '-' ||
        end - number.ptr != 33 || !from_hex(std::string_view(number.ptr + 1, 32), &behind.id))
        return std::nullopt;
    return behind;
}

class Search {
public:
    Search(store::Reader& reader, const Query& query, const SearchOptions& options)
        : reader_(reader),
          query_(query),
          options_(options),
          condition_(candidates_of(query.spans)) {
        if (options.budget) deadline_ = Clock::now() + *options.budget;
    }

    Result<SearchResult> run() {
        if (query_.series)
            return Error{ErrorCode::kInvalidArgument,
                         "the query asks for series over time, not for traces"};
        if (options_.cursor) {
            behind_ = cursor_of(*options_.cursor);
            if (!behind_)
                return Error{ErrorCode::kInvalidArgument,
                             "the cursor is none that a search gave: " + *options_.cursor};
        }
        auto matcher = store::Matcher::make(condition_);
        if (!matcher) return std::move(matcher).error();
        if (is_never(condition_)) return SearchResult{};
        auto finder = SpansetFinder::make(query_);
        if (!finder) return std::move(finder).error();
        // One more than the page tells whether there is another page.
        std::size_t round = std::clamp(options_.limit + 1, kRoundMin, kRoundMax);
        for (bool more = true; more && found_.size() <= options_.limit;
             round = std::min(2 * round, kRoundMax)) {
            auto looked = look_at(round, *matcher, *finder);
            if (!looked) return std::move(looked).error();
            more = *looked;
        }
        return page();
    }

private:
    /// Looks at the next `count` candidates; returns whether there may be more of them.
    Result<bool> look_at(std::size_t count, const store::Matcher& matcher,
                         const SpansetFinder& finder) {
        CandidateOptions wanted;
        wanted.rank = options_.order == SearchOptions::Order::kNewest
                          ? CandidateOptions::Rank::kNewest
                          : CandidateOptions::Rank::kSlowest;
        wanted.limit = count;
        wanted.behind = behind_;
        wanted.go_on = [this] {
            if (!deadline_ || Clock::now() < *deadline_) return true;
            partial_ = true;
            return false;
        };
        const auto candidates = reader_.candidates(condition_, wanted);
        if (!candidates) return candidates.error();
        std::vector<TraceId> ids;
        for (const TraceCandidate& one : *candidates) ids.push_back(one.id);
        const auto traces = reader_.collect(ids);
        for (std::size_t i = 0; i < traces.size() && found_.size() <= options_.limit; ++i) {
            if (auto taken = take((*candidates)[i], traces[i], matcher, finder); !taken)
                return std::move(taken).error();
        }
        if (!candidates->empty()) behind_ = candidates->back();
        return candidates->size() == count && !partial_;
    }

    Result<void> take(const TraceCandidate& candidate, const std::vector<codec::Span>& spans,
                      const store::Matcher& matcher, const SpansetFinder& finder) {
        // One that ranks higher than it seems here stood on a page before.
        if (spans.empty() || rank_of(spans, matcher) > candidate.rank_ns) return {};
        auto summary = store::summary_of(spans);
        auto sets = finder.find(spans, summary, options_.spans_per_set);
        if (!sets) return std::move(sets).error();
        if (!sets->empty()) found_.push_back({candidate, {std::move(summary), std::move(*sets)}});
        return {};
    }

    std::int64_t rank_of(const std::vector<codec::Span>& spans,
                         const store::Matcher& matcher) const {
        std::int64_t rank = std::numeric_limits<std::int64_t>::min();
        const bool newest = options_.order == SearchOptions::Order::kNewest;
        for (const codec::Span& span : spans)
            if (const auto ns = newest ? span.start_ns : span.duration_ns;
                ns && *ns > rank && matcher.matches(span))
                rank = *ns;
        return rank;
    }

    SearchResult page() {
        SearchResult result;
        result.partial = partial_;
        const std::size_t size = std::min(found_.size(), options_.limit);
        if (found_.size() > size && size != 0) result.next = cursor_text(found_[size - 1].first);
        for (std::size_t i = 0; i < size; ++i) result.traces.push_back(std::move(found_[i].second));
        return result;
    }

    store::Reader& reader_;
    const Query& query_;
    const SearchOptions& options_;
    Condition condition_;
    std::optional<Clock::time_point> deadline_;
    std::optional<TraceCandidate> behind_;
    bool partial_{false};
    std::vector<std::pair<TraceCandidate, FoundTrace>> found_;
};

}  // namespace

Result<SearchResult> search(store::Reader& reader, const Query& query,
                            const SearchOptions& options) {
    return Search(reader, query, options).run();
}

}  // namespace spanring::query
