// Rows in groups are all rows, once, however little of them may be held at a time.
#include "grouped_rows.hpp"

#include <gtest/gtest.h>

#include "any_span.hpp"
#include "database_of.hpp"

namespace spanring::sql {
namespace {

TEST(GroupedRows, are_all_rows_in_any_memory) {
    codec::test::check("as many rows as spans, in one pass or many", [] {
        const auto spans = *rc::gen::container<std::vector<codec::Span>>(
            rc::gen::exec([] { return codec::test::any_span(); }));
        const store::testing::TempDir folder;
        query::test::make_database(folder.db(), spans, *rc::gen::inRange<std::size_t>(5, 40));
        auto source = Source::open(folder.db());
        RC_ASSERT(source.ok());
        const auto bytes_max = *rc::gen::element<std::size_t>(1, 64, 500, 1u << 20);
        const auto column = *rc::gen::element(Column::kService, Column::kName, Column::kStatusId,
                                              Column::kScopeVersion);
        GroupedRows rows(**source, {}, {{column, *rc::gen::arbitrary<bool>()}},
                         {Column::kDuration, Column::kStart, Column::kKind}, bytes_max);
        std::size_t count = 0;
        for (auto gone = rows.begin(); !rows.at_end(); gone = rows.next()) {
            RC_ASSERT(gone.ok());
            RC_ASSERT(++count <= spans.size());
        }
        RC_ASSERT(count == spans.size());
    });
}

}  // namespace
}  // namespace spanring::sql
