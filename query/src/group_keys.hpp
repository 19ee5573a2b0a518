// Which group each row of a batch belongs to, when spans are grouped by fields: texts are looked up
// once for each batch, shape or dictionary, not for each row. Threads: one owner.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "spanring/base/result.hpp"
#include "spanring/base/text_numbers.hpp"
#include "spanring/codec/batch_view.hpp"
#include "spanring/store/attribute_column.hpp"
#include "spanring/store/condition.hpp"
#include "spanring/store/row_mask.hpp"

namespace spanring::query {

/// Whether it is the same for all spans of a shape.
[[nodiscard]] bool is_of_shape(const store::Field& field) noexcept;
/// As above, or an attribute of the span or its resource. Errors: kInvalidArgument.
[[nodiscard]] Result<void> check_groupable(const std::vector<store::Field>& by);

class GroupKeys {
public:
    /// `by`: what check_groupable likes.
    explicit GroupKeys(std::vector<store::Field> by);

    /// Whether group_of_shape is all that is needed.
    [[nodiscard]] bool by_shape_alone() const noexcept { return attributes_of_ == 0; }
    /// Loads of the batch what the fields take. Errors: kCorrupt.
    [[nodiscard]] Result<void> begin(codec::BatchView& batch);
    /// Of the batch begun last; groups are numbered from 0 as they are met.
    [[nodiscard]] std::size_t group_of_shape(std::size_t shape);
    [[nodiscard]] Result<std::size_t> group_of(std::uint32_t row);

    [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }
    /// The values of each group, in the order of the fields; of what is missing, an empty text.
    [[nodiscard]] std::vector<std::vector<std::string>> values() const;

private:
    using Number = std::uint32_t;
    using Key = std::vector<Number>;

    [[nodiscard]] Number number_of_shape(const store::Field& field, const codec::Row& shape);
    [[nodiscard]] Result<Number> number_of_row(std::size_t attribute, std::uint32_t row);
    [[nodiscard]] std::size_t place_of(const Key& key);

    std::vector<store::Field> by_;
    std::size_t attributes_of_{0};
    TextNumbers texts_;
    std::map<Key, std::size_t> places_;
    // Of the batch:
    codec::BatchView* batch_{nullptr};
    std::vector<std::string> services_;
    std::vector<std::optional<Key>> shape_keys_;  ///< attributes left at 0
    std::vector<std::size_t> shape_groups_;       ///< plus one
    struct Attribute {
        std::size_t field;
        store::AttributeColumn column;
        std::unordered_map<std::uint64_t, Number> known;
    };
    std::vector<Attribute> attributes_;
    Key key_;
    Key last_key_;
    std::size_t last_place_{0};
};

}  // namespace spanring::query
