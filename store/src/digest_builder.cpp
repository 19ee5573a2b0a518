#include "digest_builder.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "spanring/codec/details.hpp"
#include "spanring/codec/jsonl.hpp"
#include "spanring/store/attribute_column.hpp"
#include "spanring/store/condition.hpp"

namespace spanring::store {
namespace {

using codec::Part;
using codec::Row;
using codec::RowFlag;

constexpr std::size_t kValuesMax = 1000;      // distinct ones of a key, while they are counted
constexpr std::size_t kValuesKept = 20;       // of a key
constexpr std::size_t kValueBytesMax = 256;   // longer ones are no words to choose from
constexpr std::size_t kCalleesMax = 500'000;  // some 80 bytes each

std::uint64_t word_of(const SpanId& id) noexcept {
    std::uint64_t word;
    std::memcpy(&word, id.bytes.data(), sizeof word);
    return word;
}

std::uint64_t id_at(const codec::BatchView& batch, std::uint32_t row) {
    Row ids = batch.shape_of(row);
    ids.span = batch.spans()[row];
    return word_of(batch.tables().span_id(ids));
}

/// 0: a root.
std::uint64_t parent_at(const codec::BatchView& batch, std::uint32_t row) {
    Row ids = batch.shape_of(row);
    ids.parent = batch.parents()[row];
    return word_of(batch.tables().parent_id(ids));
}

}  // namespace

std::int64_t step_of(std::int64_t ns) noexcept {
    constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
    if (ns < kLeast + kDigestStepNs) return kLeast;
    const std::int64_t rest = ns % kDigestStepNs;
    return ns - rest - (rest < 0 ? kDigestStepNs : 0);
}

void DigestBuilder::Values::add(std::string_view value, std::uint64_t times) {
    if (value.size() > kValueBytesMax) return;
    const auto found = counts.find(std::string(value));
    if (found != counts.end()) {
        found->second += times;
    } else if (counts.size() < kValuesMax) {
        counts.emplace(value, times);
    }
}

void DigestBuilder::begin(const codec::BatchView& batch) {
    services_.clear();
    for (const std::string& name : services_of(batch.tables()))
        services_.push_back(texts_.number_of(name));
}

Result<void> DigestBuilder::add(codec::BatchView& batch) {
    if (auto loaded = batch.load(Part::kShapes | Part::kTraces | Part::kSpans | Part::kParents |
                                 Part::kStarts | Part::kDurations);
        !loaded)
        return loaded;
    begin(batch);
    add_operations(batch);
    add_edges(batch);
    return add_values(batch);
}

void DigestBuilder::add_operations(const codec::BatchView& batch) {
    struct Local {
        std::int64_t step{0};
        Metric* metric{nullptr};
    };
    std::vector<Local> of_shape(batch.shapes().size());
    for (std::uint32_t row = 0; row < batch.row_count(); ++row) {
        const std::uint32_t s = batch.shape_of_rows()[row];
        const Row& shape = batch.shapes()[s];
        if ((shape.flags & RowFlag::kHasStart) == 0 || !range_.holds(batch.starts()[row])) continue;
        Local& local = of_shape[s];
        const std::int64_t step = step_of(batch.starts()[row]);
        if (local.metric == nullptr || local.step != step) {
            const Number name = texts_.number_of(batch.tables().string(shape.name));
            local = {step, &operations_[{services_[shape.resource], name, shape.kind, step}]};
        }
        ++local.metric->spans;
        local.metric->errors +=
            shape.status == static_cast<std::uint8_t>(codec::StatusCode::kError);
        if ((shape.flags & RowFlag::kHasDuration) != 0)
            local.metric->durations.add(batch.durations()[row]);
    }
}

DigestBuilder::Callee DigestBuilder::callee_at(const codec::BatchView& batch,
                                               std::uint32_t row) const {
    const Row& shape = batch.shape_of(row);
    return {services_[shape.resource],
            shape.status == static_cast<std::uint8_t>(codec::StatusCode::kError),
            step_of(batch.starts()[row]),
            (shape.flags & RowFlag::kHasDuration) != 0
                ? std::optional<std::int64_t>(batch.durations()[row])
                : std::nullopt};
}

void DigestBuilder::add_edge(Number caller, const Callee& callee) {
    if (caller == callee.service) return;
    Metric& edge = edges_[{caller, callee.service, callee.step}];
    ++edge.spans;
    edge.errors += callee.error ? 1 : 0;
    if (callee.duration_ns) edge.durations.add(*callee.duration_ns);
}

void DigestBuilder::add_edges(const codec::BatchView& batch) {
    for (const codec::TraceRows& trace : batch.traces()) add_edges_of(batch, trace);
}

void DigestBuilder::add_edges_of(const codec::BatchView& batch, const codec::TraceRows& trace) {
    // A trace may go on in the next batch.
    if (const TraceId id = batch.trace_id(trace); id != last_trace_) {
        service_of_span_.clear();
        last_trace_ = id;
    }
    const std::uint32_t end = trace.first + trace.count;
    for (std::uint32_t row = trace.first; row < end; ++row)
        service_of_span_.emplace(id_at(batch, row), services_[batch.shape_of(row).resource]);
    for (std::uint32_t row = trace.first; row < end; ++row) {
        if ((batch.shape_of(row).flags & RowFlag::kHasStart) == 0 ||
            !range_.holds(batch.starts()[row]))
            continue;
        const std::uint64_t parent = parent_at(batch, row);
        if (parent == 0) continue;
        if (const auto caller = service_of_span_.find(parent); caller != service_of_span_.end())
            add_edge(caller->second, callee_at(batch, row));
        else if (callees_.size() < kCalleesMax)
            callees_.emplace(parent, callee_at(batch, row));
    }
}

Result<void> DigestBuilder::look_for_callers(codec::BatchView& batch) {
    if (auto loaded = batch.load(Part::kShapes | Part::kSpans); !loaded) return loaded;
    begin(batch);
    for (std::uint32_t row = 0; row < batch.row_count() && !callees_.empty(); ++row) {
        const auto [first, last] = callees_.equal_range(id_at(batch, row));
        if (first == last) continue;
        for (auto callee = first; callee != last; ++callee)
            add_edge(services_[batch.shape_of(row).resource], callee->second);
        callees_.erase(first, last);
    }
    return {};
}

Result<void> DigestBuilder::add_values(codec::BatchView& batch) {
    add_resource_values(batch);
    for (std::size_t c = 0; c < batch.column_count(); ++c) {
        const codec::ColumnHead head = batch.column_head(c);
        if (head.target != SPANRING_TARGET_SPAN || !codec::is_attribute(head.kind)) continue;
        const auto column = batch.column(c);
        if (!column) return column.error();
        add_column_values(batch, *column);
    }
    return {};
}

void DigestBuilder::add_resource_values(const codec::BatchView& batch) {
    const codec::Batch& tables = batch.tables();
    std::vector<std::uint64_t> rows(tables.resource_count());
    for (std::size_t s = 0; s < batch.shapes().size(); ++s)
        if (const codec::ResourceId resource = batch.shapes()[s].resource; resource < rows.size())
            rows[resource] += batch.row_counts()[s];
    for (std::size_t i = 1; i < rows.size(); ++i) {
        codec::DetailReader reader(tables.resource(static_cast<codec::ResourceId>(i)));
        for (codec::Detail detail; reader.next(&detail);) {
            if (!codec::is_attribute(detail.kind)) continue;
            Values& values = values_[std::string(tables.string(detail.id))];
            values.spans += rows[i];
            const auto value = codec::attribute_value(detail);
            if (value && !codec::is_nested(*value)) values.add(codec::text_of(*value), rows[i]);
        }
    }
}

void DigestBuilder::add_column_values(const codec::BatchView& batch,
                                      const codec::ColumnView& column) {
    Values& values = values_[std::string(batch.tables().string(column.head().id))];
    values.spans += column.size();
    const std::uint32_t kind = column.head().kind;
    const bool is_text = kind == SPANRING_REC_ATTR_STRING;
    const bool is_number = kind == SPANRING_REC_ATTR_BOOL || kind == SPANRING_REC_ATTR_INT ||
                           kind == SPANRING_REC_ATTR_DOUBLE;
    if (!is_text && !is_number) return;  // nested
    if (column.entry_count() == 0) {
        // Texts that are not kept as a dictionary hardly repeat.
        if (is_text && column.size() > kValuesMax) return;
        for (std::size_t i = 0; i < column.size(); ++i)
            if (const auto value = attribute_at(column, i); value) values.add(text_of(*value), 1);
        return;
    }
    std::vector<std::uint64_t> times(column.entry_count());
    for (std::size_t i = 0; i < column.size(); ++i) ++times[column.entry_of(i)];
    if (is_text)
        for (std::size_t e = 0; e < times.size(); ++e) values.add(column.entry(e), times[e]);
}

void DigestBuilder::add(const Digest& other) {
    const auto merge = [](Metric& into, std::uint64_t spans, std::uint64_t errors,
                          const DurationCounts& durations) {
        into.spans += spans;
        into.errors += errors;
        into.durations.add(durations);
    };
    for (const OperationMetric& one : other.operations)
        merge(operations_[{texts_.number_of(one.service), texts_.number_of(one.operation),
                           static_cast<std::uint8_t>(one.kind), one.start_ns}],
              one.spans, one.errors, one.durations);
    for (const ServiceEdge& one : other.edges)
        merge(edges_[{texts_.number_of(one.caller), texts_.number_of(one.callee), one.start_ns}],
              one.calls, one.errors, one.durations);
    for (const AttributeSummary& one : other.attributes) {
        Values& values = values_[one.key];
        values.spans += one.spans;
        for (const auto& [value, times] : one.values) values.add(value, times);
    }
}

Digest DigestBuilder::take() && {
    Digest digest;
    for (auto& [key, metric] : operations_) {
        const auto& [service, name, kind, step] = key;
        digest.operations.push_back({texts_.text(service), texts_.text(name),
                                     static_cast<codec::SpanKind>(kind), step, metric.spans,
                                     metric.errors, std::move(metric.durations)});
    }
    for (auto& [key, metric] : edges_) {
        const auto& [caller, callee, step] = key;
        digest.edges.push_back({texts_.text(caller), texts_.text(callee), step, metric.spans,
                                metric.errors, std::move(metric.durations)});
    }
    for (auto& [key, values] : values_) {
        AttributeSummary summary{key, values.spans, {values.counts.begin(), values.counts.end()}};
        std::ranges::sort(summary.values, [](const auto& a, const auto& b) {
            return a.second != b.second ? a.second > b.second : a.first < b.first;
        });
        summary.values.resize(std::min(summary.values.size(), kValuesKept));
        digest.attributes.push_back(std::move(summary));
    }
    const auto order = [](const auto& a, const auto& b) {
        return std::tie(a.start_ns, a.service, a.operation, a.kind) <
               std::tie(b.start_ns, b.service, b.operation, b.kind);
    };
    std::ranges::sort(digest.operations, order);
    std::ranges::sort(digest.edges, [](const auto& a, const auto& b) {
        return std::tie(a.start_ns, a.caller, a.callee) < std::tie(b.start_ns, b.caller, b.callee);
    });
    return digest;
}

}  // namespace spanring::store
