// Rows in the order of columns that all spans of a shape share (service, name, kind, ...): what a
// GROUP BY or ORDER BY of them wants, without SQLite sorting a row at a time. Of each row no more
// is kept than its times; of what takes more memory than kBytesMax, the groups that come first,
// then the log is read again for the others. Threads: the connection's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "columns.hpp"
#include "source.hpp"
#include "spanring/store/condition.hpp"
#include "sqlite_api.hpp"

namespace spanring::sql {

struct GroupColumn {
    Column column;
    bool descending{false};
};

/// Whether rows can be ordered by it in groups.
[[nodiscard]] bool can_group_by(Column column) noexcept;
/// Whether a grouped row can show it.
[[nodiscard]] bool can_group_show(Column column) noexcept;

class GroupedRows {
public:
    static constexpr std::size_t kBytesMax = 128u << 20;

    /// `show`: columns beside `by` that rows must be able to show.
    GroupedRows(Source& source, store::Condition condition, std::vector<GroupColumn> by,
                const std::vector<Column>& show, std::size_t bytes_max = kBytesMax);

    /// Goes to the first row. Errors: of the condition; kTimeout.
    [[nodiscard]] Result<void> begin();
    [[nodiscard]] Result<void> next();
    [[nodiscard]] bool at_end() const noexcept { return group_ == groups_.end(); }
    void put(sqlite3_context* context, Column column) const;
    [[nodiscard]] std::int64_t number() const noexcept { return number_; }

private:
    /// A cell of a key: a text's number, or a number; none: NULL.
    struct Part {
        std::int64_t value{0};
        bool is_text{false};
        bool is_null{false};
    };
    using Key = std::vector<Part>;
    struct Less {
        const GroupedRows* of;
        bool operator()(const Key& a, const Key& b) const { return of->is_less(a, b); }
    };
    /// Durations one after the other; nearly all of them fit into 4 bytes.
    struct Durations {
        std::vector<std::uint32_t> small;
        std::vector<std::int64_t> large;  ///< where `small` says kLarge, in their order
        void add(std::int64_t ns);
    };
    struct Group {
        std::uint64_t rows{0};
        bool has_start{false};
        bool has_duration{false};
        std::vector<std::int64_t> starts;  ///< if they are shown and there are any
        Durations durations;               ///< likewise
    };
    using Groups = std::map<Key, Group, Less>;

    [[nodiscard]] bool is_less(const Key& a, const Key& b) const;
    [[nodiscard]] Result<void> read_groups();
    [[nodiscard]] Result<void> go_to_row();
    [[nodiscard]] Result<void> take(codec::BatchView& batch, const store::RowMask& matching);
    void drop_last_groups();
    [[nodiscard]] Key key_of(const codec::Batch& tables, const codec::Row& shape,
                             const std::vector<std::string>& services);
    [[nodiscard]] Part part_of(Column column, const codec::Batch& tables, const codec::Row& shape,
                               const std::vector<std::string>& services);
    [[nodiscard]] bool is_in_pass(const Key& key) const;

    Source& source_;
    store::Condition condition_;
    std::vector<Column> columns_;  ///< of a key: those ordered by, then the others that are shown
    std::vector<bool> descending_;
    std::size_t bytes_max_;
    bool shows_starts_{false};
    bool shows_durations_{false};
    std::size_t bytes_{0};
    std::optional<Key> from_;   ///< groups before it were shown
    std::optional<Key> until_;  ///< groups from here on are for the next pass
    Groups groups_;
    Groups::iterator group_;
    std::uint64_t row_{0};
    std::size_t large_{0};  ///< how many of the group's large durations are of rows before this one
    std::int64_t number_{0};
};

}  // namespace spanring::sql
