#include "group_keys.hpp"

#include <algorithm>
#include <utility>

#include "spanring/query/field_value.hpp"
#include "spanring/query/traceql.hpp"

namespace spanring::query {

using codec::Row;
using store::Field;
using store::Property;
using store::Scope;

bool is_of_shape(const Field& field) noexcept {
    switch (field.property) {
        case Property::kName:
        case Property::kKind:
        case Property::kStatus:
        case Property::kService:
        case Property::kScopeName:
        case Property::kScopeVersion: return true;
        default: return false;
    }
}

Result<void> check_groupable(const std::vector<Field>& by) {
    for (const Field& field : by) {
        const bool attribute = field.property == Property::kAttribute &&
                               field.scope != Scope::kEvent && field.scope != Scope::kLink;
        if (!attribute && !is_of_shape(field))
            return Error{ErrorCode::kInvalidArgument,
                         "spans cannot be grouped by " + to_string(field) +
                             ": name, kind, status, service, the scope and attributes can be"};
    }
    return {};
}

GroupKeys::GroupKeys(std::vector<Field> by) : by_(std::move(by)) {
    attributes_of_ = static_cast<std::size_t>(
        std::ranges::count_if(by_, [](const Field& field) { return !is_of_shape(field); }));
}

Result<void> GroupKeys::begin(codec::BatchView& batch) {
    batch_ = &batch;
    services_.clear();
    shape_keys_.assign(batch.shapes().size(), std::nullopt);
    shape_groups_.assign(batch.shapes().size(), 0);
    attributes_.clear();
    for (std::size_t i = 0; i < by_.size(); ++i) {
        if (is_of_shape(by_[i])) continue;
        auto column = store::AttributeColumn::load(batch, by_[i].scope, by_[i].key);
        if (!column) return std::move(column).error();
        attributes_.push_back({i, std::move(*column), {}});
    }
    return batch.load(codec::Part::kShapes);
}

GroupKeys::Number GroupKeys::number_of_shape(const Field& field, const Row& shape) {
    const codec::Batch& tables = batch_->tables();
    switch (field.property) {
        case Property::kService:
            if (services_.empty()) services_ = store::services_of(tables);
            return texts_.number_of(services_[shape.resource]);
        case Property::kName: return texts_.number_of(tables.string(shape.name));
        case Property::kScopeName:
            return texts_.number_of(tables.string(tables.scope(shape.scope).first));
        case Property::kScopeVersion:
            return texts_.number_of(tables.string(tables.scope(shape.scope).second));
        case Property::kKind:
            return texts_.number_of(to_string(static_cast<codec::SpanKind>(shape.kind)));
        case Property::kStatus:
            return texts_.number_of(to_string(static_cast<codec::StatusCode>(shape.status)));
        default: return 0;  // an attribute: number_of_row
    }
}

std::size_t GroupKeys::place_of(const Key& key) {
    return places_.try_emplace(key, places_.size()).first->second;
}

std::size_t GroupKeys::group_of_shape(std::size_t shape) {
    if (shape_groups_[shape] == 0) {
        key_.clear();
        for (const Field& field : by_)
            key_.push_back(number_of_shape(field, batch_->shapes()[shape]));
        shape_groups_[shape] = 1 + place_of(key_);
    }
    return shape_groups_[shape] - 1;
}

Result<GroupKeys::Number> GroupKeys::number_of_row(std::size_t attribute, std::uint32_t row) {
    Attribute& mine = attributes_[attribute];
    const std::uint64_t known = mine.column.number_of(row);
    if (known != store::AttributeColumn::kNoNumber)
        if (const auto found = mine.known.find(known); found != mine.known.end())
            return found->second;
    const auto value = mine.column.of(row);
    if (!value) return value.error();
    const Number number = texts_.number_of(store::text_of(*value));
    if (known != store::AttributeColumn::kNoNumber) mine.known.emplace(known, number);
    return number;
}

Result<std::size_t> GroupKeys::group_of(std::uint32_t row) {
    const std::uint32_t shape = batch_->shape_of_rows()[row];
    if (by_shape_alone()) return group_of_shape(shape);
    auto& of_shape = shape_keys_[shape];
    if (!of_shape) {
        of_shape.emplace();
        for (const Field& field : by_)
            of_shape->push_back(number_of_shape(field, batch_->shapes()[shape]));
    }
    key_ = *of_shape;
    for (std::size_t a = 0; a < attributes_.size(); ++a) {
        const auto number = number_of_row(a, row);
        if (!number) return number.error();
        key_[attributes_[a].field] = *number;
    }
    if (places_.empty() || key_ != last_key_) {
        last_place_ = place_of(key_);
        last_key_ = key_;
    }
    return last_place_;
}

std::vector<std::vector<std::string>> GroupKeys::values() const {
    std::vector<std::vector<std::string>> all(places_.size());
    for (const auto& [key, place] : places_)
        for (const Number number : key) all[place].push_back(texts_.text(number));
    return all;
}

}  // namespace spanring::query
