// What is behind a BatchView: the sections of a batch, decoded when somebody asks. Nothing in them
// is trusted: each count is checked before it is used as a size, each reference before it is
// followed. Threads: one owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "row_columns.hpp"
#include "sections.hpp"
#include "shapes.hpp"
#include "spanring/codec/batch.hpp"
#include "spanring/codec/batch_view.hpp"

namespace spanring::codec {

class BatchDecoder {
public:
    explicit BatchDecoder(SectionReader sections) : sections_(std::move(sections)) {}
    /// Tables and shapes. The first call.
    [[nodiscard]] Result<void> open();

    [[nodiscard]] Result<void> load(unsigned parts);
    [[nodiscard]] Result<const ColumnReader*> column(std::size_t number);
    /// The row of each value of a column that was read.
    [[nodiscard]] std::span<const std::uint32_t> rows_of_column(std::size_t number);
    /// Gives *out, which has the tables, these rows (ascending).
    [[nodiscard]] Result<void> put_rows(std::span<const std::uint32_t> numbers, Batch* out);

    [[nodiscard]] std::size_t row_count() const noexcept { return sections_.row_count(); }
    [[nodiscard]] const LoadedRows& rows() const noexcept { return rows_; }
    [[nodiscard]] const ShapeList& shapes() const noexcept { return shapes_; }
    [[nodiscard]] std::span<const Head> column_heads() const noexcept { return column_heads_; }
    [[nodiscard]] Batch& tables() noexcept { return tables_; }

private:
    using Step = Result<void> (BatchDecoder::*)();
    using RowReader = bool (*)(ByteReader&, LoadedRows*);

    [[nodiscard]] Result<ByteReader> section(SectionId id, Buffer* buffer);
    [[nodiscard]] Result<void> get_rows(SectionId id, RowReader read, const char* what);
    [[nodiscard]] Result<void> once(unsigned bit, Step step);
    [[nodiscard]] Result<void> get_strings();
    [[nodiscard]] Result<void> get_tables();
    [[nodiscard]] Result<void> get_shapes();
    [[nodiscard]] Result<void> get_shape_of_row();
    [[nodiscard]] Result<void> count_values();
    [[nodiscard]] Result<void> get_trace_sizes();
    [[nodiscard]] Result<void> get_spans();
    [[nodiscard]] Result<void> get_traces();
    [[nodiscard]] Result<void> get_parents();
    [[nodiscard]] Result<void> get_starts();
    [[nodiscard]] Result<void> get_durations();
    [[nodiscard]] Result<void> deal_durations();
    [[nodiscard]] bool resource_is_valid(std::span<const std::byte> records) const;
    [[nodiscard]] bool head_is_valid(Head head) const noexcept;
    [[nodiscard]] std::span<const std::uint32_t> columns_of_row(std::size_t i) const noexcept {
        return shapes_.columns_of(shapes_.shapes[rows_.shape_of[i]]);
    }

    SectionReader sections_;
    Batch tables_;
    ShapeList shapes_;
    std::vector<Row> shape_rows_;
    LoadedRows rows_;
    unsigned done_{0};  ///< parts
    Buffer traces_buffer_;
    ByteReader traces_in_{{}};  ///< behind the sizes
    std::vector<Head> column_heads_;
    std::vector<std::uint64_t> value_counts_;           ///< of each column
    std::vector<std::optional<ColumnReader>> columns_;  ///< that were read
    std::vector<std::vector<std::uint32_t>> rows_of_column_;
    std::uint64_t repeated_bytes_{0};
};

}  // namespace spanring::codec
