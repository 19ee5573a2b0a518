// Producing processes of the benchmark: forked, started together, counted, waited for.
//
// Ctrl-C reaches this process alone and shows as an error of the waits; the producers never outlive
// the object, nor this process. Threads: the main thread only, and no other may exist.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "board.hpp"
#include "options.hpp"
#include "spanring/base/result.hpp"

namespace spanring::tools::bench {

/// What all of them did, by their own counts.
struct Tally {
    std::uint64_t emitted{0};  ///< all, warm-up included
    std::uint64_t paced_spans{0};
    double spans_per_s{0};  ///< all together
    double busy_ns{0};      ///< per span: what a producer pays, its own making of the load included
    double cpu_ns{0};       ///< per span: processor time, what it does between bursts included
    double off_core{0};     ///< share of the time, of the producer that had its core least
    std::uint64_t lost{0};  ///< by the library's counters
    bool all_stored{true};
};

class Producers {
public:
    /// Forks them; they warm up. `rings` empty: with tracing disabled. Errors: of fork, memory.
    [[nodiscard]] static Result<Producers> start(const std::string& rings,
                                                 const std::vector<ProducerPlan>& plans);
    Producers(Producers&& other) noexcept = default;
    Producers& operator=(Producers&&) = delete;
    ~Producers();

    /// Waits until all are warm and what that took is stored. Errors: what went wrong in one of
    /// them, Ctrl-C.
    [[nodiscard]] Result<void> wait_ready();
    /// Off they go.
    void go();
    /// Returns whether all are through, and all that they emitted is stored or lost. Errors: as
    /// wait_ready.
    [[nodiscard]] Result<bool> done();
    /// Waits for that. `progress` is told now and then how many spans there are.
    [[nodiscard]] Result<void> wait_done(const std::function<void(std::uint64_t)>& progress);
    [[nodiscard]] std::uint64_t emitted();
    /// After done.
    [[nodiscard]] Tally tally();
    /// Lets them end, and waits for that: their rings are given back.
    void finish();

private:
    explicit Producers(Board board) : board_(std::move(board)) {}
    [[nodiscard]] Result<bool> all_at(Stage stage);

    Board board_;
    std::vector<pid_t> pids_;
};

}  // namespace spanring::tools::bench
