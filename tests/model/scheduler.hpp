// A small model checker: runs the real code of the ring (shm/page_ring.hpp, shm/doorbell.hpp)
// through every interleaving of a few threads.
//
// Threads are coroutines that give way before each access to shared memory. A store does not reach
// memory at once: it waits in its thread's store buffer, and when it leaves is a choice of the
// scheduler, too. A relaxed store may leave before older ones, a release store only after them; a
// read-modify-write waits until the thread's buffer is empty; membarrier waits until everything
// that any thread had stored has left. Loads are not reordered (so a missing acquire is not found:
// that is what ThreadSanitizer and the tests on real threads are for). A killed thread runs no
// further, but what it has stored still leaves.
//
// A signal handler runs on its thread, in front of any of its accesses, once.
//
// Every choice point is a state: memory, buffers, and for each thread the values that it has loaded
// (which determine what it does next). Each state is explored once; so the search is complete. What
// is too large for that is explored up to a number of preemptions, or walked through at random.
//
// One exploration at a time per process. Bodies must be deterministic and own no resources: an
// abandoned run never returns from them.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <unordered_set>
#include <vector>

namespace spanring::model {

struct Outcome {
    std::uint64_t runs{0};
    std::uint64_t states{0};
    std::string violation;  ///< empty: none; else what broke, and the schedule that leads there
};

class Model {
public:
    /// Adds a thread to the run being built. `killable`: may die at any point.
    void thread(std::function<void()> body, bool killable = false);
    /// Interrupts the thread that was added last, once, at any of its accesses and points, or
    /// never.
    void handler(std::function<void()> body) { threads_.back()->handler = std::move(body); }
    /// Only runs in which at most so many times a thread that could go on is left for another; that
    /// a handler or a store comes at any time is free.
    void limit_preemptions(unsigned most) { preemptions_max_ = most; }
    /// Stores leave in their order (as on x86): for programs too large to be explored otherwise.
    void keep_store_order() { store_order_kept_ = true; }
    /// Stores leave at once (sequential consistency): for still larger ones.
    void leave_at_once() { left_at_once_ = true; }
    /// Runs when all threads are through and all stores have left.
    void at_end(std::function<void()> check) { check_ = std::move(check); }
    /// Something that must not happen has happened.
    void fail(const std::string& what);
    void require(bool condition, const char* what) {
        if (!condition) fail(what);
    }
    /// True while the body of a thread runs; before and after, memory is accessed directly.
    [[nodiscard]] bool in_thread() const noexcept { return current_ >= 0; }
    /// Number of the running thread.
    [[nodiscard]] int self() const noexcept { return current_; }
    [[nodiscard]] bool killed(int thread) const { return threads_[thread]->killed; }

    // ---- what the policies call ----
    /// A place without an access to shared memory, where a handler may come.
    void point();
    std::uint64_t load(const void* address, unsigned bytes);
    void store(void* address, unsigned bytes, std::uint64_t value, bool release);
    /// Waits for the own buffer to be empty; what follows until the next access is one atomic step.
    void begin_atomic(const void* address, unsigned bytes);
    void note(std::uint64_t value) { mix(threads_[current_]->history, value); }
    void barrier();
    void futex_wait(const std::uint32_t* word, std::uint32_t expected);
    void futex_wake(const std::uint32_t* word);

    /// Runs every interleaving of what `build` adds; `build` resets the memory for each run.
    static Outcome explore(const std::function<void(Model&)>& build);
    /// Runs `runs` interleavings, each choice by `seed`.
    static Outcome walk(const std::function<void(Model&)>& build, std::uint64_t runs,
                        std::uint64_t seed);
    /// The exploration that is going on.
    static Model* active;

private:
    struct Store {
        void* address;
        unsigned bytes;
        std::uint64_t value;
        bool release;
        std::uint64_t number;  // of this thread's stores
    };
    enum class Wait { kNothing, kOwnStores, kBarrier, kFutex };
    struct Thread {
        std::function<void()> body;
        std::function<void()> handler;  ///< empty: none, or it has come
        ucontext_t context;             ///< of its start
        jmp_buf at;                     ///< where it gave way
        char* stack;
        std::vector<Store> buffer;
        std::vector<std::uint64_t> barrier_until;  // per thread, stores that must have left
        const std::uint32_t* futex{nullptr};
        std::uint64_t stores{0};
        // Stores made before the last load: the others may just as well not have been made yet, if
        // that is what a barrier or a kill wants.
        std::uint64_t stores_before_turn{0};
        std::uint64_t history{0};
        Wait wait{Wait::kNothing};
        bool started{false};
        bool interrupted{false};  ///< its handler is to run next
        bool killable{false};
        bool killed{false};
        bool done{false};

        [[nodiscard]] std::size_t recent() const {
            std::size_t count = 0;
            for (const Store& store : buffer) count += store.number > stores_before_turn ? 1 : 0;
            return count;
        }
    };
    struct Choice {
        enum Kind { kRun, kFlush, kKill, kSignal } kind;
        int thread;
        std::size_t entry;
    };
    struct Step {
        std::size_t taken;
        std::size_t options;
    };

    static void mix(std::uint64_t& hash, std::uint64_t value) noexcept;
    static void enter(unsigned high, unsigned low);
    void touch(const void* address, unsigned bytes);
    void give_way(Wait reason);
    void to_scheduler();
    void resume(Thread& thread);
    [[nodiscard]] bool runnable(const Thread& thread) const;
    [[nodiscard]] bool may_leave(const Thread& thread, std::size_t entry) const;
    [[nodiscard]] bool left_until(int thread, std::uint64_t number) const;
    void list_choices();
    [[nodiscard]] std::uint64_t state() const;
    void take(const Choice& choice);
    void begin_run(const std::function<void(Model&)>& build);
    void run_once();
    bool next_path();
    [[nodiscard]] Outcome outcome() const;

    std::vector<std::unique_ptr<Thread>> threads_;
    std::function<void()> check_;
    ucontext_t start_;
    jmp_buf scheduler_;
    int current_{-1};
    bool store_order_kept_{false};
    bool left_at_once_{false};
    std::string failure_;
    std::vector<Step> path_;
    std::size_t depth_{0};
    std::vector<Choice> choices_;
    std::vector<Choice> trace_;
    std::map<const void*, unsigned> words_;
    std::optional<unsigned> preemptions_max_;
    unsigned preemptions_{0};
    int last_run_{-1};
    std::optional<std::mt19937_64> random_;
    std::vector<std::unique_ptr<char[]>> stacks_;  ///< for all runs
    std::unordered_set<std::uint64_t> seen_;
    std::uint64_t runs_{0};
};

/// The policy that sends the ring's accesses through the model. `kReleaseHolds` false is a seeded
/// bug: every release store is weakened to relaxed.
template <bool kReleaseHolds>
struct BasicModelAtomics {
    template <typename T>
    static T load(const T& word, std::memory_order) noexcept {
        if (!Model::active->in_thread()) return word;
        return static_cast<T>(Model::active->load(&word, sizeof word));
    }
    template <typename T>
    static void store(T& word, T value, std::memory_order order) noexcept {
        if (!Model::active->in_thread()) {
            word = value;
            return;
        }
        const bool release = kReleaseHolds && order != std::memory_order_relaxed;
        Model::active->store(&word, sizeof word, value, release);
    }
    template <typename T, typename Change>
    static T modify(T& word, Change&& change) noexcept {
        if (Model::active->in_thread()) Model::active->begin_atomic(&word, sizeof word);
        const T before = word;
        word = change(before);
        if (Model::active->in_thread()) Model::active->note(before);
        return before;
    }
    template <typename T>
    static bool compare_exchange(T& word, T& expected, T desired, std::memory_order,
                                 std::memory_order) noexcept {
        const T wanted = expected;
        expected = modify(word, [&](T now) { return now == wanted ? desired : now; });
        return expected == wanted;
    }
    template <typename T>
    static T exchange(T& word, T value, std::memory_order) noexcept {
        return modify(word, [&](T) { return value; });
    }
    template <typename T>
    static T fetch_add(T& word, T value, std::memory_order) noexcept {
        return modify(word, [&](T now) { return static_cast<T>(now + value); });
    }
    template <typename T>
    static T fetch_or(T& word, T value, std::memory_order) noexcept {
        return modify(word, [&](T now) { return static_cast<T>(now | value); });
    }
    template <typename T>
    static T fetch_and(T& word, T value, std::memory_order) noexcept {
        return modify(word, [&](T now) { return static_cast<T>(now & value); });
    }
};
using ModelAtomics = BasicModelAtomics<true>;
using WeakenedAtomics = BasicModelAtomics<false>;

/// The doorbell's system calls in the model. `kBarrierWorks` false is a seeded bug.
template <bool kBarrierWorks>
struct BasicModelSystem {
    void wake(std::uint32_t& word) noexcept { Model::active->futex_wake(&word); }
    void wait(std::uint32_t& word, std::uint64_t) noexcept { Model::active->futex_wait(&word, 1); }
    void barrier() noexcept {
        if (kBarrierWorks) Model::active->barrier();
    }
};

}  // namespace spanring::model
