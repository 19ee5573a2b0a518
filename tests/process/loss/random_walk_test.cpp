// Random programs of one thread in a ring that overflows: what is stored is what was made, in the
// right place, and what is missing is exactly what was counted. No clock, no second thread: a seed
// always loses the same records.
#include <map>
#include <optional>
#include <random>

#include "mini_consumer.hpp"

namespace spanring::test {
namespace {

using namespace literals;

/// Where a new span would go, and what it would inherit.
struct Place {
    std::string trace;
    std::string span;
    std::string trace_state;
    std::string request;  ///< only the first span below a remote or empty context has it
};

struct Made {
    Place parent;
    std::string own_id;
    std::size_t details{0};
};

class Walk {
public:
    Walk(std::uint64_t seed, MiniConsumer& consumer) : random_(seed), consumer_(consumer) {}

    void run(int steps) {
        for (int i = 0; i < steps; ++i) step();
        while (!stack_.empty()) end_top();
        for (auto& open : async_) open.span.end();
        for (int i = 0; i < 2; ++i) {
            take(consumer_.drain());
            (void)flush_ns(0);
        }
        take(consumer_.close());
    }

    void judge() const {
        std::uint64_t ends = 0;
        std::uint64_t details = 0;
        for (const auto& [name, span] : found_) {
            const auto at = made_.find(name);
            ASSERT_NE(at, made_.end()) << name << " was never made";
            const Made& made = at->second;
            EXPECT_EQ(span.parent_id.valid() ? to_hex(span.parent_id) : "", made.parent.span)
                << name;
            if (!made.parent.trace.empty()) {
                EXPECT_EQ(to_hex(span.trace_id), made.parent.trace) << name;
            }
            if (!made.own_id.empty()) {
                EXPECT_EQ(to_hex(span.span_id), made.own_id) << name;
            }
            std::size_t expected = made.details + (made.parent.request.empty() ? 0 : 1);
            if (!made.parent.trace_state.empty()) ++expected;
            if (!span.trace_state.empty()) {
                EXPECT_EQ(span.trace_state, made.parent.trace_state) << name;
            }
            const std::size_t held =
                span.attributes.size() + span.events.size() + (span.trace_state.empty() ? 0 : 1);
            ASSERT_LE(held, expected) << name;
            details += expected - held;
            if (span.end_lost || span.unfinished) ++ends;
        }
        const Losses lost = losses();
        EXPECT_EQ(made_.size() - found_.size(), sum(lost.spans));
        EXPECT_EQ(ends, sum(lost.ends));
        EXPECT_EQ(details, sum(lost.details));
        EXPECT_GT(sum(lost.spans), 0u) << "the ring never filled";
        EXPECT_GT(found_.size(), 0u);
    }

private:
    struct Level {
        std::unique_ptr<Span> span;
        std::unique_ptr<Scope> scope;
        std::string name;
        Place place;
        bool local{false};  ///< a context of a span of this process
    };
    struct Async {
        AsyncSpan span;
        std::string name;
        Place place;
    };

    static std::uint64_t sum(const std::uint64_t (&counts)[kLossReasons]) {
        std::uint64_t total = 0;
        for (const auto count : counts) total += count;
        return total;
    }
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    Place here() const { return stack_.empty() ? Place{} : stack_.back().place; }

    void step() {
        const std::uint64_t roll = below(1000);
        if (roll < 280) return begin(here(), {});
        if (roll < 520) return end_top();
        if (roll < 560) return end_any();
        if (roll < 700) return detail();
        if (roll < 740) return begin_async();
        if (roll < 790) return end_async();
        if (roll < 820) return attach_remote();
        if (roll < 840) return attach(Context(), {});
        if (roll < 870) return attach_async();
        if (roll < 890) return begin_below_another();
        if (roll < 910) return free_event();
        if (roll < 914) return deep();
        if (roll < 916) take(consumer_.drain());
    }

    Place below_of(const Place& parent, const std::string& name, const Context& context) {
        Made& made = made_[name];
        made.parent = parent;
        made.own_id = context.span_id();
        return {context.trace_id(), context.span_id(), parent.trace_state, ""};
    }
    void begin(const Place& parent, const std::optional<Context>& explicit_parent) {
        Level level;
        level.name = "s" + std::to_string(++serial_);
        SpanOptions options;
        options.parent = explicit_parent;
        level.span = std::make_unique<Span>(Key(level.name), options);
        level.place = below_of(parent, level.name, level.span->context());
        stack_.push_back(std::move(level));
    }
    void end_top() {
        if (stack_.empty()) return;
        if (stack_.back().span) stack_.back().span->end();
        stack_.pop_back();
    }
    void end_any() {
        if (stack_.empty()) return;
        const std::size_t index = below(stack_.size());
        if (stack_[index].span == nullptr) return;  // contexts are given back in order
        stack_[index].span->end();
        stack_.erase(stack_.begin() + static_cast<std::ptrdiff_t>(index));
    }
    void detail() {
        if (stack_.empty()) return;
        Level& level = stack_[stack_.size() - 1 - below(std::min<std::size_t>(3, stack_.size()))];
        if (level.span == nullptr) return;
        const std::string key = "k" + std::to_string(made_[level.name].details++);
        const std::string text(below(20) == 0 ? 3000 : below(60), 'x');
        if (below(2) == 0) {
            level.span->set(key, text);
        } else {
            level.span->event("event"_key, {{"text", text}});
        }
    }
    void begin_async() {
        Async open;
        open.name = "s" + std::to_string(++serial_);
        open.span = AsyncSpan(Key(open.name));
        open.place = below_of(here(), open.name, open.span.context());
        async_.push_back(std::move(open));
    }
    void end_async() {
        if (async_.empty()) return;
        const std::size_t index = below(async_.size());
        async_[index].span.end();
        async_.erase(async_.begin() + static_cast<std::ptrdiff_t>(index));
    }
    void attach(const Context& context, Place place) {
        Level level;
        level.scope.reset(new Scope(context.attach()));
        level.place = std::move(place);
        stack_.push_back(std::move(level));
    }
    void attach_remote() {
        Place place;
        char trace[33];
        std::snprintf(trace, sizeof trace, "%016llx%016llx",
                      static_cast<unsigned long long>(random_() | 1),
                      static_cast<unsigned long long>(random_() | 1));
        place.trace = trace;
        place.span = place.trace.substr(0, 16);
        if (below(2) == 0) place.trace_state = "vendor=" + std::to_string(serial_);
        if (below(2) == 0) place.request = "r" + std::to_string(serial_);
        attach(
            Context::from_headers("00-" + place.trace + "-" + place.span + "-01", place.trace_state,
                                  place.request.empty() ? "" : "request.id=" + place.request),
            place);
    }
    void attach_async() {
        if (async_.empty()) return;
        Async& open = async_[below(async_.size())];
        attach(open.span.context(), open.place);
        stack_.back().local = true;
    }
    void begin_below_another() {
        if (async_.empty()) return;
        Async& open = async_[below(async_.size())];
        begin(open.place, open.span.context());
    }
    void free_event() {
        // Below a span, or the context of a local one, it would be that span's event.
        if (!stack_.empty() && (stack_.back().span || stack_.back().local)) return;
        const std::string name = "s" + std::to_string(++serial_);
        made_[name].parent = here();
        made_[name].details = 1;
        event(Key(name), {{"k", 1}});
    }
    void deep() {
        const std::size_t depth = stack_.size();
        for (int i = 0; i < 100; ++i) begin(here(), {});
        while (stack_.size() > depth + below(80)) end_top();
        for (int i = 0; i < 30; ++i) begin(here(), {});
        while (stack_.size() > depth) below(8) == 0 ? end_any() : end_top();
    }
    void take(std::vector<codec::Span> spans) {
        for (auto& span : spans) {
            const std::string name = span.name;
            EXPECT_TRUE(found_.emplace(name, std::move(span)).second) << name << " twice";
        }
    }

    std::mt19937_64 random_;
    MiniConsumer& consumer_;
    std::vector<Level> stack_;
    std::vector<Async> async_;
    std::map<std::string, Made> made_;
    std::map<std::string, codec::Span> found_;
    std::uint64_t serial_{0};
};

class RandomWalk : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(RandomWalk, loses_exactly_what_it_counts) {
    Configuration configuration;
    configuration.ring_bytes_max = 64 << 10;
    configuration.ring_bytes_initial = 64 << 10;
    configuration.page_bytes = GetParam() % 3 == 0 ? 8192 : 1024;
    traced(
        [](TestDirectory&, MiniConsumer& consumer) {
            Walk walk(GetParam(), consumer);
            walk.run(8000);
            walk.judge();
        },
        configuration);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomWalk, ::testing::Range<std::uint64_t>(1, 13));

}  // namespace
}  // namespace spanring::test
