#include "grouped_rows.hpp"

#include <algorithm>
#include <utility>

#include "table_support.hpp"

namespace spanring::sql {
namespace {

using codec::RowFlag;

constexpr std::uint32_t kLarge = 0xffffffff;

bool is_of_times(Column column) noexcept {
    return column == Column::kStart || column == Column::kDuration || column == Column::kEnd;
}

}  // namespace

bool can_group_by(Column column) noexcept {
    switch (column) {
        case Column::kService:
        case Column::kServiceId:
        case Column::kName:
        case Column::kNameId:
        case Column::kKind:
        case Column::kKindId:
        case Column::kStatus:
        case Column::kStatusId:
        case Column::kScopeName:
        case Column::kScopeNameId:
        case Column::kScopeVersion:
        case Column::kUnfinished:
        case Column::kFlags: return true;
        default: return false;
    }
}

bool can_group_show(Column column) noexcept {
    return can_group_by(column) || is_of_times(column) || column == Column::kEndLost ||
           column == Column::kTruncated;
}

void GroupedRows::Durations::add(std::int64_t ns) {
    if (ns >= 0 && ns < std::int64_t{kLarge}) {
        small.push_back(static_cast<std::uint32_t>(ns));
    } else {
        small.push_back(kLarge);
        large.push_back(ns);
    }
}

GroupedRows::GroupedRows(Source& source, store::Condition condition, std::vector<GroupColumn> by,
                         const std::vector<Column>& show, std::size_t bytes_max)
    : source_(source),
      condition_(std::move(condition)),
      bytes_max_(bytes_max),
      groups_(Less{this}),
      group_(groups_.end()) {
    for (const GroupColumn& one : by) {
        columns_.push_back(one.column);
        descending_.push_back(one.descending);
    }
    for (const Column column : show) {
        shows_starts_ = shows_starts_ || column == Column::kStart || column == Column::kEnd;
        shows_durations_ =
            shows_durations_ || column == Column::kDuration || column == Column::kEnd;
        if (is_of_times(column) || std::ranges::find(columns_, column) != columns_.end()) continue;
        columns_.push_back(column);
        descending_.push_back(false);
    }
    // Of the parts that no column shows: see key_of.
    descending_.resize(columns_.size() + 2, false);
}

bool GroupedRows::is_less(const Key& a, const Key& b) const {
    for (std::size_t i = 0; i < a.size(); ++i) {
        const Part& x = descending_[i] ? b[i] : a[i];
        const Part& y = descending_[i] ? a[i] : b[i];
        if (x.is_null != y.is_null) return x.is_null;  // NULL is the least
        if (x.is_null || x.value == y.value) continue;
        if (!x.is_text) return x.value < y.value;
        return source_.texts.text(static_cast<std::uint32_t>(x.value)) <
               source_.texts.text(static_cast<std::uint32_t>(y.value));
    }
    return false;
}

GroupedRows::Part GroupedRows::part_of(Column column, const codec::Batch& tables,
                                       const codec::Row& shape,
                                       const std::vector<std::string>& services) {
    const auto text = [&](std::string_view of) {
        return Part{source_.texts.number_of(of), true, false};
    };
    const auto number = [&](std::string_view of) {
        return Part{source_.texts.number_of(of), false, false};
    };
    const auto text_or_null = [&](std::string_view of) {
        return of.empty() ? Part{0, true, true} : text(of);
    };
    const auto flag = [&](std::uint32_t which) {
        return Part{(shape.flags & which) != 0 ? 1 : 0, false, false};
    };
    switch (column) {
        case Column::kService: return text(services[shape.resource]);
        case Column::kServiceId: return number(services[shape.resource]);
        case Column::kName: return text(tables.string(shape.name));
        case Column::kNameId: return number(tables.string(shape.name));
        case Column::kKind: return text(to_string(static_cast<codec::SpanKind>(shape.kind)));
        case Column::kKindId: return {shape.kind, false, false};
        case Column::kStatus: return text(to_string(static_cast<codec::StatusCode>(shape.status)));
        case Column::kStatusId: return {shape.status, false, false};
        case Column::kScopeName:
            return text_or_null(tables.string(tables.scope(shape.scope).first));
        case Column::kScopeNameId: return number(tables.string(tables.scope(shape.scope).first));
        case Column::kScopeVersion:
            return text_or_null(tables.string(tables.scope(shape.scope).second));
        case Column::kFlags: return {shape.trace_flags, false, false};
        case Column::kUnfinished: return flag(RowFlag::kUnfinished);
        case Column::kEndLost: return flag(RowFlag::kEndLost);
        case Column::kTruncated: return flag(RowFlag::kTruncated);
        default: return {};
    }
}

/// The last two parts, which no column shows: whether there is a start, and a duration.
GroupedRows::Key GroupedRows::key_of(const codec::Batch& tables, const codec::Row& shape,
                                     const std::vector<std::string>& services) {
    Key key;
    for (const Column column : columns_) key.push_back(part_of(column, tables, shape, services));
    if (shows_starts_) key.push_back({(shape.flags & RowFlag::kHasStart) != 0 ? 1 : 0});
    if (shows_durations_) key.push_back({(shape.flags & RowFlag::kHasDuration) != 0 ? 1 : 0});
    return key;
}

bool GroupedRows::is_in_pass(const Key& key) const {
    return (!from_ || !is_less(key, *from_)) && (!until_ || is_less(key, *until_));
}

Result<void> GroupedRows::begin() {
    from_.reset();
    number_ = 0;
    if (auto read = read_groups(); !read) return read;
    return go_to_row();
}

Result<void> GroupedRows::read_groups() {
    groups_.clear();
    until_.reset();
    bytes_ = 0;
    row_ = large_ = 0;
    store::VisitOptions options;
    options.go_on = [this](std::int64_t) { return !source_.is_late(); };
    auto visited = source_.reader->visit_batches(
        condition_,
        [this](codec::BatchView& batch, const store::RowMask& matching) -> Result<bool> {
            if (auto taken = take(batch, matching); !taken) return std::move(taken).error();
            return true;
        },
        options);
    group_ = groups_.begin();
    if (!visited) return visited;
    if (source_.is_late()) return Error{ErrorCode::kTimeout, late_message()};
    return {};
}

Result<void> GroupedRows::take(codec::BatchView& batch, const store::RowMask& matching) {
    const unsigned starts = shows_starts_ ? codec::Part::kStarts : 0u;
    const unsigned durations = shows_durations_ ? codec::Part::kDurations : 0u;
    if (auto loaded = batch.load(codec::Part::kShapes | starts | durations); !loaded) return loaded;
    const codec::Batch& tables = batch.tables();
    const auto services = store::services_of(tables);
    std::vector<Group*> group_of(batch.shapes().size());
    for (std::size_t s = 0; s < group_of.size(); ++s) {
        const codec::Row& shape = batch.shapes()[s];
        const Key key = key_of(tables, shape, services);
        if (!is_in_pass(key)) continue;
        Group& group = groups_[key];
        group.has_start = shows_starts_ && (shape.flags & RowFlag::kHasStart) != 0;
        group.has_duration = shows_durations_ && (shape.flags & RowFlag::kHasDuration) != 0;
        group_of[s] = &group;
    }
    const auto shape_of = batch.shape_of_rows();
    (void)matching.each([&](std::size_t row) {
        Group* group = group_of[shape_of[row]];
        if (group == nullptr) return true;
        ++group->rows;
        if (group->has_start) group->starts.push_back(batch.starts()[row]);
        if (group->has_duration) group->durations.add(batch.durations()[row]);
        bytes_ += (group->has_start ? sizeof(std::int64_t) : 0) +
                  (group->has_duration ? sizeof(std::uint32_t) : 0);
        return true;
    });
    if (bytes_ > bytes_max_) drop_last_groups();
    return {};
}

/// Down to three quarters of what may be held; always keeps one group.
void GroupedRows::drop_last_groups() {
    while (bytes_ > bytes_max_ / 4 * 3 && groups_.size() > 1) {
        const auto last = std::prev(groups_.end());
        bytes_ -= last->second.starts.size() * sizeof(std::int64_t) +
                  last->second.durations.small.size() * sizeof(std::uint32_t);
        until_ = last->first;
        groups_.erase(last);
    }
}

Result<void> GroupedRows::next() {
    ++number_;
    if (group_->second.has_duration && group_->second.durations.small[row_] == kLarge) ++large_;
    ++row_;
    return go_to_row();
}

/// A group may have no row: another shape of the batch had.
Result<void> GroupedRows::go_to_row() {
    while (group_ != groups_.end() && row_ >= group_->second.rows) {
        row_ = large_ = 0;
        ++group_;
        if (group_ != groups_.end() || !until_) continue;
        from_ = until_;
        if (auto read = read_groups(); !read) return read;
    }
    return {};
}

void GroupedRows::put(sqlite3_context* context, Column column) const {
    const Key& key = group_->first;
    const Group& group = group_->second;
    const auto start = [&] { return group.starts[row_]; };
    const auto duration = [&] {
        const std::uint32_t small = group.durations.small[row_];
        return small == kLarge ? group.durations.large[large_] : std::int64_t{small};
    };
    if (column == Column::kStart) {
        if (group.has_start) sqlite3_result_int64(context, start());
        return;
    }
    if (column == Column::kDuration) {
        if (group.has_duration) sqlite3_result_int64(context, duration());
        return;
    }
    if (column == Column::kEnd) {
        std::int64_t end = 0;
        if (group.has_start && group.has_duration &&
            !__builtin_add_overflow(start(), duration(), &end))
            sqlite3_result_int64(context, end);
        return;
    }
    const auto found = std::ranges::find(columns_, column);
    if (found == columns_.end()) return;
    const Part& part = key[static_cast<std::size_t>(found - columns_.begin())];
    if (part.is_null) return;
    if (!part.is_text) return sqlite3_result_int64(context, part.value);
    const std::string& text = source_.texts.text(static_cast<std::uint32_t>(part.value));
    sqlite3_result_text64(context, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

}  // namespace spanring::sql
