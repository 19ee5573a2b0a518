#include "row_order.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>

#include "number_table.hpp"

namespace spanring::codec {
namespace {

using ::testing::ElementsAre;

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
    RowSorter sorter;
    const RowSorter::Order order = sorter.sort(rows);
    EXPECT_THAT(order.rows, ElementsAre(1, 3, 2, 0, 4));
    EXPECT_THAT(order.trace_sizes, ElementsAre(2, 2, 1));
}

TEST(RowOrder, equal_starts_stay_as_they_came) {
    const std::vector<Row> rows(100, row(1, 7));
    RowSorter sorter;
    const RowSorter::Order order = sorter.sort(rows);
    for (std::uint32_t i = 0; i < 100; ++i) ASSERT_EQ(order.rows[i], i);
    EXPECT_THAT(order.trace_sizes, ElementsAre(100));
}

TEST(RowOrder, rows_without_a_start_come_first) {
    const std::vector<Row> rows{row(1, -5), row(1, 0, false), row(1, -9)};
    RowSorter sorter;
    EXPECT_THAT(sorter.sort(rows).rows, ElementsAre(1, 2, 0));
}

TEST(RowOrder, of_nothing_is_nothing) {
    RowSorter sorter;
    EXPECT_TRUE(sorter.sort({}).rows.empty());
    EXPECT_TRUE(sorter.sort({}).trace_sizes.empty());
}

Row native(std::uint32_t stream, std::uint64_t trace, std::uint64_t ordinal, std::int64_t start_ns,
           std::uint64_t instance = 1) {
    Row r;
    r.trace_high = instance;
    r.trace_low = SpanKey::of(stream, trace).value;
    r.span = SpanKey::of(stream, ordinal).value;
    r.start_ns = start_ns;
    r.flags = RowFlag::kHasStart | RowFlag::kNativeTrace | RowFlag::kNativeSpan;
    return r;
}

// What the sorter promises, in the plainest way.
std::vector<std::uint32_t> plainly_sorted(const std::vector<Row>& rows,
                                          std::vector<std::uint32_t>* sizes) {
    using Key = std::pair<std::uint64_t, std::uint64_t>;
    std::map<Key, std::vector<std::uint32_t>> traces;
    for (std::uint32_t i = 0; i < rows.size(); ++i) {
        traces[{rows[i].trace_high, rows[i].trace_low}].push_back(i);
    }
    const auto earlier = [&](std::uint32_t a, std::uint32_t b) {
        return std::pair(rows[a].start_ns, a) < std::pair(rows[b].start_ns, b);
    };
    std::vector<std::vector<std::uint32_t>> groups;
    for (auto& [key, members] : traces) {
        std::sort(members.begin(), members.end(), earlier);
        groups.push_back(members);
    }
    std::sort(groups.begin(), groups.end(),
              [&](const auto& a, const auto& b) { return earlier(a.front(), b.front()); });
    std::vector<std::uint32_t> order;
    for (const auto& group : groups) {
        order.insert(order.end(), group.begin(), group.end());
        sizes->push_back(static_cast<std::uint32_t>(group.size()));
    }
    return order;
}

RC_GTEST_PROP(RowOrder, is_that_of_a_plain_sort, ()) {
    // Few streams, ordinals and instances, so that traces of one row, of several, and equal keys of
    // different instances all occur; one sorter for several batches.
    RowSorter sorter;
    for (int batch = 0; batch < 3; ++batch) {
        std::vector<Row> rows;
        const auto size = *rc::gen::inRange<std::size_t>(0, 200);
        for (std::size_t i = 0; i < size; ++i) {
            const auto ordinal = *rc::gen::inRange<std::uint64_t>(1, 300);
            const bool is_root = *rc::gen::inRange(0, 3) != 0;
            const std::uint64_t trace = is_root ? ordinal : ordinal / 8 + 1;
            rows.push_back(native(*rc::gen::inRange(0u, 3u), trace, ordinal,
                                  *rc::gen::inRange<std::int64_t>(-50, 50),
                                  *rc::gen::inRange<std::uint64_t>(1, 3)));
        }
        std::vector<std::uint32_t> sizes;
        const auto wanted = plainly_sorted(rows, &sizes);
        const RowSorter::Order order = sorter.sort(rows);
        RC_ASSERT(std::ranges::equal(order.rows, wanted));
        RC_ASSERT(std::ranges::equal(order.trace_sizes, sizes));
    }
}

TEST(RowOrder, of_traces_with_one_span_each_is_the_order_of_starts) {
    std::vector<Row> rows;
    for (std::uint64_t i = 0; i < 1000; ++i) {
        rows.push_back(native(0, i, i, static_cast<std::int64_t>(i)));
    }
    for (std::uint64_t i = 0; i < 1000; ++i) {
        rows.push_back(native(1, i, i, static_cast<std::int64_t>(i)));
    }
    std::vector<std::uint32_t> sizes;
    const auto wanted = plainly_sorted(rows, &sizes);
    RowSorter sorter;
    EXPECT_TRUE(std::ranges::equal(sorter.sort(rows).rows, wanted));
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
