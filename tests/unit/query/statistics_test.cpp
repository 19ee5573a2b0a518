// Groups of spans counted by columns are those that plain code counts span by span.
#include "spanring/query/statistics.hpp"

#include <gtest/gtest.h>

#include <map>

#include "any_condition.hpp"
#include "any_span.hpp"
#include "database_of.hpp"
#include "spanring/codec/jsonl.hpp"
#include "spanring/query/field_value.hpp"

namespace spanring::query {
namespace {

using codec::Span;
using store::Property;
using test::make_database;

store::Field field(Property property) {
    return {property, store::Scope::kAny, {}};
}

/// Fields that spans may be grouped by; attributes are of any type.
store::Field any_field() {
    if (*rc::gen::arbitrary<bool>())
        return field(*rc::gen::element(Property::kService, Property::kName, Property::kKind,
                                       Property::kStatus, Property::kScopeName,
                                       Property::kScopeVersion));
    return {Property::kAttribute,
            *rc::gen::element(store::Scope::kAny, store::Scope::kSpan, store::Scope::kResource),
            *rc::gen::element<std::string>("a", "http.method", "x y")};
}

std::string value_text(const Span& span, const store::Field& by) {
    const auto value = value_of(span, by);
    return value ? codec::text_of(*value) : "";
}

struct Plain {
    std::uint64_t spans{0};
    std::uint64_t errors{0};
    DurationHistogram durations;
};

std::map<std::vector<std::string>, Plain> counted_by_hand(store::Reader& reader,
                                                          const store::Condition& condition,
                                                          const std::vector<store::Field>& by) {
    const auto matcher = store::Matcher::make(condition);
    std::map<std::vector<std::string>, Plain> groups;
    const auto visited = reader.visit({}, [&](const Span& span) {
        if (!matcher->matches(span)) return true;
        std::vector<std::string> key;
        for (const store::Field& one : by) key.push_back(value_text(span, one));
        Plain& group = groups[key];
        ++group.spans;
        group.errors += span.status == codec::StatusCode::kError;
        if (span.duration_ns) group.durations.add(*span.duration_ns);
        return true;
    });
    EXPECT_TRUE(visited.ok());
    return groups;
}

TEST(Statistics, are_those_of_plain_code) {
    codec::test::check("groups by columns = groups span by span", [] {
        const auto spans = *rc::gen::container<std::vector<Span>>(
            rc::gen::exec([] { return codec::test::any_span(); }));
        const store::testing::TempDir folder;
        make_database(folder.db(), spans, *rc::gen::inRange<std::size_t>(20, 100));
        auto reader = store::Reader::open(folder.db());
        RC_ASSERT(reader.ok());
        const auto condition =
            *rc::gen::arbitrary<bool>() ? store::Condition{} : store::test::any_condition();
        const auto by = codec::test::several(4, any_field);
        const auto groups = group_spans(**reader, condition, by);
        RC_ASSERT(groups.ok());
        const auto plain = counted_by_hand(**reader, condition, by);
        RC_ASSERT(groups->size() == plain.size());
        for (const Group& group : *groups) {
            const auto found = plain.find(group.values);
            RC_ASSERT(found != plain.end());
            RC_ASSERT(group.spans == found->second.spans);
            RC_ASSERT(group.errors == found->second.errors);
            RC_ASSERT(group.durations.count() == found->second.durations.count());
            for (const double fraction : {0.0, 0.5, 0.99, 1.0})
                RC_ASSERT(group.durations.percentile(fraction) ==
                          found->second.durations.percentile(fraction));
        }
    });
}

TEST(Statistics, are_not_made_by_what_each_span_has_for_itself) {
    const store::testing::TempDir folder;
    make_database(folder.db(), {}, 1);
    auto reader = store::Reader::open(folder.db());
    ASSERT_TRUE(reader.ok());
    const auto groups =
        group_spans(**reader, {}, {field(Property::kService), field(Property::kStart)});
    ASSERT_FALSE(groups.ok());
    EXPECT_EQ(groups.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace spanring::query
