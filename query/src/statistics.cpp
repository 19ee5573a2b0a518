#include "spanring/query/statistics.hpp"

#include <map>
#include <utility>

#include "group_keys.hpp"

namespace spanring::query {
namespace {

using codec::Row;
using codec::RowFlag;

bool is_error(const Row& shape) noexcept {
    return shape.status == static_cast<std::uint8_t>(codec::StatusCode::kError);
}

class Groups {
public:
    explicit Groups(const std::vector<store::Field>& by) : keys_(by) {}

    Result<bool> take(codec::BatchView& batch, const store::RowMask& matching) {
        // Without a hole in the mask nobody asks which row has which duration.
        const bool by_shape = keys_.by_shape_alone() && matching.count() == batch.row_count();
        auto loaded = batch.load(codec::Part::kShapes | (by_shape ? codec::Part::kDurationsByShape
                                                                  : codec::Part::kDurations));
        if (loaded) loaded = keys_.begin(batch);
        if (!loaded) return std::move(loaded).error();
        if (by_shape) {
            add_all(batch);
            return true;
        }
        return add_some(batch, matching);
    }

    [[nodiscard]] std::vector<Group> take_groups() && {
        groups_.resize(keys_.size());
        auto values = keys_.values();
        for (std::size_t i = 0; i < groups_.size(); ++i) groups_[i].values = std::move(values[i]);
        return std::move(groups_);
    }

private:
    Group& group(std::size_t number) {
        if (number >= groups_.size()) groups_.resize(number + 1);
        return groups_[number];
    }

    void add_all(codec::BatchView& batch) {
        auto durations = batch.durations_by_shape();
        for (std::size_t s = 0; s < batch.shapes().size(); ++s) {
            const std::size_t count = batch.row_counts()[s];
            if (count == 0) continue;
            const Row& shape = batch.shapes()[s];
            Group& mine = group(keys_.group_of_shape(s));
            mine.spans += count;
            if (is_error(shape)) mine.errors += count;
            if ((shape.flags & RowFlag::kHasDuration) == 0) continue;
            for (const std::int64_t ns : durations.first(count)) mine.durations.add(ns);
            durations = durations.subspan(count);
        }
    }

    Result<bool> add_some(codec::BatchView& batch, const store::RowMask& matching) {
        Result<bool> done = true;
        (void)matching.each([&](std::size_t row) {
            const auto number = keys_.group_of(static_cast<std::uint32_t>(row));
            if (!number) {
                done = number.error();
                return false;
            }
            const Row& shape = batch.shape_of(row);
            Group& mine = group(*number);
            ++mine.spans;
            if (is_error(shape)) ++mine.errors;
            if ((shape.flags & RowFlag::kHasDuration) != 0)
                mine.durations.add(batch.durations()[row]);
            return true;
        });
        return done;
    }

    GroupKeys keys_;
    std::vector<Group> groups_;
};

}  // namespace

Result<std::vector<Group>> group_spans(store::Reader& reader, const store::Condition& condition,
                                       const std::vector<store::Field>& by,
                                       const store::Progress& progress) {
    if (auto groupable = check_groupable(by); !groupable) return std::move(groupable).error();
    std::vector<Groups> of_threads(store::visitors_max(), Groups(by));
    std::vector<store::BatchVisitor> visitors;
    for (Groups& mine : of_threads)
        visitors.emplace_back([&mine](codec::BatchView& batch, const store::RowMask& matching) {
            return mine.take(batch, matching);
        });
    store::VisitOptions options;
    options.progress = progress;
    if (auto visited = reader.visit_batches_together(condition, visitors, options); !visited)
        return std::move(visited).error();
    std::map<std::vector<std::string>, Group> joined;
    for (Groups& mine : of_threads) {
        for (Group& group : std::move(mine).take_groups()) {
            const auto [found, fresh] = joined.try_emplace(group.values);
            if (fresh) {
                found->second = std::move(group);
            } else {
                found->second.spans += group.spans;
                found->second.errors += group.errors;
                found->second.durations.add(group.durations);
            }
        }
    }
    std::vector<Group> groups;
    for (auto& [values, group] : joined) groups.push_back(std::move(group));
    return groups;
}

}  // namespace spanring::query
