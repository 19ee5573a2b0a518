#include "facts.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "spanring/abi/record_layout.h"
#include "spanring/codec/details.hpp"
#include "spanring/store/condition.hpp"
#include "spanring/store/frame.hpp"

namespace spanring::store {
namespace {

using codec::RowFlag;

constexpr const char* kUnknownService = "unknown_service";  // as codec::service_of

std::string service_of_records(const codec::Batch& batch, std::span<const std::byte> records) {
    std::optional<std::string> service;
    codec::DetailReader reader(records);
    for (codec::Detail detail; reader.next(&detail);) {
        if (detail.kind != SPANRING_REC_ATTR_STRING || detail.id >= batch.string_count()) continue;
        if (batch.string(detail.id) != "service.name") continue;
        if (auto value = codec::attribute_value(detail); value)
            service = std::get<std::string>(std::move(*value));
    }
    return service ? *service : kUnknownService;
}

/// Which strings are keys of attributes in these records: a walk over their heads alone, as there
/// are some for each span. Stops at a malformed one.
void mark_keys(std::span<const std::byte> records, std::vector<std::uint8_t>& is_key) {
    for (std::size_t at = 0; records.size() - at >= 8;) {
        std::uint64_t head;
        std::memcpy(&head, records.data() + at, sizeof head);
        const std::uint32_t bytes = spanring_record_bytes(head);
        if (bytes == 0 || bytes > records.size() - at) return;
        at += bytes;
        const std::uint32_t key = spanring_record_id(head);
        if (codec::is_attribute(spanring_record_kind(head) & SPANRING_REC_DETAIL_MASK) &&
            key < is_key.size())
            is_key[key] = 1;
    }
}

/// The keys of a batch's attributes, each once, whatever the number of spans.
void add_keys(const codec::Batch& batch, std::set<std::string>& keys) {
    std::vector<std::uint8_t> is_key(batch.string_count());
    mark_keys(batch.details, is_key);
    for (std::size_t i = 1; i < batch.resource_count(); ++i)
        mark_keys(batch.resource(static_cast<codec::ResourceId>(i)), is_key);
    for (std::size_t i = 0; i < is_key.size(); ++i)
        if (is_key[i] != 0) keys.emplace(batch.string(static_cast<codec::StringId>(i)));
}

/// The spans of one batch by operation and status, in a list for each name. Neighbours are often
/// alike.
class LocalOperations {
public:
    struct One {
        codec::StringId name{kNone};
        codec::ResourceId resource{0};
        std::uint8_t kind{0};
        std::uint8_t status{0};
        std::uint32_t next{kNone};
        std::uint64_t spans{0};
        [[nodiscard]] bool holds(const codec::Row& row) const noexcept {
            return name == row.name && resource == row.resource && kind == row.kind &&
                   status == row.status;
        }
    };

    explicit LocalOperations(std::size_t names) : first_(names, kNone), all_(1) {}
    LocalOperations(const LocalOperations&) = delete;
    LocalOperations& operator=(const LocalOperations&) = delete;
    ~LocalOperations() = default;

    void count(const codec::Row& row) {
        if (!recent_->holds(row)) change(row);
        ++recent_->spans;
    }
    /// The first is none.
    [[nodiscard]] const std::vector<One>& all() const noexcept { return all_; }

private:
    static constexpr std::uint32_t kNone = 0xffffffff;

    void change(const codec::Row& row) {
        std::uint32_t* at = &first_[row.name];
        while (*at != kNone && !all_[*at].holds(row)) at = &all_[*at].next;
        if (*at != kNone) {
            recent_ = &all_[*at];
            return;
        }
        *at = static_cast<std::uint32_t>(all_.size());
        recent_ = &all_.emplace_back(One{row.name, row.resource, row.kind, row.status});
    }

    std::vector<std::uint32_t> first_;  ///< by name
    std::vector<One> all_;
    One* recent_{all_.data()};
};

}  // namespace

std::vector<std::string> services_of(const codec::Batch& batch) {
    std::vector<std::string> services(std::max<std::size_t>(batch.resource_count(), 1),
                                      kUnknownService);
    for (std::size_t i = 1; i < batch.resource_count(); ++i)
        services[i] = service_of_records(batch, batch.resource(static_cast<codec::ResourceId>(i)));
    return services;
}

void Facts::add(const codec::Batch& batch) {
    LocalOperations local(std::max<std::size_t>(batch.string_count(), 1));
    TraceGatherer gatherer;
    std::size_t starts = 0;
    std::int64_t first = any_start ? start_ns_min : std::numeric_limits<std::int64_t>::max();
    std::int64_t last = any_start ? start_ns_max : std::numeric_limits<std::int64_t>::min();
    for (const codec::Row& row : batch.rows) {
        local.count(row);
        gatherer.add(row);
        if ((row.flags & RowFlag::kHasStart) == 0) continue;
        ++starts;
        first = std::min(first, row.start_ns);
        last = std::max(last, row.start_ns);
        if ((row.flags & RowFlag::kHasDuration) == 0) continue;
        // Unsigned: what somebody else's clock said may be anything.
        const auto end = static_cast<std::int64_t>(static_cast<std::uint64_t>(row.start_ns) +
                                                   static_cast<std::uint64_t>(row.duration_ns));
        end_ns_min = ends == 0 ? end : std::min(end_ns_min, end);
        end_ns_sum += end;
        ++ends;
    }
    traces.add(std::move(gatherer).take());
    all_start = all_start && starts == batch.rows.size();
    if (starts != 0) {
        any_start = true;
        start_ns_min = first;
        start_ns_max = last;
    }
    spans += batch.rows.size();
    const auto names = services_of(batch);
    for (const auto& one : std::span(local.all()).subspan(1)) {
        const std::string& service = names[one.resource];
        services.insert(service);
        auto& total = operations[{service, std::string(batch.string(one.name)),
                                  static_cast<codec::SpanKind>(one.kind)}];
        total.spans += one.spans;
        total.errors += one.status == SPANRING_STATUS_ERROR ? one.spans : 0;
    }
    for (std::size_t i = 1; i <= batch.instance_count(); ++i)
        host_keys.insert(batch.instance(static_cast<codec::InstanceIndex>(i)).host_key);
    add_keys(batch, attribute_keys);
}

void Facts::add(const Facts& other) {
    for (const auto& [key, counts] : other.operations) {
        auto& total = operations[key];
        total.spans += counts.spans;
        total.errors += counts.errors;
    }
    services.insert(other.services.begin(), other.services.end());
    attribute_keys.insert(other.attribute_keys.begin(), other.attribute_keys.end());
    host_keys.insert(other.host_keys.begin(), other.host_keys.end());
    traces.add(other.traces);
    spans += other.spans;
    all_start = all_start && other.all_start;
    if (other.ends != 0) {
        end_ns_min = ends == 0 ? other.end_ns_min : std::min(end_ns_min, other.end_ns_min);
        end_ns_sum += other.end_ns_sum;
        ends += other.ends;
    }
    if (!other.any_start) return;
    start_ns_min = any_start ? std::min(start_ns_min, other.start_ns_min) : other.start_ns_min;
    start_ns_max = any_start ? std::max(start_ns_max, other.start_ns_max) : other.start_ns_max;
    any_start = true;
}

std::shared_ptr<const Facts> facts_of(const codec::Batch& batch) {
    auto facts = std::make_shared<Facts>();
    facts->add(batch);
    return facts;
}

FrameSummary summary_of(const BatchFacts& facts) {
    FrameSummary summary;
    bool any = false;
    for (const auto& batch : facts) {
        summary.spans += batch->spans;
        if (!batch->any_start) continue;
        summary.start_ns_min =
            any ? std::min(summary.start_ns_min, batch->start_ns_min) : batch->start_ns_min;
        summary.start_ns_max =
            any ? std::max(summary.start_ns_max, batch->start_ns_max) : batch->start_ns_max;
        any = true;
    }
    return summary;
}

}  // namespace spanring::store
