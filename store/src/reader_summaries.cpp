// Queries over whole traces and totals.
#include <algorithm>
#include <iterator>
#include <limits>
#include <numeric>

#include "reader.hpp"
#include "spanring/codec/details.hpp"

namespace spanring::store {
namespace {

using codec::RowFlag;
using codec::Span;

constexpr auto kNoStart = std::numeric_limits<std::int64_t>::min();

struct TraceIdHash {
    std::size_t operator()(const TraceId& id) const noexcept {
        TraceKey key;
        std::memcpy(&key.high, id.bytes.data(), 8);
        std::memcpy(&key.low, id.bytes.data() + 8, 8);
        return TraceKeyHash{}(key);
    }
};

void sort_by_start(std::vector<Span>& spans) {
    std::stable_sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) {
        return a.start_ns.value_or(kNoStart) < b.start_ns.value_or(kNoStart);
    });
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

/// `spans`: not empty, by start.
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
        last = std::max(last, *span.start_ns + span.duration_ns.value_or(0));
    }
    if (first) {
        summary.start_ns = *first;
        summary.duration_ns = last - *first;
    }
    summary.services.assign(services.begin(), services.end());
    return summary;
}

/// The traces with the latest matching spans seen so far.
class Candidates {
public:
    explicit Candidates(std::size_t limit) : limit_(limit) {}

    void add(const TraceId& id, std::int64_t start_ns) {
        auto [entry, fresh] = latest_.try_emplace(id, start_ns);
        if (!fresh) entry->second = std::max(entry->second, start_ns);
    }
    /// Whether a span that starts at or before this can still change the answer.
    [[nodiscard]] bool open_for(std::int64_t start_ns_max) const {
        if (latest_.size() < limit_) return true;
        return start_ns_max > sorted_starts()[limit_ - 1];
    }
    [[nodiscard]] std::vector<TraceId> newest() const {
        std::vector<std::pair<std::int64_t, TraceId>> all;
        for (const auto& [id, start] : latest_) all.emplace_back(start, id);
        std::sort(all.begin(), all.end(), std::greater<>());
        std::vector<TraceId> ids;
        for (std::size_t i = 0; i < std::min(limit_, all.size()); ++i) ids.push_back(all[i].second);
        return ids;
    }

private:
    [[nodiscard]] std::vector<std::int64_t> sorted_starts() const {
        std::vector<std::int64_t> starts;
        for (const auto& [id, start] : latest_) starts.push_back(start);
        std::nth_element(starts.begin(), starts.begin() + static_cast<std::ptrdiff_t>(limit_ - 1),
                         starts.end(), std::greater<>());
        return starts;
    }

    std::size_t limit_;
    std::unordered_map<TraceId, std::int64_t, TraceIdHash> latest_;
};

}  // namespace

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

Result<std::vector<TraceId>> ReaderImpl::newest_matches(const Condition& condition,
                                                        std::size_t limit) {
    Candidates candidates(limit);
    VisitOptions options;
    options.order = VisitOptions::Order::kNewest;
    options.go_on = [&](std::int64_t start_ns_max) { return candidates.open_for(start_ns_max); };
    auto visited = visit_batches(
        condition,
        [&](codec::BatchView& batch, const RowMask& matching) -> Result<bool> {
            if (auto loaded = batch.load(codec::Part::kTraces | codec::Part::kStarts); !loaded)
                return std::move(loaded).error();
            for (const codec::TraceRows& trace : batch.traces()) {
                std::optional<std::int64_t> latest;
                for (std::uint32_t i = trace.first; i < trace.first + trace.count; ++i) {
                    if (!matching.has(i)) continue;
                    const bool has_start = (batch.shape_of(i).flags & RowFlag::kHasStart) != 0;
                    latest = std::max(latest.value_or(kNoStart),
                                      has_start ? batch.starts()[i] : kNoStart);
                }
                if (latest) candidates.add(batch.trace_id(trace), *latest);
            }
            return true;
        },
        options);
    if (!visited) return std::move(visited).error();
    return candidates.newest();
}

Result<std::vector<TraceSummary>> ReaderImpl::traces(const Condition& condition,
                                                     std::size_t limit) {
    std::vector<TraceSummary> summaries;
    if (limit == 0) return summaries;
    auto ids = newest_matches(condition, limit);
    if (!ids) return std::move(ids).error();
    for (const auto& spans : collect(*ids))
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
