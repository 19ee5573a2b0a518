// Producers whose every span is numbered, and the account of what must be in the database.
//
// Each thread writes pairs of spans, one in the other, and notes in memory that outlives it how far
// it has come: what a call has returned from is published, and may not be lost; of what is under
// way either may be true.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "world.hpp"

namespace spanring::kill {

inline constexpr int kProducersMax = 3;
inline constexpr int kBusyThreads = 2;
inline constexpr int kThreadsMax = 16;

struct WorkloadSize {
    std::uint32_t pairs{400};  ///< of spans, by each busy thread
    /// Bytes of the text that each inner span carries.
    std::uint32_t text_bytes{24};
    /// Threads that write one pair each and keep their pages, for some of the consumer's looks at
    /// idle ones; most of the ring is theirs then.
    int idle_threads{0};
};

class Workload {
public:
    explicit Workload(WorkloadSize size);
    ~Workload();
    Workload(const Workload&) = delete;
    Workload& operator=(const Workload&) = delete;

    /// The body of producer `number`: writes it all, blocks while the ring is full, and returns
    /// when all of it can be queried. Runs in a process of its own.
    void produce(int number) const;

    /// Checks what is in the database after it all. `killed[i]`: producer i did not live to the
    /// end. `may_miss_oldest`: windows were retired.
    void check(const consumer::testing::World& world, const std::vector<bool>& killed,
               bool may_miss_oldest = false) const;

private:
    struct Progress {
        std::atomic<std::uint32_t> begun;  ///< spans that are begun and have their attributes
        std::atomic<std::uint32_t> ended;
    };
    [[nodiscard]] Progress& progress(int producer, int thread) const noexcept {
        return progress_[producer * kThreadsMax + thread];
    }
    [[nodiscard]] std::uint32_t pairs_of(int thread) const noexcept {
        return thread < kBusyThreads ? size_.pairs : 1;
    }
    void write_thread(int producer, int thread) const;
    [[nodiscard]] std::string text_of(std::int64_t number) const;
    void check_thread(int producer, int thread, bool killed, bool may_miss_oldest,
                      const std::vector<const codec::Span*>& seen) const;

    WorkloadSize size_;
    Progress* progress_;
};

}  // namespace spanring::kill
