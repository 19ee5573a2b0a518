// One attribute of the rows of a batch, by its key: what a person calls a column, whatever types
// its values have and wherever they stand. Only the columns that hold it are decoded. Threads: its
// batch's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "spanring/base/result.hpp"
#include "spanring/codec/batch_view.hpp"
#include "spanring/codec/span.hpp"
#include "spanring/store/condition.hpp"

namespace spanring::store {

/// A value, borrowed where that is possible; none: the row has no such attribute. Bytes, JSON and
/// arrays are a codec::Value.
using AttributeValue =
    std::variant<std::monostate, bool, std::int64_t, double, std::string_view, codec::Value>;

/// As codec::text_of; none: empty.
[[nodiscard]] std::string text_of(const AttributeValue& value);
/// A value of a column of attributes. Errors: kCorrupt.
[[nodiscard]] Result<AttributeValue> attribute_at(const codec::ColumnView& column,
                                                  std::size_t index);

/// For each shape, the column of its last attribute with this key; kNoColumn: it has none.
inline constexpr std::uint32_t kNoColumn = ~std::uint32_t{0};
[[nodiscard]] std::vector<std::uint32_t> columns_of_attribute(const codec::BatchView& batch,
                                                              std::string_view key);

class AttributeColumn {
public:
    /// `scope`: kSpan, kResource, or kAny, which is the span's and if it has none the resource's.
    /// `batch` must outlive it. Errors: kCorrupt.
    [[nodiscard]] static Result<AttributeColumn> load(codec::BatchView& batch, Scope scope,
                                                      std::string_view key);
    /// The value of a row; of a key that was set twice the last. Any order, ascending rows are
    /// quicker. Valid as long as the batch. Errors: kCorrupt.
    [[nodiscard]] Result<AttributeValue> of(std::uint32_t row);
    /// Whether two rows that give the same number (not kNoNumber) have the same value, without
    /// looking at it.
    static constexpr std::uint64_t kNoNumber = ~std::uint64_t{0};
    [[nodiscard]] std::uint64_t number_of(std::uint32_t row);

private:
    struct Values {
        std::uint32_t column;
        codec::ColumnView view;
        std::size_t next{0};  ///< behind the value that was asked for last
    };
    struct Place {
        const Values* values{nullptr};
        std::size_t index{0};
    };
    explicit AttributeColumn(const codec::BatchView& batch) : batch_(&batch) {}
    [[nodiscard]] Place place_of(std::uint32_t row);

    const codec::BatchView* batch_;
    std::vector<std::uint32_t> column_of_;  ///< shape
    std::vector<Values> values_;
    std::vector<AttributeValue> of_resource_;  ///< or empty
};

}  // namespace spanring::store
