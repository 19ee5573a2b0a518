#include "spanring/query/statistics.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <unordered_map>
#include <utility>

namespace spanring::query {
namespace {

using codec::Row;
using codec::RowFlag;
using store::Property;
using Number = std::uint32_t;

constexpr Number kUnknown = std::numeric_limits<Number>::max();

/// Texts by number, for as long as a question lasts: shapes of thousands of batches have the same
/// few.
class Texts {
public:
    Number number_of(std::string_view text) {
        key_.assign(text);
        const auto [found, fresh] = numbers_.try_emplace(key_, static_cast<Number>(all_.size()));
        if (fresh) all_.push_back(&found->first);
        return found->second;
    }
    [[nodiscard]] const std::string& text(Number number) const { return *all_[number]; }

private:
    std::string key_;
    std::unordered_map<std::string, Number> numbers_;
    std::vector<const std::string*> all_;
};

/// The numbers of one batch's texts, looked up once each.
class TextsOfBatch {
public:
    TextsOfBatch(const codec::Batch& tables, Texts& texts)
        : tables_(tables), texts_(texts), strings_(tables.string_count(), kUnknown) {}

    Number string(codec::StringId id) {
        if (strings_[id] == kUnknown) strings_[id] = texts_.number_of(tables_.string(id));
        return strings_[id];
    }
    Number service(codec::ResourceId id) {
        if (services_.empty())
            for (const std::string& name : store::services_of(tables_))
                services_.push_back(texts_.number_of(name));
        return services_[id];
    }
    Number value(Property property, const Row& shape) {
        switch (property) {
            case Property::kService: return service(shape.resource);
            case Property::kName: return string(shape.name);
            case Property::kScopeName: return string(tables_.scope(shape.scope).first);
            case Property::kScopeVersion: return string(tables_.scope(shape.scope).second);
            case Property::kKind:
                return texts_.number_of(to_string(static_cast<codec::SpanKind>(shape.kind)));
            case Property::kStatus:
                return texts_.number_of(to_string(static_cast<codec::StatusCode>(shape.status)));
            default: return texts_.number_of({});  // can_group_by says no
        }
    }

private:
    const codec::Batch& tables_;
    Texts& texts_;
    std::vector<Number> strings_;
    std::vector<Number> services_;
};

class Groups {
public:
    explicit Groups(const std::vector<Property>& by) : by_(by) {}

    Result<bool> take(codec::BatchView& batch, const store::RowMask& matching) {
        // Without a hole in the mask nobody asks which row has which duration.
        const bool all = matching.count() == batch.row_count();
        auto loaded = batch.load(codec::Part::kShapes |
                                 (all ? codec::Part::kDurationsByShape : codec::Part::kDurations));
        if (!loaded) return std::move(loaded).error();
        const auto groups = groups_of_shapes(batch);
        if (all)
            add_all(batch, groups);
        else
            add_some(batch, matching, groups);
        return true;
    }

    [[nodiscard]] std::vector<Group> in_order() && {
        for (const auto& [key, place] : places_)
            for (const Number number : key) groups_[place].values.push_back(texts_.text(number));
        std::ranges::sort(groups_, {}, &Group::values);
        return std::move(groups_);
    }

private:
    std::vector<std::size_t> groups_of_shapes(codec::BatchView& batch) {
        TextsOfBatch texts(batch.tables(), texts_);
        const auto counts = batch.row_counts();
        std::vector<std::size_t> groups(counts.size());
        for (std::size_t s = 0; s < groups.size(); ++s) {
            if (counts[s] == 0) continue;
            key_.clear();
            for (const Property property : by_)
                key_.push_back(texts.value(property, batch.shapes()[s]));
            const auto [found, fresh] = places_.try_emplace(key_, groups_.size());
            if (fresh) groups_.emplace_back();
            groups[s] = found->second;
        }
        return groups;
    }

    void add_all(codec::BatchView& batch, const std::vector<std::size_t>& groups) {
        auto durations = batch.durations_by_shape();
        for (std::size_t s = 0; s < groups.size(); ++s) {
            const std::size_t count = batch.row_counts()[s];
            if (count == 0) continue;
            const Row& shape = batch.shapes()[s];
            Group& group = groups_[groups[s]];
            group.spans += count;
            if (is_error(shape)) group.errors += count;
            if ((shape.flags & RowFlag::kHasDuration) == 0) continue;
            for (const std::int64_t ns : durations.first(count)) group.durations.add(ns);
            durations = durations.subspan(count);
        }
    }

    void add_some(codec::BatchView& batch, const store::RowMask& matching,
                  const std::vector<std::size_t>& groups) {
        const auto shape_of = batch.shape_of_rows();
        (void)matching.each([&](std::size_t row) {
            const Row& shape = batch.shapes()[shape_of[row]];
            Group& group = groups_[groups[shape_of[row]]];
            ++group.spans;
            if (is_error(shape)) ++group.errors;
            if ((shape.flags & RowFlag::kHasDuration) != 0)
                group.durations.add(batch.durations()[row]);
            return true;
        });
    }

    static bool is_error(const Row& shape) noexcept {
        return shape.status == static_cast<std::uint8_t>(codec::StatusCode::kError);
    }

    const std::vector<Property>& by_;
    Texts texts_;
    std::vector<Number> key_;
    std::map<std::vector<Number>, std::size_t> places_;
    std::vector<Group> groups_;
};

}  // namespace

bool can_group_by(Property property) noexcept {
    switch (property) {
        case Property::kName:
        case Property::kKind:
        case Property::kStatus:
        case Property::kService:
        case Property::kScopeName:
        case Property::kScopeVersion: return true;
        default: return false;
    }
}

Result<std::vector<Group>> group_spans(store::Reader& reader, const store::Condition& condition,
                                       const std::vector<Property>& by,
                                       const store::Progress& progress) {
    if (!std::ranges::all_of(by, can_group_by))
        return Error{ErrorCode::kInvalidArgument,
                     "spans are grouped by name, kind, status, service or scope alone"};
    Groups groups(by);
    store::VisitOptions options;
    options.progress = progress;
    auto visited = reader.visit_batches(
        condition,
        [&](codec::BatchView& batch, const store::RowMask& matching) {
            return groups.take(batch, matching);
        },
        options);
    if (!visited) return std::move(visited).error();
    auto found = std::move(groups).in_order();
    // Of shapes of which no row matches.
    std::erase_if(found, [](const Group& group) { return group.spans == 0; });
    return found;
}

}  // namespace spanring::query
