#include "spanring/query/statistics.hpp"

#include <algorithm>
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

    [[nodiscard]] std::vector<Group> in_order() && {
        groups_.resize(keys_.size());
        auto values = keys_.values();
        for (std::size_t i = 0; i < groups_.size(); ++i) groups_[i].values = std::move(values[i]);
        std::ranges::sort(groups_, {}, &Group::values);
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
    return std::move(groups).in_order();
}

}  // namespace spanring::query
