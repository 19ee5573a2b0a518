// What changed between two traces, and between two times.
#include "spanring/analysis/difference.hpp"

#include <gtest/gtest.h>

#include "any_trace.hpp"

namespace spanring::analysis {
namespace {

using test::span_at;

TEST(Difference, of_traces_is_by_self_time) {
    const std::vector before{span_at(1, 0, 0, 100, "GET", "web"), span_at(2, 1, 10, 40, "q", "db")};
    std::vector after{span_at(1, 0, 0, 190, "GET", "web"), span_at(2, 1, 10, 120, "q", "db"),
                      span_at(3, 1, 130, 140, "new", "cart")};
    after[1].status = codec::StatusCode::kError;
    const auto differences = difference_of(before, after);
    ASSERT_EQ(differences.size(), 3u);
    EXPECT_EQ(differences[0].operation, "q");
    EXPECT_EQ(differences[0].before.self_ns, 30);
    EXPECT_EQ(differences[0].after.self_ns, 110);
    EXPECT_EQ(differences[0].after.errors, 1u);
    EXPECT_EQ(differences[1].operation, "new");
    EXPECT_EQ(differences[1].before.spans, 0u);
    EXPECT_EQ(differences[1].after.spans, 1u);
    EXPECT_EQ(differences[2].before.self_ns, 70);
    EXPECT_EQ(differences[2].after.self_ns, 70);
}

TEST(Difference, of_times_is_by_p99_and_spans) {
    const auto group = [](const char* name, std::uint64_t spans, std::int64_t ns) {
        query::Group made;
        made.values = {"web", name};
        made.spans = spans;
        made.durations.add(ns, spans);
        return made;
    };
    const auto differences = difference_of({group("rare", 1, 10), group("often", 100, 10)},
                                           {group("rare", 1, 110), group("often", 100, 20)});
    ASSERT_EQ(differences.size(), 2u);
    EXPECT_EQ(differences[0].operation, "often");
    EXPECT_EQ(differences[0].after.p99_ns, 20);
    EXPECT_EQ(differences[1].before.p50_ns, 10);
}

TEST(Difference, holds_every_operation_of_both) {
    codec::test::check("spans of both sides add up", [] {
        const auto before = test::any_trace();
        const auto after = test::any_trace();
        std::size_t a = 0;
        std::size_t b = 0;
        for (const auto& one : difference_of(before, after)) {
            a += one.before.spans;
            b += one.after.spans;
        }
        RC_ASSERT(a == before.size());
        RC_ASSERT(b == after.size());
    });
}

}  // namespace
}  // namespace spanring::analysis
