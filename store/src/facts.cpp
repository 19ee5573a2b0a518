#include "facts.hpp"

#include <algorithm>
#include <optional>

#include "spanring/abi/record_layout.h"
#include "spanring/codec/details.hpp"
#include "trace_filter.hpp"

namespace spanring::store {
namespace {

using codec::RowFlag;

constexpr const char* kUnknownService = "unknown_service";  // as codec::service_of

bool is_attribute(std::uint32_t kind) noexcept {
    return kind >= SPANRING_REC_ATTR_BOOL && kind <= SPANRING_REC_ATTR_STRING_ARRAY;
}

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

/// The keys of a batch's attributes, each once, whatever the number of spans.
void add_keys(const codec::Batch& batch, std::set<std::string>& keys) {
    std::vector<bool> seen(batch.string_count());
    const auto walk = [&](std::span<const std::byte> records) {
        codec::DetailReader reader(records);
        for (codec::Detail detail; reader.next(&detail);) {
            if (!is_attribute(detail.kind) || detail.id >= seen.size() || seen[detail.id]) continue;
            seen[detail.id] = true;
            keys.emplace(batch.string(detail.id));
        }
    };
    walk(batch.details);
    for (std::size_t i = 1; i < batch.resource_count(); ++i)
        walk(batch.resource(static_cast<codec::ResourceId>(i)));
}

/// The operations of one batch, in a list for each name.
class LocalOperations {
public:
    struct One {
        codec::StringId name{0};
        codec::ResourceId resource{0};
        std::uint8_t kind{0};
        OperationCounts counts;
        std::uint32_t next{kNone};
    };

    explicit LocalOperations(std::size_t names) : first_(names, kNone) {}
    OperationCounts& of(const codec::Row& row) {
        std::uint32_t* at = &first_[row.name];
        while (*at != kNone) {
            One& one = all_[*at];
            if (one.resource == row.resource && one.kind == row.kind) return one.counts;
            at = &one.next;
        }
        *at = static_cast<std::uint32_t>(all_.size());
        all_.push_back({row.name, row.resource, row.kind, {}, kNone});
        return all_.back().counts;
    }
    [[nodiscard]] const std::vector<One>& all() const noexcept { return all_; }

private:
    static constexpr std::uint32_t kNone = 0xffffffff;
    std::vector<std::uint32_t> first_;  ///< by name
    std::vector<One> all_;
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
    std::optional<TraceKey> last;
    for (const codec::Row& row : batch.rows) {
        OperationCounts& counts = local.of(row);
        ++counts.spans;
        counts.errors += row.status == SPANRING_STATUS_ERROR;
        const TraceKey key = trace_key(row);
        if (key != last) trace_hashes.push_back(hash_of(key));
        last = key;
        if ((row.flags & RowFlag::kHasStart) == 0) {
            all_start = false;
            continue;
        }
        start_ns_min = any_start ? std::min(start_ns_min, row.start_ns) : row.start_ns;
        start_ns_max = any_start ? std::max(start_ns_max, row.start_ns) : row.start_ns;
        any_start = true;
    }
    spans += batch.rows.size();
    const auto names = services_of(batch);
    for (const auto& one : local.all()) {
        const std::string& service = names[one.resource];
        services.insert(service);
        auto& total = operations[{service, std::string(batch.string(one.name)),
                                  static_cast<codec::SpanKind>(one.kind)}];
        total.spans += one.counts.spans;
        total.errors += one.counts.errors;
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
    trace_hashes.insert(trace_hashes.end(), other.trace_hashes.begin(), other.trace_hashes.end());
    spans += other.spans;
    all_start = all_start && other.all_start;
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

}  // namespace spanring::store
