// Generated traces: as many spans as asked for, the same for the same seed, and of the shape that
// they promise.
#include "generator.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace spanring::generate {
namespace {

using codec::Span;

GenerateOptions options_of(std::uint64_t spans, bool foreign_ids = false) {
    GenerateOptions options;
    options.spans = spans;
    options.seed = 5;
    options.start_ns = 1'700'000'000'000'000'000;
    options.foreign_ids = foreign_ids;
    return options;
}

std::vector<Span> spans_of(const GenerateOptions& options) {
    Generator generator(options);
    std::vector<Span> spans;
    codec::Batch batch;
    for (bool more = true; more;) {
        batch.clear();
        more = generator.fill(batch);
        for (std::size_t i = 0; i < batch.rows.size(); ++i) {
            auto span = batch.span(i);
            EXPECT_TRUE(span.ok());
            if (span) spans.push_back(std::move(*span));
        }
    }
    return spans;
}

std::int64_t end_of(const Span& span) {
    return *span.start_ns + *span.duration_ns;
}

std::string text_of(const Span& span, const std::string& key) {
    for (const auto& [name, value] : span.attributes)
        if (name == key && std::holds_alternative<std::string>(value))
            return std::get<std::string>(value);
    return {};
}

TEST(Generator, gives_as_many_spans_as_asked_for) {
    for (const std::uint64_t spans : {1u, 7u, 8192u, 8193u, 20'000u})
        EXPECT_EQ(spans_of(options_of(spans)).size(), spans);
}

TEST(Generator, gives_the_same_for_the_same_seed) {
    EXPECT_EQ(spans_of(options_of(3000)), spans_of(options_of(3000)));
    auto other = options_of(3000);
    other.seed = 6;
    EXPECT_NE(spans_of(options_of(3000)), spans_of(other));
}

TEST(Generator, gives_spans_in_the_order_in_which_they_end) {
    const auto spans = spans_of(options_of(20'000));
    EXPECT_TRUE(std::ranges::is_sorted(spans, {}, end_of));
}

class Ids : public testing::TestWithParam<bool> {};

TEST_P(Ids, name_each_span_once_and_its_parent_in_its_trace) {
    const auto spans = spans_of(options_of(30'000, GetParam()));
    std::map<std::pair<TraceId, SpanId>, const Span*> by_id;
    for (const Span& span : spans) {
        EXPECT_TRUE(span.trace_id.valid());
        EXPECT_TRUE(by_id.emplace(std::pair(span.trace_id, span.span_id), &span).second);
    }
    std::size_t roots = 0;
    for (const Span& span : spans) {
        if (!span.parent_id.valid()) {
            ++roots;
            continue;
        }
        const auto parent = by_id.find({span.trace_id, span.parent_id});
        ASSERT_NE(parent, by_id.end());
        EXPECT_GE(*span.start_ns, *parent->second->start_ns);
        const bool waited_for = parent->second->kind != codec::SpanKind::kProducer;
        if (waited_for) {
            EXPECT_LE(end_of(span), end_of(*parent->second));
        }
    }
    // Traces of some ten spans.
    EXPECT_GT(roots, spans.size() / 20);
    EXPECT_LT(roots, spans.size() / 5);
}
INSTANTIATE_TEST_SUITE_P(Generator, Ids, testing::Bool());

TEST(Generator, gives_the_shape_of_a_shop) {
    const auto spans = spans_of(options_of(200'000));
    std::set<std::string> services;
    std::set<std::pair<std::string, std::string>> operations;
    std::map<std::string, std::size_t> requests;
    std::set<std::string> users;
    std::vector<std::int64_t> durations;
    std::size_t errors = 0;
    for (const Span& span : spans) {
        services.insert(codec::service_of(*span.resource));
        operations.emplace(codec::service_of(*span.resource), span.name);
        users.insert(text_of(span, "user.id"));
        EXPECT_EQ(span.attributes.size(), 4u);
        ++requests[text_of(span, "request.id")];
        durations.push_back(*span.duration_ns);
        errors += span.status == codec::StatusCode::kError;
        EXPECT_EQ(span.status == codec::StatusCode::kError, !span.status_message.empty());
    }
    EXPECT_EQ(services.size(), kServices);
    EXPECT_EQ(operations.size(), kServices * kOperationsOfService);
    EXPECT_GT(users.size(), 1000u);
    EXPECT_GT(errors, spans.size() / 500);
    EXPECT_LT(errors, spans.size() / 20);
    std::ranges::sort(durations);
    EXPECT_GT(durations[durations.size() * 99 / 100], durations[durations.size() / 2] * 10);
    // One request is one trace.
    std::set<TraceId> traces;
    for (const Span& span : spans) traces.insert(span.trace_id);
    EXPECT_EQ(requests.size(), traces.size());
}

}  // namespace
}  // namespace spanring::generate
