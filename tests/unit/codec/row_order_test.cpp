#include "row_order.hpp"

#include <gtest/gtest.h>

#include "number_table.hpp"

namespace spanring::codec {
namespace {

Row row(std::uint64_t trace, std::int64_t start_ns, bool has_start = true) {
    Row r;
    r.trace_high = trace;
    r.trace_low = ~trace;
    r.start_ns = start_ns;
    r.flags = has_start ? RowFlag::kHasStart : 0u;
    return r;
}

TEST(RowOrder, groups_traces_by_their_first_start_and_sorts_within) {
    const std::vector<Row> rows{row(1, 50), row(2, 10), row(1, 40), row(2, 60), row(3, 45)};
    const RowOrder order = order_rows(rows);
    EXPECT_EQ(order.rows, (std::vector<std::uint32_t>{1, 3, 2, 0, 4}));
    EXPECT_EQ(order.trace_sizes, (std::vector<std::uint32_t>{2, 2, 1}));
}

TEST(RowOrder, equal_starts_stay_as_they_came) {
    const std::vector<Row> rows(100, row(1, 7));
    const RowOrder order = order_rows(rows);
    for (std::uint32_t i = 0; i < 100; ++i) ASSERT_EQ(order.rows[i], i);
    EXPECT_EQ(order.trace_sizes, std::vector<std::uint32_t>{100});
}

TEST(RowOrder, rows_without_a_start_come_first) {
    const std::vector<Row> rows{row(1, -5), row(1, 0, false), row(1, -9)};
    EXPECT_EQ(order_rows(rows).rows, (std::vector<std::uint32_t>{1, 2, 0}));
}

TEST(RowOrder, of_nothing_is_nothing) {
    EXPECT_TRUE(order_rows({}).rows.empty());
    EXPECT_TRUE(order_rows({}).trace_sizes.empty());
}

TEST(NumberTable, keeps_keys_of_one_hash_apart) {
    const std::vector<int> keys{30, 10, 20};
    NumberTable table(keys.size());
    const auto slot = [&](int key) -> std::uint32_t& {
        return table.slot(5, [&](std::uint32_t n) { return keys[n] == key; });
    };
    for (std::uint32_t n = 0; n < keys.size(); ++n) slot(keys[n]) = n;
    for (std::uint32_t n = 0; n < keys.size(); ++n) EXPECT_EQ(slot(keys[n]), n);
    EXPECT_EQ(slot(99), NumberTable::kFree);
}

}  // namespace
}  // namespace spanring::codec
