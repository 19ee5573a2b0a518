#include "program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "mix_traces.hpp"
#include "spanring/spanring.hpp"

namespace spanring::tools::bench {
namespace {

using namespace spanring::bench;
using namespace spanring::literals;

/// Enough for every page of a small ring to be turned once.
constexpr std::uint64_t kTightWarmUp = 10'000;
/// As the offline benchmarks have it (bench/workload.cpp).
constexpr std::size_t kDistinctTexts = 10'000;
/// Traces that one thread works at in turns, as a server's worker does.
constexpr std::size_t kTracesAtOnce = 16;

/// An integer and 13 characters, different ones from span to span.
class Attributes {
public:
    Attributes() {
        texts_.reserve(kDistinctTexts);
        for (std::size_t i = 0; i < kDistinctTexts; ++i) {
            texts_.push_back(fmt::format("user-{:08}", i * 7919 % 100'000'000));
        }
    }
    void put(Span& span) noexcept {
        if (++next_ == kDistinctTexts) next_ = 0;
        span.set("integer"_key, next_ % 1000).set("text"_key, texts_[next_]);
    }

private:
    std::vector<std::string> texts_;
    std::size_t next_{0};
};

class Tight final : public Program {
public:
    explicit Tight(bool attributes) {
        if (attributes) attributes_.emplace();
    }
    std::uint64_t warm_up() override { return emit(kTightWarmUp); }
    std::uint64_t emit(std::uint64_t wanted) override {
        if (attributes_) {
            for (std::uint64_t i = 0; i < wanted; ++i) {
                Span span("work"_key);
                attributes_->put(span);
            }
        } else {
            for (std::uint64_t i = 0; i < wanted; ++i) {
                SPANRING_SPAN("work");
            }
        }
        return wanted;
    }

private:
    std::optional<Attributes> attributes_;
};

/// The names of the mix: what `"name"_key` makes, for names that come from a table.
detail::StaticName& mix_name(std::size_t operation) {
    static auto names = [] {
        std::array<detail::StaticName, std::size(kOperations)> all{};
        for (std::size_t i = 0; i < all.size(); ++i) {
            const std::string_view text = kOperations[i].name;
            all[i] = {text.data(), static_cast<std::uint32_t>(text.size()), 0};
        }
        return all;
    }();
    return names[operation];
}

class Mix final : public Program {
public:
    Mix(bool attributes, std::uint64_t seed) : random_(seed) {
        if (attributes) attributes_.emplace();
        for (const MixTrace& trace : read_mix()) traces_.push_back(plan(trace));
    }
    std::uint64_t warm_up() override {
        std::uint64_t spans = 0;
        for (const Trace& trace : traces_) {
            Active all{&trace, 0, {}};
            while (all.next_call < trace.calls.size()) spans += call(all);
        }
        return spans;
    }
    std::uint64_t emit(std::uint64_t wanted) override {
        std::uint64_t spans = 0;
        while (spans < wanted) {
            Active& active = active_[random_() % kTracesAtOnce];
            if (active.trace == nullptr || active.next_call == active.trace->calls.size()) {
                active.trace = &traces_[random_() % traces_.size()];
                active.next_call = 0;
            }
            spans += call(active);
        }
        return spans;
    }

private:
    static constexpr std::int32_t kNobody = -1;
    struct Step {
        detail::StaticName* name{nullptr};  ///< of the span to begin; null: the innermost ends
        std::int32_t slot{kNobody};         ///< where its context is kept for the calls it makes
    };
    struct Call {
        std::int32_t caller_slot{kNobody};
        std::uint64_t spans{0};
        std::vector<Step> steps;
    };
    struct Trace {
        std::vector<Call> calls;
        std::size_t slots{0};
    };
    struct Active {
        const Trace* trace{nullptr};
        std::size_t next_call{0};
        std::vector<Context> contexts;
    };

    static Trace plan(const MixTrace& recorded) {
        Trace trace;
        trace.calls.resize(recorded.size());
        std::vector<std::vector<std::size_t>> begins(recorded.size());  // places in `steps`
        for (std::size_t i = 0; i < recorded.size(); ++i) {
            Call& call = trace.calls[i];
            for (const std::int32_t step : recorded[i].steps) {
                if (step != kMixEnd) begins[i].push_back(call.steps.size());
                call.steps.emplace_back();
                if (step == kMixEnd) continue;
                call.steps.back().name = &mix_name(static_cast<std::size_t>(step));
            }
            call.spans = begins[i].size();
            if (recorded[i].caller < 0) continue;
            const auto caller = static_cast<std::size_t>(recorded[i].caller);
            const auto span = static_cast<std::size_t>(recorded[i].caller_span);
            std::int32_t& slot = trace.calls[caller].steps[begins[caller][span]].slot;
            if (slot == kNobody) slot = static_cast<std::int32_t>(trace.slots++);
            call.caller_slot = slot;
        }
        return trace;
    }

    std::uint64_t call(Active& active) {
        if (active.contexts.size() < active.trace->slots) {
            active.contexts.resize(active.trace->slots);
        }
        const Call& call = active.trace->calls[active.next_call++];
        if (call.caller_slot == kNobody) {
            nest(call.steps.data(), active);
        } else {
            const Scope scope =
                active.contexts[static_cast<std::size_t>(call.caller_slot)].attach();
            nest(call.steps.data(), active);
        }
        return call.spans;
    }

    /// One span and what is in it. Returns the step behind its end.
    const Step* nest(const Step* step, Active& active) {
        Span span(Key(*step->name));
        if (attributes_) attributes_->put(span);
        const std::int32_t slot = step->slot;
        ++step;
        while (step->name != nullptr) step = nest(step, active);
        span.end();
        // Taken behind the end, as what is called comes behind it here: an open span whose context
        // was handed on is shared with other threads, and costs more.
        if (slot != kNobody) active.contexts[static_cast<std::size_t>(slot)] = span.context();
        return step + 1;
    }

    std::mt19937_64 random_;
    std::vector<Trace> traces_;
    std::optional<Attributes> attributes_;
    std::array<Active, kTracesAtOnce> active_;
};

}  // namespace

std::unique_ptr<Program> Program::make(const Load& load, std::uint64_t seed) {
    if (load.mix) return std::make_unique<Mix>(load.attributes, seed);
    return std::make_unique<Tight>(load.attributes);
}

}  // namespace spanring::tools::bench
