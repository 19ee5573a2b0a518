// The rows of one batch as the table `spans` shows them. What no statement looks at is not decoded:
// each column is loaded when the first value of it is wanted. Threads: the connection's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "columns.hpp"
#include "source.hpp"
#include "spanring/codec/batch_view.hpp"
#include "spanring/store/attribute_column.hpp"
#include "spanring/store/row_mask.hpp"
#include "sqlite_api.hpp"

namespace spanring::sql {

class BatchRows {
public:
    /// `batch`, `columns` and `source` must outlive it. `place`: the batch's.
    BatchRows(codec::BatchView& batch, const store::RowMask& rows, const store::BatchPlace& place,
              const Columns& columns, Source& source)
        : batch_(batch),
          rows_(rows.numbers()),
          first_number_(source.row_numbers.first_of(place)),
          columns_(columns),
          texts_(source.texts) {}

    [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
    /// Gives SQLite the value of a column of the row at `position`, 0 to size() - 1. Errors:
    /// kCorrupt.
    [[nodiscard]] Result<void> put(sqlite3_context* context, int column, std::size_t position);
    [[nodiscard]] std::int64_t number(std::size_t position) const noexcept {
        return first_number_ + rows_[position];
    }
    /// When it started; none: INT64_MIN, as NULL is below all numbers.
    [[nodiscard]] Result<std::int64_t> start_ns(std::size_t position);

private:
    Result<void> put_ids(sqlite3_context* context, Column column, std::uint32_t row);
    Result<void> put_time(sqlite3_context* context, Column column, std::uint32_t row);
    Result<void> put_detail(sqlite3_context* context, Column column, std::size_t position);
    Result<void> put_attribute(sqlite3_context* context, const std::string& key, int column,
                               std::uint32_t row);
    void put_text(sqlite3_context* context, std::uint32_t number);
    [[nodiscard]] std::uint32_t text_of(codec::StringId id);
    [[nodiscard]] std::uint32_t service_of(codec::ResourceId id);
    [[nodiscard]] std::uint32_t trace_of(std::uint32_t row);
    [[nodiscard]] Result<const codec::Span*> span_at(std::size_t position);

    codec::BatchView& batch_;
    std::vector<std::uint32_t> rows_;
    std::int64_t first_number_;
    const Columns& columns_;
    TextNumbers& texts_;
    unsigned loaded_{0};                   ///< codec::Part
    std::vector<std::uint32_t> texts_of_;  ///< by StringId, plus one
    std::vector<std::uint32_t> services_;  ///< by ResourceId
    std::uint32_t last_trace_{0};          ///< place in batch_.traces()
    std::unordered_map<int, store::AttributeColumn> attributes_;
    std::optional<codec::Batch> details_;  ///< of rows_, in their order
    std::size_t span_position_{0};         ///< which row span_ is
    std::optional<codec::Span> span_;
};

}  // namespace spanring::sql
