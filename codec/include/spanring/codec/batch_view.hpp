// An encoded batch, read column by column: what a question does not touch is neither decompressed
// nor decoded. `decode` (batch.hpp) is this, asked for everything.
//
// Trusts nothing of the bytes: each part is checked when it is decoded. Threads: one owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "spanring/base/result.hpp"
#include "spanring/codec/batch.hpp"

namespace spanring::codec {

class BatchDecoder;
class ColumnReader;

/// A trace's rows, which stand together. Fields as in Row; `native`: RowFlag::kNativeTrace.
struct TraceRows {
    std::uint64_t high{0};
    std::uint64_t low{0};
    bool native{false};
    std::uint32_t first{0};  ///< row
    std::uint32_t count{0};
};

/// What can be decoded by itself.
struct Part {
    enum : unsigned {
        kShapes = 1u << 0,            ///< shape_of_rows()
        kTraces = 1u << 1,            ///< traces()
        kSpans = 1u << 2,             ///< spans()
        kParents = 1u << 3,           ///< parents()
        kStarts = 1u << 4,            ///< starts()
        kDurations = 1u << 5,         ///< durations(), durations_by_shape()
        kDurationsByShape = 1u << 6,  ///< that one alone, which costs less
        kAll = (1u << 7) - 1
    };
};

/// What all records of a column have in common.
struct ColumnHead {
    std::uint32_t kind{0};    ///< SPANRING_REC_*, without target
    std::uint32_t target{0};  ///< SPANRING_TARGET_*
    std::uint32_t id{0};      ///< of attributes and events: a StringId
    bool operator==(const ColumnHead&) const = default;
};

/// The values of one column of details: those of one key and type, in the order of the rows. Valid
/// as long as its view. What a value is: by the kind of the records (docs/format/batch.md).
class ColumnView {
public:
    [[nodiscard]] ColumnHead head() const noexcept;
    [[nodiscard]] std::size_t size() const noexcept;
    /// The row of each value, ascending: a row may have several.
    [[nodiscard]] std::span<const std::uint32_t> rows() const noexcept { return rows_; }

    /// Of ATTR_BOOL and ATTR_INT the value, of ATTR_DOUBLE its bits.
    [[nodiscard]] std::uint64_t word(std::size_t i) const noexcept;
    /// Of what has a payload (SPANRING_REC_ATTR_STRING, ...): its bytes.
    [[nodiscard]] std::string_view text(std::size_t i) const noexcept;
    /// Of a column that holds each distinct text once: how many there are; 0: it is none such.
    [[nodiscard]] std::size_t entry_count() const noexcept;
    [[nodiscard]] std::string_view entry(std::size_t number) const noexcept;
    [[nodiscard]] std::size_t entry_of(std::size_t i) const noexcept;

private:
    friend class BatchView;
    ColumnView(const ColumnReader& column, std::span<const std::uint32_t> rows)
        : column_(&column), rows_(rows) {}

    const ColumnReader* column_;
    std::span<const std::uint32_t> rows_;
};

class BatchView {
public:
    /// Reads tables and shapes. `bytes` must outlive the view. Errors: kCorrupt, kVersion.
    [[nodiscard]] static Result<BatchView> open(std::span<const std::byte> bytes);
    BatchView(BatchView&&) noexcept;
    BatchView& operator=(BatchView&&) noexcept;
    ~BatchView();

    [[nodiscard]] std::size_t row_count() const noexcept;
    /// Strings, resources, scopes and instances; it has no rows.
    [[nodiscard]] const Batch& tables() const noexcept;
    /// A row of each shape: all that is neither an id, a time nor a detail.
    [[nodiscard]] std::span<const Row> shapes() const noexcept;
    /// The columns of a shape's details, in their order; one may stand there several times.
    [[nodiscard]] std::span<const std::uint32_t> columns_of(std::size_t shape) const noexcept;
    [[nodiscard]] std::size_t column_count() const noexcept;
    /// Of a column that need not be loaded.
    [[nodiscard]] ColumnHead column_head(std::size_t column) const noexcept;

    /// Decodes these parts (Part), unless that was done before. Errors: kCorrupt.
    [[nodiscard]] Result<void> load(unsigned parts);
    /// Of parts that were loaded; one value for each row.
    [[nodiscard]] std::span<const std::uint32_t> shape_of_rows() const noexcept;
    [[nodiscard]] std::span<const TraceRows> traces() const noexcept;  ///< one for each trace
    [[nodiscard]] std::span<const std::uint64_t> spans() const noexcept;
    [[nodiscard]] std::span<const std::uint64_t> parents() const noexcept;
    [[nodiscard]] std::span<const std::int64_t> starts() const noexcept;  ///< ns; none: 0
    [[nodiscard]] std::span<const std::int64_t> durations() const noexcept;
    /// The durations of the rows that have one, those of shape 0 first: row_counts()[s] of each
    /// shape s, or none.
    [[nodiscard]] std::span<const std::int64_t> durations_by_shape() const noexcept;
    /// How many rows each shape has; with kShapes.
    [[nodiscard]] std::span<const std::uint32_t> row_counts() const noexcept;

    [[nodiscard]] const Row& shape_of(std::size_t row) const noexcept {
        return shapes()[shape_of_rows()[row]];
    }
    [[nodiscard]] TraceId trace_id(const TraceRows& trace) const noexcept;

    /// Decodes a column of details. Errors: kCorrupt.
    [[nodiscard]] Result<ColumnView> column(std::size_t column);
    /// Returns these rows (ascending) with their details. What they do not use of the tables is
    /// there too. Errors: kCorrupt.
    [[nodiscard]] Result<Batch> rows(std::span<const std::uint32_t> numbers);
    /// All of them, and the tables, which are gone here then.
    [[nodiscard]] Result<Batch> take() &&;

private:
    explicit BatchView(std::unique_ptr<BatchDecoder> decoder);

    std::unique_ptr<BatchDecoder> decoder_;
};

}  // namespace spanring::codec
