// Queries over whole traces and totals.
#include <algorithm>
#include <iterator>
#include <limits>
#include <mutex>
#include <numeric>

#include "reader.hpp"
#include "spanring/codec/details.hpp"

namespace spanring::store {
namespace {

using codec::RowFlag;
using codec::Span;

constexpr auto kNoStart = std::numeric_limits<std::int64_t>::min();

void sort_by_start(std::vector<Span>& spans) {
    std::stable_sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) {
        return a.start_ns.value_or(kNoStart) < b.start_ns.value_or(kNoStart);
    });
}

/// At most what there is room for: imported times may be anything.
std::int64_t sum_of(std::int64_t a, std::int64_t b) noexcept {
    std::int64_t sum = 0;
    if (!__builtin_add_overflow(a, b, &sum)) return sum;
    return b < 0 ? std::numeric_limits<std::int64_t>::min()
                 : std::numeric_limits<std::int64_t>::max();
}

/// The first span without a parent; else the first whose parent is not here; else the first.
const Span& root_of(const std::vector<Span>& spans) {
    for (const Span& span : spans)
        if (!span.parent_id.valid()) return span;
    std::set<SpanId> ids;
    for (const Span& span : spans) ids.insert(span.span_id);
    for (const Span& span : spans)
        if (ids.count(span.parent_id) == 0) return span;
    return spans.front();
}

}  // namespace

/// The traces that rank highest of those seen so far.
class Candidates {
public:
    explicit Candidates(const CandidateOptions& options) : options_(options) {}

    void add(const TraceId& id, std::int64_t rank_ns) {
        if (options_.behind && !(TraceCandidate{rank_ns, id} < *options_.behind)) return;
        auto [entry, fresh] = best_.try_emplace(id, rank_ns);
        if (!fresh) entry->second = std::max(entry->second, rank_ns);
        // A trace that is left out here comes again with a span that ranks higher, if there is one.
        if (best_.size() > kSlack * options_.limit + kSlackMin) keep_best();
    }
    /// Whether a span that ranks so, or lower, can still change the answer.
    [[nodiscard]] bool open_for(std::int64_t rank_ns_max) {
        if (best_.size() < options_.limit) return true;
        auto all = sorted();
        return rank_ns_max >= all[options_.limit - 1].rank_ns;
    }
    [[nodiscard]] std::vector<TraceCandidate> highest() {
        auto all = sorted();
        all.resize(std::min(all.size(), options_.limit));
        return all;
    }

private:
    static constexpr std::size_t kSlack = 4;
    static constexpr std::size_t kSlackMin = 1024;

    [[nodiscard]] std::vector<TraceCandidate> sorted() const {
        std::vector<TraceCandidate> all;
        all.reserve(best_.size());
        for (const auto& [id, rank_ns] : best_) all.push_back({rank_ns, id});
        std::ranges::sort(all, std::greater());
        return all;
    }
    void keep_best() {
        const auto kept = highest();
        best_.clear();
        for (const TraceCandidate& one : kept) best_.emplace(one.id, one.rank_ns);
    }

    const CandidateOptions& options_;
    std::unordered_map<TraceId, std::int64_t, TraceIdHash> best_;
};

namespace {

/// The rank of row `row`; none: it has none.
std::optional<std::int64_t> rank_of(const codec::BatchView& batch, std::uint32_t row,
                                    CandidateOptions::Rank rank) {
    const std::uint32_t flags = batch.shape_of(row).flags;
    if (rank == CandidateOptions::Rank::kNewest)
        return (flags & RowFlag::kHasStart) != 0 ? batch.starts()[row] : kNoStart;
    if ((flags & RowFlag::kHasDuration) == 0) return std::nullopt;
    return batch.durations()[row];
}

}  // namespace

TraceSummary summary_of(const std::vector<Span>& spans) {
    TraceSummary summary;
    const Span& root = root_of(spans);
    summary.trace_id = root.trace_id;
    summary.trace_id_64 = root.trace_id_64;
    summary.root_service = codec::service_of(*root.resource);
    summary.root_operation = root.name;
    summary.span_count = spans.size();
    std::set<std::string> services;
    std::optional<std::int64_t> first;
    std::int64_t last = kNoStart;
    for (const Span& span : spans) {
        services.insert(codec::service_of(*span.resource));
        summary.error_count += span.status == codec::StatusCode::kError;
        if (!span.start_ns) continue;
        first = std::min(first.value_or(*span.start_ns), *span.start_ns);
        last = std::max(last, sum_of(*span.start_ns, span.duration_ns.value_or(0)));
    }
    if (first) {
        summary.start_ns = *first;
        if (__builtin_sub_overflow(last, *first, &summary.duration_ns))
            summary.duration_ns = std::numeric_limits<std::int64_t>::max();
    }
    summary.services.assign(services.begin(), services.end());
    return summary;
}

std::vector<std::vector<Span>> ReaderImpl::collect(const std::vector<TraceId>& ids) {
    std::vector<std::vector<Span>> traces(ids.size());
    using Wanted = std::unordered_map<TraceKey, std::size_t, TraceKeyHash>;
    const auto wanted_in = [&](const codec::Batch& tables) {
        Wanted wanted;
        const auto host_keys = host_keys_of(tables);
        for (std::size_t i = 0; i < ids.size(); ++i)
            for (const TraceKey& key : keys_of(ids[i], host_keys)) wanted.emplace(key, i);
        return wanted;
    };
    Span span;
    const auto take_from = [&](codec::BatchView& batch, const RowMask&) -> Result<bool> {
        if (auto loaded = batch.load(codec::Part::kTraces); !loaded)
            return std::move(loaded).error();
        const Wanted wanted = wanted_in(batch.tables());
        std::vector<std::uint32_t> numbers;
        std::vector<std::size_t> trace_of;
        for (const codec::TraceRows& trace : batch.traces()) {
            const auto found = wanted.find({trace.high, trace.low, trace.native});
            if (found == wanted.end()) continue;
            for (std::uint32_t i = 0; i < trace.count; ++i) numbers.push_back(trace.first + i);
            trace_of.insert(trace_of.end(), trace.count, found->second);
        }
        if (numbers.empty()) return true;
        const auto rows = batch.rows(numbers);
        if (!rows) return rows.error();
        for (std::size_t i = 0; i < rows->rows.size(); ++i)
            if (materialise(*rows, i, &span)) traces[trace_of[i]].push_back(std::move(span));
        return true;
    };
    ConditionBounds bounds;
    bounds.traces.emplace(ids.begin(), ids.end());
    const auto cursor =
        every_batch(pieces_for(bounds, VisitOptions::Order::kCommit), WithOpen::kYes);
    (void)each_batch(*cursor, take_from);
    for (auto& spans : traces) sort_by_start(spans);
    return traces;
}

Result<void> ReaderImpl::rank(const Condition& condition, const CandidateOptions& options,
                              Candidates& found) {
    const bool newest = options.rank == CandidateOptions::Rank::kNewest;
    VisitOptions visit_options;
    visit_options.order = VisitOptions::Order::kNewest;
    visit_options.go_on = [&](std::int64_t start_ns_max) {
        if (options.go_on && !options.go_on()) return false;
        return !newest || found.open_for(start_ns_max);
    };
    const unsigned parts =
        codec::Part::kTraces | (newest ? codec::Part::kStarts : codec::Part::kDurations);
    std::mutex mutex;  // of found
    const BatchVisitor visitor = [&](codec::BatchView& batch,
                                     const RowMask& matching) -> Result<bool> {
        if (auto loaded = batch.load(parts); !loaded) return std::move(loaded).error();
        std::vector<TraceCandidate> of_batch;
        for (const codec::TraceRows& trace : batch.traces()) {
            std::optional<std::int64_t> highest;
            for (std::uint32_t i = trace.first; i < trace.first + trace.count; ++i)
                if (matching.has(i)) highest = std::max(highest, rank_of(batch, i, options.rank));
            if (highest) of_batch.push_back({*highest, batch.trace_id(trace)});
        }
        const std::lock_guard guard(mutex);
        for (const TraceCandidate& one : of_batch) found.add(one.id, one.rank_ns);
        return true;
    };
    visit_options.go_on = [&, may_go_on = visit_options.go_on](std::int64_t start_ns_max) {
        const std::lock_guard guard(mutex);
        return may_go_on(start_ns_max);
    };
    return visit_batches_together(condition, std::vector(visitors_max(), visitor), visit_options);
}

Result<std::vector<TraceCandidate>> ReaderImpl::candidates(const Condition& condition,
                                                           const CandidateOptions& options) {
    if (options.limit == 0) return std::vector<TraceCandidate>();
    Candidates found(options);
    const bool newest = options.rank == CandidateOptions::Rank::kNewest;
    const auto compare = [](Operator op, Literal literal) {
        return Condition::compare(Property::kStart, op, std::move(literal));
    };
    if (!newest || !options.behind) {
        if (auto ranked = rank(condition, options, found); !ranked)
            return std::move(ranked).error();
        return found.highest();
    }
    // Parts of the log that are newer need not be read for what has a start; what has none stands
    // behind all of that, anywhere.
    auto ranked =
        rank(Condition::all_of({condition, compare(Operator::kAtMost, options.behind->rank_ns)}),
             options, found);
    if (ranked && found.highest().size() < options.limit)
        ranked = rank(
            Condition::all_of({condition, Condition::negation(compare(Operator::kExists, {}))}),
            options, found);
    if (!ranked) return std::move(ranked).error();
    return found.highest();
}

Result<std::vector<TraceSummary>> ReaderImpl::traces(const Condition& condition,
                                                     std::size_t limit) {
    std::vector<TraceSummary> summaries;
    if (limit == 0) return summaries;
    CandidateOptions options;
    options.limit = limit;
    const auto found = candidates(condition, options);
    if (!found) return found.error();
    std::vector<TraceId> ids;
    for (const TraceCandidate& one : *found) ids.push_back(one.id);
    for (const auto& spans : collect(ids))
        if (!spans.empty()) summaries.push_back(summary_of(spans));
    std::stable_sort(
        summaries.begin(), summaries.end(),
        [](const TraceSummary& a, const TraceSummary& b) { return a.start_ns > b.start_ns; });
    return summaries;
}

Result<Facts> ReaderImpl::facts_with(
    const std::function<Result<void>(CatalogueReader&, Facts&)>& read_indexed) {
    Facts facts;
    auto refreshed = view_.refresh(
        [&](CatalogueReader& catalogue) -> Result<void> { return read_indexed(catalogue, facts); });
    if (!refreshed) return std::move(refreshed).error();
    // If the catalogue failed on the way, everything is tail.
    if (view_.catalogue() == nullptr) facts = {};
    std::vector<Piece> tail;
    std::ranges::copy_if(view_.pieces(), std::back_inserter(tail),
                         [](const Piece& piece) { return !piece.indexed(); });
    const auto cursor = every_batch(std::move(tail), WithOpen::kNo);
    (void)each_batch(*cursor, [&](codec::BatchView& view, const RowMask&) -> Result<bool> {
        const auto batch = std::move(view).take();
        if (!batch) return batch.error();
        facts.add(*batch);
        return true;
    });
    return facts;
}

Result<std::map<OperationKey, OperationCounts>> ReaderImpl::operation_counts() {
    auto facts = facts_with([](CatalogueReader& catalogue, Facts& known) -> Result<void> {
        auto indexed = catalogue.operations();
        if (!indexed) return std::move(indexed).error();
        known.operations = std::move(*indexed);
        return {};
    });
    if (!facts) return std::move(facts).error();
    return std::move(facts->operations);
}

Result<std::vector<std::string>> ReaderImpl::attribute_keys() {
    auto facts = facts_with([](CatalogueReader& catalogue, Facts& known) -> Result<void> {
        auto indexed = catalogue.attribute_keys();
        if (!indexed) return std::move(indexed).error();
        known.attribute_keys = std::move(*indexed);
        return {};
    });
    if (!facts) return std::move(facts).error();
    const auto cursor = every_batch({}, WithOpen::kYes);
    while (cursor->next()) {
        codec::BatchView& batch = cursor->batch();
        for (std::size_t c = 0; c < batch.column_count(); ++c)
            if (const auto head = batch.column_head(c); codec::is_attribute(head.kind))
                facts->attribute_keys.emplace(batch.tables().string(head.id));
    }
    return std::vector<std::string>(facts->attribute_keys.begin(), facts->attribute_keys.end());
}

Result<std::vector<OperationSummary>> ReaderImpl::operations(
    const std::optional<std::string>& service) {
    auto counts = operation_counts();
    if (!counts) return std::move(counts).error();
    std::vector<OperationSummary> found;
    for (const auto& [key, count] : *counts)
        if (!service || key.service == *service)
            found.push_back({key.service, key.name, key.kind, count.spans, count.errors});
    return found;
}

Result<std::vector<std::string>> ReaderImpl::services() {
    auto counts = operation_counts();
    if (!counts) return std::move(counts).error();
    std::set<std::string> names;
    for (const auto& [key, count] : *counts) names.insert(key.service);
    const auto cursor = every_batch({}, WithOpen::kYes);
    while (cursor->next()) {
        const auto open_services = services_of(cursor->batch().tables());
        for (const codec::Row& shape : cursor->batch().shapes())
            names.insert(open_services[shape.resource]);
    }
    return std::vector<std::string>(names.begin(), names.end());
}

Result<Digest> ReaderImpl::digest(std::int64_t from_ns, std::int64_t until_ns,
                                  const Progress& progress) {
    const DigestRange range{from_ns, until_ns};
    Digest indexed;
    std::set<std::uint64_t> digested;
    auto refreshed = view_.refresh([&](CatalogueReader& catalogue) -> Result<void> {
        auto windows = catalogue.digested();
        if (!windows) return std::move(windows).error();
        auto known = catalogue.digest(range);
        if (!known) return std::move(known).error();
        digested = std::move(*windows);
        indexed = std::move(*known);
        return {};
    });
    if (!refreshed) return std::move(refreshed).error();
    if (view_.catalogue() == nullptr) {
        indexed = {};
        digested.clear();
    }
    std::vector<Piece> rest;
    for (const Piece& piece : view_.pieces())
        if (digested.count(piece.window) == 0 &&
            (!piece.indexed() || (piece.start_ns_max >= from_ns && piece.start_ns_min < until_ns)))
            rest.push_back(piece);
    DigestBuilder builder(range);
    VisitOptions options;
    options.progress = progress;
    const auto look = [&](auto&& add) {
        auto matcher = Matcher::make({});
        BatchCursorImpl cursor(view_, std::move(*matcher), rest, WithOpen::kNo, options);
        (void)each_batch(cursor, [&](codec::BatchView& batch, const RowMask&) -> Result<bool> {
            if (auto added = add(batch); !added) return std::move(added).error();
            return true;
        });
    };
    look([&](codec::BatchView& batch) { return builder.add(batch); });
    if (builder.wants_second_look())
        look([&](codec::BatchView& batch) { return builder.look_for_callers(batch); });
    builder.add(indexed);
    return std::move(builder).take();
}

Result<std::vector<DelayStep>> ReaderImpl::delays(std::int64_t from_ns, std::int64_t until_ns) {
    std::vector<DelayStep> steps;
    auto refreshed = view_.refresh([&](CatalogueReader& catalogue) -> Result<void> {
        auto known = catalogue.delays({from_ns, until_ns});
        if (!known) return std::move(known).error();
        steps = std::move(*known);
        return {};
    });
    if (!refreshed) return std::move(refreshed).error();
    return steps;
}

Result<DatabaseStats> ReaderImpl::stats() {
    LossTotals totals;
    auto refreshed = view_.refresh([&](CatalogueReader& catalogue) -> Result<void> {
        auto losses = catalogue.losses();
        if (!losses) return std::move(losses).error();
        totals = std::move(*losses);
        return {};
    });
    if (!refreshed) return std::move(refreshed).error();
    if (view_.catalogue() == nullptr) totals = {};
    for (const auto& [id, newer] : view_.tail_losses().instances) {
        InstanceTotals& instance = totals.instances[id];
        if (newer.pid != 0) instance.pid = newer.pid;
        if (!newer.process_name.empty()) instance.process_name = newer.process_name;
        instance.ended = instance.ended || newer.ended;
        for (const auto& [stream, counts] : newer.streams) instance.streams[stream] = counts;
    }
    DatabaseStats stats;
    stats.bytes = view_.folder().bytes_total();
    stats.windows = view_.window_count();
    for (const Piece& piece : view_.pieces()) {
        stats.spans += piece.spans;
        stats.frames += piece.frames;
    }
    if (!view_.pieces().empty()) {
        stats.oldest_commit_ns = view_.pieces().front().committed_ns_min;
        stats.newest_commit_ns = view_.pieces().back().committed_ns_max;
    }
    for (const auto& [id, instance] : totals.instances) {
        InstanceLosses losses{id, instance.pid, instance.process_name, instance.ended, 0, 0, 0};
        for (const auto& [stream, counts] : instance.streams) {
            losses.spans += counts.spans;
            losses.ends += counts.ends;
            losses.details += counts.details;
        }
        stats.losses.push_back(std::move(losses));
    }
    return stats;
}

}  // namespace spanring::store
