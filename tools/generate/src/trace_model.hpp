// What a generated trace looks like: requests that run through twenty services of a shop. Each
// service has ten operations: four that others ask for, three that call other services, two of its
// database and one of its own. Times are log-normal with long tails; some requests fail, and some
// of those who asked for them fail with them.
//
// The same seed gives the same traces. Threads: one owner.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "spanring/codec/span.hpp"

namespace spanring::generate {

inline constexpr std::size_t kServices = 20;
inline constexpr std::size_t kOperationsOfService = 10;

struct Operation {
    std::string name;
    codec::SpanKind kind{codec::SpanKind::kInternal};
    double own_time_ns{0};  ///< median of what it takes by itself
};

struct Service {
    std::string_view name;
    std::size_t layer{0};  ///< 0: asked by users; the last calls nobody
    std::array<Operation, kOperationsOfService> operations;
    std::array<std::size_t, 3> calls{};  ///< services that its operations 4 to 6 call
};

/// A span of a trace that the model has made.
struct ModelSpan {
    std::int32_t parent{-1};  ///< its place in the trace; a parent stands before its children
    std::uint8_t service{0};
    std::uint8_t operation{0};
    bool failed{false};
    std::int32_t number{0};  ///< of the attribute that is one: a status code, rows, bytes
    std::int64_t start_ns{0};
    std::int64_t end_ns{0};
};

/// What all spans of a trace share.
struct ModelTrace {
    std::uint32_t user{0};     ///< below kUsers, few of them often
    std::uint32_t region{0};   ///< below kRegions
    std::uint64_t request{0};  ///< of this trace alone
    std::vector<ModelSpan> spans;
};

inline constexpr std::uint32_t kUsers = 100'000;
inline constexpr std::array<std::string_view, 4> kRegions = {"eu-west-1", "us-east-1", "us-west-2",
                                                             "ap-south-1"};

class TraceModel {
public:
    explicit TraceModel(std::uint64_t seed);

    [[nodiscard]] const std::array<Service, kServices>& services() const noexcept {
        return services_;
    }
    /// Makes the next trace, whose root starts then. Children lie inside their parents, but those
    /// of a message that nobody waits for.
    void next(std::int64_t start_ns, ModelTrace& trace);

private:
    struct Done {
        std::int64_t end_ns;
        bool failed;
    };
    [[nodiscard]] double uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
    [[nodiscard]] bool chance(double p) { return uniform() < p; }
    [[nodiscard]] std::int64_t time_of(const Operation& operation);
    std::size_t begin(std::vector<ModelSpan>& spans, std::int32_t parent, std::size_t service,
                      std::size_t operation, std::int64_t start_ns);
    Done end(ModelSpan& span, std::int64_t end_ns, bool failed);
    /// A request to the service, with all that it causes.
    Done serve(std::vector<ModelSpan>& spans, std::int32_t parent, std::size_t service,
               std::int64_t start_ns);
    /// One step of a request: a statement, a call, or some work.
    Done step(std::vector<ModelSpan>& spans, std::int32_t parent, std::size_t service,
              std::int64_t start_ns);
    Done call(std::vector<ModelSpan>& spans, std::int32_t parent, std::size_t service,
              std::size_t which, std::int64_t start_ns);

    std::mt19937_64 random_;
    std::normal_distribution<double> normal_;
    std::array<Service, kServices> services_;
    std::size_t spans_max_{0};  ///< of the trace that is being made
};

}  // namespace spanring::generate
