// Generated traces as a consumer would store them: rows in the order in which spans end, with
// native ids of the processes of the services (two of each, four threads in each), or with foreign
// ones, as an import has them.
//
// Threads: one owner.
#pragma once

#include <array>
#include <cstdint>
#include <queue>
#include <random>
#include <vector>

#include "spanring/codec/batch.hpp"
#include "spanring/store/frame.hpp"
#include "trace_model.hpp"

namespace spanring::generate {

struct GenerateOptions {
    std::uint64_t spans{0};
    std::uint64_t seed{1};
    std::int64_t start_ns{0};  ///< realtime, about when the first trace begins
    double spans_per_second{10'000};
    bool foreign_ids{false};
};

class Generator {
public:
    explicit Generator(const GenerateOptions& options);

    /// Appends the next spans to `batch`, at most until it has kBatchSpansMax. Returns whether
    /// there are more. Exactly GenerateOptions::spans are given in all: the last traces are cut.
    bool fill(codec::Batch& batch);
    /// When the last span that was given ended.
    [[nodiscard]] std::int64_t now_ns() const noexcept { return now_ns_; }
    [[nodiscard]] std::uint64_t traces() const noexcept { return traces_; }
    /// The processes, complete: what a snapshot says of them.
    [[nodiscard]] std::vector<store::InstanceDelta> instances(bool ended) const;

private:
    static constexpr std::size_t kProcessesOfService = 2;
    static constexpr std::size_t kThreadsOfProcess = 4;

    struct Process {
        codec::Instance instance;
        std::array<std::uint64_t, kThreadsOfProcess> ordinals{};
    };
    /// A span that has been made, and ends in the future.
    struct Pending {
        ModelSpan span;
        std::uint64_t order{0};  ///< of its making: those that end together keep it
        codec::Row row;          ///< ids
        std::uint32_t process{0};
        std::uint32_t user{0};
        std::uint32_t region{0};
        std::uint64_t request{0};
        bool operator>(const Pending& other) const noexcept {
            return span.end_ns != other.span.end_ns ? span.end_ns > other.span.end_ns
                                                    : order > other.order;
        }
    };
    /// What rows of a batch name.
    struct Names {
        std::array<std::array<codec::StringId, kOperationsOfService>, kServices> operations{};
        std::array<codec::ResourceId, kServices * kProcessesOfService> resources{};
        std::array<codec::InstanceIndex, kServices * kProcessesOfService> instances{};
        codec::StringId status_code{0}, rows{0}, cached{0}, user{0}, region{0}, request{0};
    };

    void make_trace();
    void give_ids(Pending& pending, const std::vector<Pending>& trace);
    [[nodiscard]] Names intern(codec::Batch& batch) const;
    void put(const Pending& pending, const Names& names, codec::Batch& batch);

    const GenerateOptions options_;
    TraceModel model_;
    std::mt19937_64 random_;
    std::vector<Process> processes_;
    std::priority_queue<Pending, std::vector<Pending>, std::greater<>> pending_;
    ModelTrace trace_;
    std::vector<Pending> trace_rows_;  ///< of the trace that is being made
    double next_start_ns_{0};          ///< of the next trace, from the start of all
    std::uint64_t made_{0};
    std::uint64_t given_{0};
    std::uint64_t traces_{0};
    std::int64_t now_ns_{0};
};

}  // namespace spanring::generate
