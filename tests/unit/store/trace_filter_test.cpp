// Trace filters: what was put in is in, what is far away is not, few bytes for native traces; bytes
// that are no filter say "may contain".
#include "trace_filter.hpp"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <random>

#include "support.hpp"

namespace spanring::store::testing {
namespace {

using codec::RowFlag;
using Filter = std::vector<std::byte>;

constexpr std::uint64_t kOrdinalMax = SpanKey::kOrdinalMask;

TraceKey native(std::uint64_t instance, std::uint32_t stream, std::uint64_t ordinal) {
    return {instance, SpanKey::of(stream, ordinal).value, true};
}

TraceSet gathered(const std::vector<TraceKey>& keys) {
    TraceGatherer gatherer;
    for (const TraceKey& key : keys) {
        codec::Row row;
        row.trace_high = key.high;
        row.trace_low = key.low;
        row.flags = key.native ? std::uint32_t{RowFlag::kNativeTrace} : 0;
        gatherer.add(row);
    }
    return std::move(gatherer).take();
}

Filter filter_of(const std::vector<TraceKey>& keys) {
    return make_filter(gathered(keys));
}

bool in(const Filter& filter, const TraceKey& key) {
    return may_contain(filter, WantedTraces({key}));
}

/// One span for each trace, thread after thread.
std::vector<TraceKey> tight_loops(std::uint64_t instance, std::uint32_t streams,
                                  std::uint64_t first, std::uint64_t each) {
    std::vector<TraceKey> keys;
    for (std::uint32_t stream = 0; stream < streams; ++stream)
        for (std::uint64_t i = 0; i < each; ++i)
            keys.push_back(native(instance, stream, first + i));
    return keys;
}

TEST(TraceFilter, of_no_traces_contains_none) {
    const Filter none = make_filter({});
    EXPECT_EQ(none.size(), 2u);
    EXPECT_FALSE(in(none, {1, 2, false}));
    EXPECT_FALSE(in(none, native(1, 2, 3)));
}

TEST(TraceFilter, of_tight_loops_takes_some_bytes_for_each_thread) {
    const Filter filter = filter_of(tight_loops(7, 4, 1'000'000, 2048));
    EXPECT_LE(filter.size(), 64u);
    for (std::uint32_t stream = 0; stream < 4; ++stream) {
        EXPECT_TRUE(in(filter, native(7, stream, 1'000'000)));
        EXPECT_TRUE(in(filter, native(7, stream, 1'002'047)));
        EXPECT_FALSE(in(filter, native(7, stream, 999'999)));
        EXPECT_FALSE(in(filter, native(7, stream, 1'002'048)));
    }
    EXPECT_FALSE(in(filter, native(7, 4, 1'000'000)));
    EXPECT_FALSE(in(filter, native(8, 0, 1'000'000)));
    const TraceKey as_foreign{7, SpanKey::of(0, 1'000'000).value, false};
    EXPECT_FALSE(in(filter, as_foreign));
}

TEST(TraceFilter, an_old_trace_stretches_no_range) {
    std::vector<TraceKey> keys;
    for (const TraceKey& fresh : tight_loops(7, 1, 1'000'000, 500)) {
        keys.push_back(fresh);
        keys.push_back(native(7, 0, 5));
    }
    const Filter filter = filter_of(keys);
    EXPECT_LE(filter.size(), 32u);
    for (const TraceKey& key : keys) EXPECT_TRUE(in(filter, key));
    for (const std::uint64_t ordinal : {1u, 4u, 6u, 500'000u, 999'999u, 1'000'500u})
        EXPECT_FALSE(in(filter, native(7, 0, ordinal))) << ordinal;
}

TEST(TraceFilter, the_ends_of_the_ordinals_are_no_neighbours) {
    const std::vector<TraceKey> keys{
        native(1, 0, 0), native(1, 0xffff, kOrdinalMax), {~0ull, ~0ull, true}, {0, 0, true}};
    const Filter filter = filter_of(keys);
    for (const TraceKey& key : keys) EXPECT_TRUE(in(filter, key));
    EXPECT_FALSE(in(filter, native(1, 0, 1)));
    EXPECT_FALSE(in(filter, native(1, 0xffff, kOrdinalMax - 1)));
    EXPECT_FALSE(in(filter, native(1, 7, 9)));
    EXPECT_FALSE(in(filter, {0, 1, true}));
}

TEST(TraceFilter, frames_of_one_extent_join_their_ranges) {
    TraceSet extent;
    for (std::uint64_t frame = 0; frame < 500; ++frame)
        extent.add(gathered({native(7, 0, 10 * frame), native(7, 1, 10 * frame)}));
    const Filter filter = make_filter(extent);
    EXPECT_LE(filter.size(), 64u);
    EXPECT_TRUE(in(filter, native(7, 1, 4990)));
    EXPECT_FALSE(in(filter, native(7, 1, 4991)));
}

TEST(TraceFilter, many_threads_with_few_traces_each_take_no_more_than_a_bloom_filter) {
    std::mt19937_64 random(1);
    std::vector<TraceKey> keys;
    for (int i = 0; i < 8192; ++i)
        keys.push_back(
            native(random() % 50, static_cast<std::uint32_t>(random() % 1000), random()));
    const Filter filter = filter_of(keys);
    EXPECT_LE(filter.size(), 3 * keys.size() + 3 * 64);
    for (const TraceKey& key : keys) ASSERT_TRUE(in(filter, key));
    int false_answers = 0;
    for (int i = 0; i < 100'000; ++i)
        false_answers += in(filter, {random() % 50, random(), i % 2 == 0});
    EXPECT_LE(false_answers, 30) << "0.01 % to be expected";
}

TEST(TraceFilter, many_are_asked_for_at_once) {
    const Filter filter = filter_of(tight_loops(7, 3, 100, 10));
    std::vector<TraceKey> others{{1, 2, false},   native(7, 1, 99),  native(7, 1, 110),
                                 native(7, 9, 1), native(6, 1, 105), native(8, 1, 105)};
    EXPECT_FALSE(may_contain(filter, WantedTraces(others)));
    EXPECT_FALSE(may_contain(filter, WantedTraces()));
    others.insert(others.begin() + 3, native(7, 2, 105));
    EXPECT_TRUE(may_contain(filter, WantedTraces(others)));
}

TEST(TraceFilter, bytes_that_are_no_filter_may_contain_anything) {
    const auto bytes = [](const std::vector<int>& values) {
        Filter made;
        for (const int value : values) made.push_back(static_cast<std::byte>(value));
        return made;
    };
    const TraceKey key{1, 2, true};
    const std::vector<int> ones(10, 0xff);
    std::vector<int> instance{1, 1, 1, 0, 0, 0, 0, 0, 0, 0};
    const auto with = [&](std::vector<int> ranges) {
        std::vector<int> all = instance;
        all.push_back(static_cast<int>(ranges.size()));
        all.insert(all.end(), ranges.begin(), ranges.end());
        return bytes(all);
    };
    ASSERT_TRUE(in(with({1, 1}), key));
    ASSERT_FALSE(in(with({3, 1}), key));
    EXPECT_TRUE(in({}, key)) << "not even a format";
    EXPECT_TRUE(in(bytes({1}), key)) << "no number of instances";
    EXPECT_TRUE(in(bytes({2, 0}), key)) << "another format";
    EXPECT_TRUE(in(bytes({1, 1}), key)) << "no instance";
    EXPECT_TRUE(in(bytes({1, 0, 0}), key)) << "a Bloom filter of one byte";
    EXPECT_TRUE(in(bytes({1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}), key));
    EXPECT_TRUE(in(with({3}), key)) << "a range without an end";
    EXPECT_TRUE(in(with({3, 0x80}), key)) << "a varint without an end";
    EXPECT_TRUE(in(with({3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}), key)) << "wraps";
    EXPECT_TRUE(in(with({0, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0}), key))
        << "wraps";
    instance.push_back(99);
    EXPECT_TRUE(in(bytes(instance), key)) << "longer than there are bytes";
}

TEST(TraceFilter, one_that_is_cut_within_its_ranges_may_contain_anything) {
    auto keys = tight_loops(7, 3, 1000, 10);
    for (const TraceKey& key : tight_loops(9, 2, 5000, 10)) keys.push_back(key);
    const Filter filter = filter_of(keys);
    ASSERT_FALSE(in(filter, native(8, 0, 1)));
    for (std::size_t bytes = 0; bytes < filter.size(); ++bytes)
        EXPECT_TRUE(in(Filter(filter.begin(), filter.begin() + static_cast<std::ptrdiff_t>(bytes)),
                       native(8, 0, 1)))
            << bytes;
}

TraceKey any_key() {
    if (*rc::gen::inRange(0, 8) == 0)
        return {*rc::gen::arbitrary<std::uint64_t>(), *rc::gen::arbitrary<std::uint64_t>(), false};
    const auto instance =
        *rc::gen::oneOf(rc::gen::inRange<std::uint64_t>(0, 4), rc::gen::arbitrary<std::uint64_t>());
    const auto stream = *rc::gen::element<std::uint32_t>(0, 1, 2, 255, 256, 257, 0xfffe, 0xffff);
    const auto base =
        *rc::gen::element<std::uint64_t>(0, 1, 5000, 1'000'000, kOrdinalMax - 3000, kOrdinalMax);
    const auto more = *rc::gen::element<std::uint64_t>(0, 1, 3, 4, 5, kTraceGapMax - 1,
                                                       kTraceGapMax, kTraceGapMax + 1);
    return native(instance, stream, base + more);
}

RC_GTEST_PROP(TraceFilterProperty, what_was_put_in_is_in, ()) {
    TraceSet extent;
    std::vector<TraceKey> all;
    for (int frames = *rc::gen::inRange(1, 5); frames > 0; --frames) {
        const auto keys = *rc::gen::container<std::vector<TraceKey>>(rc::gen::exec(any_key));
        extent.add(gathered(keys));
        all.insert(all.end(), keys.begin(), keys.end());
    }
    const Filter filter = make_filter(extent);
    for (const TraceKey& key : all) RC_ASSERT(in(filter, key));
}

RC_GTEST_PROP(TraceFilterProperty, a_changed_one_is_read_within_its_bounds, ()) {
    const auto keys = *rc::gen::container<std::vector<TraceKey>>(rc::gen::exec(any_key));
    Filter filter = filter_of(keys);
    for (int changes = *rc::gen::inRange(1, 4); changes > 0; --changes)
        filter[*rc::gen::inRange<std::size_t>(0, filter.size())] =
            static_cast<std::byte>(*rc::gen::arbitrary<std::uint8_t>());
    filter.resize(*rc::gen::inRange<std::size_t>(0, filter.size() + 1));
    (void)may_contain(filter, WantedTraces(keys));
    (void)in(filter, any_key());
}

}  // namespace
}  // namespace spanring::store::testing
