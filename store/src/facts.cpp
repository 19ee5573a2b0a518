#include "facts.hpp"

#include <algorithm>
#include <optional>
#include <unordered_map>

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

struct LocalOperation {
    codec::StringId name;
    codec::ResourceId resource;
    std::uint8_t kind;
    bool operator==(const LocalOperation&) const = default;
};
struct LocalOperationHash {
    std::size_t operator()(const LocalOperation& key) const noexcept {
        return (std::size_t{key.name} * 0x9e3779b97f4a7c15ull) ^ (std::size_t{key.resource} << 8) ^
               key.kind;
    }
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
    std::unordered_map<LocalOperation, OperationCounts, LocalOperationHash> local;
    std::optional<TraceKey> last;
    for (const codec::Row& row : batch.rows) {
        OperationCounts& counts = local[{row.name, row.resource, row.kind}];
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
    for (const auto& [key, counts] : local) {
        const std::string& service = names[key.resource];
        services.insert(service);
        auto& total = operations[{service, std::string(batch.string(key.name)),
                                  static_cast<codec::SpanKind>(key.kind)}];
        total.spans += counts.spans;
        total.errors += counts.errors;
    }
    for (std::size_t i = 1; i <= batch.instance_count(); ++i)
        host_keys.insert(batch.instance(static_cast<codec::InstanceIndex>(i)).host_key);
    add_keys(batch, attribute_keys);
}

}  // namespace spanring::store
