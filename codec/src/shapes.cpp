#include "shapes.hpp"

#include <algorithm>
#include <string>

#include "spanring/abi/record_layout.h"

namespace spanring::codec {
namespace {

constexpr std::uint32_t kRowFlags = (RowFlag::kStartOffset << 1) - 1;
constexpr std::uint32_t kNativeFlags =
    RowFlag::kNativeTrace | RowFlag::kNativeSpan | RowFlag::kNativeParent;

Error invalid(const char* what) {
    return Error{ErrorCode::kInvalidArgument, std::string("batch: ") + what};
}

std::uint64_t hash_of(const ShapeFields& f, std::span<const Head> heads) noexcept {
    const std::uint64_t small =
        f.kind | std::uint64_t{f.status} << 8 | std::uint64_t{f.trace_flags} << 16;
    std::uint64_t hash =
        mix(std::uint64_t{f.name} << 32 | f.flags, std::uint64_t{f.resource} << 32 | f.instance);
    hash = mix(hash + f.scope, small);
    for (const Head head : heads) hash = (hash ^ head) * 0x9e3779b97f4a7c15ull;
    return hash ^ (hash >> 32);
}

}  // namespace

const char* fault_of(const ShapeFields& fields, const TableSizes& sizes) noexcept {
    if (fields.name >= sizes.strings) return "a name is no string of the batch";
    if (fields.resource >= sizes.resources) return "a resource is not in the batch";
    if (fields.scope >= sizes.scopes) return "a scope is not in the batch";
    if (fields.instance > sizes.instances) return "an instance is not in the batch";
    if ((fields.flags & ~kRowFlags) != 0) return "unknown row flags";
    if ((fields.flags & kNativeFlags) != 0 && fields.instance == 0) {
        return "a native id without an instance";
    }
    if (fields.kind > SPANRING_KIND_CONSUMER) return "unknown span kind";
    if (fields.status > SPANRING_STATUS_ERROR) return "unknown status";
    return nullptr;
}

void ShapeList::number_columns_from(std::size_t first_head) {
    for (std::size_t i = first_head; i < heads.size(); ++i) {
        const auto [column, is_new] = columns_.try_emplace(heads[i], column_count);
        if (is_new) ++column_count;
        column_of.push_back(column->second);
    }
}

ShapeWriter::ShapeWriter(const Batch& batch)
    : batch_(batch),
      numbers_(batch.rows.size()),
      recent_(batch.string_count(), NumberTable::kFree) {}

bool ShapeWriter::is_shape(std::uint32_t number, const ShapeFields& fields) const noexcept {
    const Shape& shape = list_.shapes[number];
    return shape.fields == fields && std::ranges::equal(list_.heads_of(shape), heads_);
}

Result<void> ShapeWriter::check(const ShapeFields& fields) const {
    const TableSizes sizes{batch_.string_count(), batch_.resource_count(), batch_.scope_count(),
                           batch_.instance_count()};
    if (const char* fault = fault_of(fields, sizes)) return invalid(fault);
    for (const Head head : heads_) {
        if (!head_is_storable(head)) return invalid("a detail that belongs into the row");
        if (head_names_string(head) && id_of(head) >= batch_.string_count()) {
            return invalid("a key is no string of the batch");
        }
    }
    return {};
}

Result<void> ShapeWriter::read_heads(const Row& row) {
    heads_.clear();
    if (row.details_offset > batch_.details.size() ||
        row.details_bytes > batch_.details.size() - row.details_offset) {
        return invalid("details outside of the batch");
    }
    DetailReader reader(std::span(batch_.details).subspan(row.details_offset, row.details_bytes));
    for (Detail detail; reader.next(&detail);) {
        heads_.push_back(head_of(detail));
    }
    if (!reader.ok()) return invalid("details do not parse");
    return {};
}

Result<std::uint32_t> ShapeWriter::add_new(const ShapeFields& fields) {
    auto checked = check(fields);
    if (!checked) return std::move(checked).error();
    const std::size_t first_head = list_.heads.size();
    list_.shapes.push_back({fields, first_head, heads_.size()});
    list_.heads.insert(list_.heads.end(), heads_.begin(), heads_.end());
    list_.number_columns_from(first_head);
    for (std::size_t i = first_head; i < list_.heads.size(); ++i) {
        if (list_.column_of[i] == columns_.size()) columns_.emplace_back(list_.heads[i]);
    }
    return static_cast<std::uint32_t>(list_.shapes.size() - 1);
}

// Takes the row's details into the columns if they are, head for head, those of the shape.
bool ShapeWriter::add_details(const Row& row, const Shape& shape) {
    if (row.details_offset > batch_.details.size() ||
        row.details_bytes > batch_.details.size() - row.details_offset) {
        return false;
    }
    const std::byte* at = batch_.details.data() + row.details_offset;
    const std::byte* const end = at + row.details_bytes;
    const std::uint32_t* column = list_.columns_of(shape).data();
    for (const Head wanted : list_.heads_of(shape)) {
        if (end - at < 8) return false;
        const std::uint64_t head = load_word(at);
        const std::size_t bytes = columns_[*column++].record_bytes(head);
        if (static_cast<Head>(head) != wanted || bytes == 0 ||
            bytes > static_cast<std::size_t>(end - at)) {
            return false;
        }
        at += bytes;
    }
    if (at != end) return false;
    put_details(row, shape);
    return true;
}

/// Of records that were found to be those of the shape.
void ShapeWriter::put_details(const Row& row, const Shape& shape) {
    const std::int64_t start_ns = (row.flags & RowFlag::kHasStart) != 0 ? row.start_ns : 0;
    const std::byte* at = batch_.details.data() + row.details_offset;
    for (const std::uint32_t column : list_.columns_of(shape)) {
        const std::uint64_t head = load_word(at);
        columns_[column].add(at, start_ns);
        at += columns_[column].record_bytes(head);
    }
}

Result<void> ShapeWriter::add(const Row& row, std::uint32_t* number) {
    if (row.details_bytes != 0) {
        auto split = read_heads(row);
        if (!split) return split;
    } else {
        heads_.clear();
    }
    const ShapeFields fields = fields_of(row);
    std::uint32_t none = NumberTable::kFree;
    std::uint32_t& recent = fields.name < recent_.size() ? recent_[fields.name] : none;
    if (recent == NumberTable::kFree || !is_shape(recent, fields)) {
        std::uint32_t& slot = numbers_.slot(
            hash_of(fields, heads_), [&](std::uint32_t known) { return is_shape(known, fields); });
        if (slot == NumberTable::kFree) {
            auto added = add_new(fields);
            if (!added) return std::move(added).error();
            slot = *added;
        }
        recent = slot;
    }
    *number = recent;
    if (row.details_bytes != 0) put_details(row, list_.shapes[recent]);
    return {};
}

}  // namespace spanring::codec
