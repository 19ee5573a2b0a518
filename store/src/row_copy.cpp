#include "row_copy.hpp"

#include <cstring>

#include "spanring/abi/record_layout.h"
#include "spanring/codec/details.hpp"

namespace spanring::store {
namespace {

Error dangling(const char* what) {
    return {ErrorCode::kCorrupt, std::string("a row names a ") + what + " that is not there"};
}

}  // namespace

RowCopier::RowCopier(const codec::Batch& from, codec::Batch& to)
    : from_(from), to_(to), strings_(from.string_count()), resources_(from.resource_count()) {}

std::optional<codec::StringId> RowCopier::string(codec::StringId id) {
    if (id >= strings_.size()) return std::nullopt;
    if (!strings_[id]) strings_[id] = to_.intern(from_.string(id));
    return strings_[id];
}

Result<std::vector<std::byte>> RowCopier::details(std::span<const std::byte> records) {
    std::vector<std::byte> out(records.begin(), records.end());
    for (std::size_t at = 0; at < out.size();) {
        std::uint64_t head = 0;
        if (out.size() - at < sizeof head) return Error{ErrorCode::kCorrupt, "details are cut off"};
        std::memcpy(&head, out.data() + at, sizeof head);
        const std::size_t bytes = spanring_record_bytes(head);
        if (bytes == 0 || bytes > out.size() - at)
            return Error{ErrorCode::kCorrupt, "a detail record does not parse"};
        const std::uint32_t kind = spanring_record_kind(head);
        if (codec::names_a_string(kind & SPANRING_REC_DETAIL_MASK)) {
            const auto id = string(spanring_record_id(head));
            if (!id) return dangling("string");
            head = spanring_record_head(kind, *id, spanring_record_low(head));
            std::memcpy(out.data() + at, &head, sizeof head);
        }
        at += bytes;
    }
    return out;
}

Result<codec::ResourceId> RowCopier::resource(codec::ResourceId id) {
    if (id == 0) return codec::ResourceId{0};
    if (id >= resources_.size()) return dangling("resource");
    if (!resources_[id]) {
        auto records = details(from_.resource(id));
        if (!records) return std::move(records).error();
        resources_[id] = to_.intern_resource(*records);
    }
    return *resources_[id];
}

Result<codec::Row> RowCopier::copy(const codec::Row& row, std::size_t details_before_offset,
                                   std::size_t details_before_bytes) {
    codec::Row copied = row;
    const auto name = string(row.name);
    if (!name) return dangling("string");
    copied.name = *name;
    auto resource_id = resource(row.resource);
    if (!resource_id) return std::move(resource_id).error();
    copied.resource = *resource_id;
    if (row.scope != 0) {
        if (row.scope >= from_.scope_count()) return dangling("scope");
        const auto [scope_name, version] = from_.scope(row.scope);
        const auto new_name = string(scope_name);
        const auto new_version = string(version);
        if (!new_name || !new_version) return dangling("string");
        copied.scope = to_.intern_scope(*new_name, *new_version);
    }
    if (row.instance != 0) {
        if (row.instance > from_.instance_count()) return dangling("instance");
        copied.instance = to_.intern_instance(from_.instance(row.instance));
    }
    const std::size_t end = std::size_t{row.details_offset} + row.details_bytes;
    if (end > from_.details.size()) return dangling("detail");
    auto records = details(std::span(from_.details).subspan(row.details_offset, row.details_bytes));
    if (!records) return std::move(records).error();

    auto& out = to_.details;
    copied.details_offset = out.size();
    copied.details_bytes = static_cast<std::uint32_t>(details_before_bytes + records->size());
    out.resize(out.size() + details_before_bytes);
    if (details_before_bytes != 0)
        std::memcpy(out.data() + copied.details_offset, out.data() + details_before_offset,
                    details_before_bytes);
    out.insert(out.end(), records->begin(), records->end());
    return copied;
}

}  // namespace spanring::store
