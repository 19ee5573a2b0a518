// Shapes: what the spans of one call site share. A shape is everything of a row that is not an id
// or a time (name, kind, status, flags, resource, scope, instance) and the sequence of its detail
// records' heads. A batch holds each shape once; a row refers to it. Threads: plain objects.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "columns.hpp"
#include "number_table.hpp"
#include "spanring/base/result.hpp"
#include "spanring/codec/batch.hpp"

namespace spanring::codec {

struct ShapeFields {
    std::uint32_t flags{0};
    StringId name{0};
    ResourceId resource{0};
    ScopeId scope{0};
    InstanceIndex instance{0};
    std::uint8_t kind{0};
    std::uint8_t status{0};
    std::uint16_t trace_flags{0};
    bool operator==(const ShapeFields& other) const noexcept {
        return std::memcmp(this, &other, sizeof *this) == 0;
    }
};
// Compared as bytes: there must be no padding.
static_assert(std::has_unique_object_representations_v<ShapeFields> && sizeof(ShapeFields) == 24);

// They stand in a row as they stand here, so that one comparison does for all.
static_assert(offsetof(Row, name) == offsetof(Row, flags) + offsetof(ShapeFields, name));
static_assert(offsetof(Row, resource) == offsetof(Row, flags) + offsetof(ShapeFields, resource));
static_assert(offsetof(Row, scope) == offsetof(Row, flags) + offsetof(ShapeFields, scope));
static_assert(offsetof(Row, instance) == offsetof(Row, flags) + offsetof(ShapeFields, instance));
static_assert(offsetof(Row, kind) == offsetof(Row, flags) + offsetof(ShapeFields, kind));
static_assert(offsetof(Row, status) == offsetof(Row, flags) + offsetof(ShapeFields, status));
static_assert(offsetof(Row, trace_flags) ==
              offsetof(Row, flags) + offsetof(ShapeFields, trace_flags));

[[nodiscard]] inline ShapeFields fields_of(const Row& row) noexcept {
    return {.flags = row.flags,
            .name = row.name,
            .resource = row.resource,
            .scope = row.scope,
            .instance = row.instance,
            .kind = row.kind,
            .status = row.status,
            .trace_flags = row.trace_flags};
}
[[nodiscard]] inline bool has_fields(const Row& row, const ShapeFields& fields) noexcept {
    // Three words, each loaded by itself: a call of memcmp costs more, and so does an array, which
    // the compiler fills sixteen bytes at a time and then waits for.
    const auto* a = reinterpret_cast<const std::byte*>(&row.flags);
    const auto* b = reinterpret_cast<const std::byte*>(&fields);
    return ((load_word(a) ^ load_word(b)) | (load_word(a + 8) ^ load_word(b + 8)) |
            (load_word(a + 16) ^ load_word(b + 16))) == 0;
}

struct Shape {
    ShapeFields fields;
    std::size_t first_head{0};  // into ShapeList::heads
    std::size_t head_count{0};
};

struct ShapeList {
    std::vector<Shape> shapes;
    std::vector<Head> heads;               // of all shapes, end to end
    std::vector<std::uint32_t> column_of;  // of each head: the number of its column
    std::uint32_t column_count{0};
    [[nodiscard]] std::span<const Head> heads_of(const Shape& shape) const noexcept {
        return std::span(heads).subspan(shape.first_head, shape.head_count);
    }
    [[nodiscard]] std::span<const std::uint32_t> columns_of(const Shape& shape) const noexcept {
        return std::span(column_of).subspan(shape.first_head, shape.head_count);
    }
    /// Numbers the columns by the first appearance of their heads.
    void number_columns_from(std::size_t first_head);

private:
    std::unordered_map<Head, std::uint32_t> columns_;
};

/// Finds the shapes of a batch's rows and takes their details apart into columns.
class ShapeWriter {
public:
    explicit ShapeWriter(const Batch& batch);
    /// Takes a row whose shape was seen just before, as most were; false: add() it.
    [[nodiscard]] bool add_known(const Row& row, std::uint32_t* number) {
        // Spans of one name mostly come from one call site.
        if (row.name >= recent_.size() || recent_[row.name] == NumberTable::kFree) return false;
        const Shape& recent = list_.shapes[recent_[row.name]];
        *number = recent_[row.name];
        return has_fields(row, recent.fields) &&
               (row.details_bytes == 0 ? recent.head_count == 0 : add_details(row, recent));
    }
    /// *number: the number of the row's shape. Errors: kInvalidArgument: a number, flag or detail
    /// of the row that a reader would refuse.
    [[nodiscard]] Result<void> add(const Row& row, std::uint32_t* number);

    [[nodiscard]] const ShapeList& list() const noexcept { return list_; }
    [[nodiscard]] const std::vector<ColumnWriter>& columns() const noexcept { return columns_; }

private:
    [[nodiscard]] bool add_details(const Row& row, const Shape& shape);
    void put_details(const Row& row, const Shape& shape);
    [[nodiscard]] Result<std::uint32_t> add_new(const ShapeFields& fields);
    [[nodiscard]] Result<void> read_heads(const Row& row);
    [[nodiscard]] Result<void> check(const ShapeFields& fields) const;

    [[nodiscard]] bool is_shape(std::uint32_t number, const ShapeFields& fields) const noexcept;

    const Batch& batch_;
    ShapeList list_;
    NumberTable numbers_;
    std::vector<std::uint32_t> recent_;  // by name: the last shape with it, or kFree
    std::vector<ColumnWriter> columns_;
    std::vector<Head> heads_;  // of the row at hand
};

/// Returns what is wrong with these fields in a batch with these tables, or nullptr.
struct TableSizes {
    std::size_t strings, resources, scopes, instances;
};
[[nodiscard]] const char* fault_of(const ShapeFields& fields, const TableSizes& sizes) noexcept;

}  // namespace spanring::codec
