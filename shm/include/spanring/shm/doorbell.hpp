// The doorbell: how a producer wakes a consumer that sleeps, and costs nothing while it does not.
//
//   consumer: word = 1 · WAITING · membarrier · look once more · futex wait while word == 1
//   producer: publish · compiler fence · WAITING? · exchange word 1 → 0, only the winner wakes
//
// The producer has no StoreLoad fence between publishing and looking at WAITING: the consumer's
// membarrier makes one on every producer's CPU. A consumer that serves a producer without it (see
// spanring_segment_header.membarrier) must not sleep but poll.
//
// ring(): any producer thread, async-signal-safe. The rest: the consumer's drain thread.
#pragma once

#include <cstdint>

#include "spanring/abi/control_layout.h"
#include "spanring/shm/atomics.hpp"

namespace spanring::shm {

/// The protocol without its system calls, so that tests/model can run it.
/// `System` has wake(word), wait(word, timeout_ns) and barrier().
template <typename Atomics, typename System>
struct BasicDoorbell {
    /// Producer, after publishing and a compiler fence: whether the consumer sleeps.
    static bool waiting(const std::uint32_t& flags) noexcept {
        // relaxed: the consumer's membarrier orders it after our publishing store.
        return (Atomics::load(flags, std::memory_order_relaxed) & SPANRING_FLAG_WAITING) != 0;
    }
    /// Producer: wakes the consumer if nobody else has. Returns whether it made the call.
    static bool ring(std::uint32_t& word, System& system) noexcept {
        // acq_rel: pairs with the store in arm() and the exchange of other ringers: one winner.
        if (Atomics::exchange(word, 0U, std::memory_order_acq_rel) == 0) return false;
        system.wake(word);
        return true;
    }
    /// Consumer: announces that it will sleep. It must look for data once more after this.
    static void arm(std::uint32_t& flags, std::uint32_t& word, System& system) noexcept {
        // release: pairs with the exchange in ring(). Before WAITING: who sees that finds a 1.
        Atomics::store(word, 1U, std::memory_order_release);
        // release: pairs with nothing that it carries; it keeps the order of the two stores.
        Atomics::fetch_or(flags, SPANRING_FLAG_WAITING, std::memory_order_release);
        system.barrier();
    }
    /// Consumer: sleeps until somebody rings or the time is over.
    static void sleep(std::uint32_t& word, std::uint64_t timeout_ns, System& system) noexcept {
        system.wait(word, timeout_ns);
    }
    /// Consumer: is awake.
    static void disarm(std::uint32_t& flags, std::uint32_t& word) noexcept {
        // relaxed, both: a producer that still sees WAITING exchanges once in vain.
        Atomics::fetch_and(flags, ~SPANRING_FLAG_WAITING, std::memory_order_relaxed);
        Atomics::store(word, 0U, std::memory_order_relaxed);
    }
};

/// The real calls: shared futex, membarrier(GLOBAL_EXPEDITED).
struct FutexSystem {
    void wake(std::uint32_t& word) noexcept;
    void wait(std::uint32_t& word, std::uint64_t timeout_ns) noexcept;
    void barrier() noexcept;
};

using Doorbell = BasicDoorbell<RealAtomics, FutexSystem>;

/// Producer: what follows a published record. `word`: of the mapped spanring_doorbell.
inline void ring_if_waiting(const std::uint32_t& flags, std::uint32_t& word) noexcept {
    if (Doorbell::waiting(flags)) [[unlikely]] {
        FutexSystem system;
        Doorbell::ring(word, system);
    }
}

/// Consumer: sleeps until a producer publishes, somebody rings, or `timeout_ns` is over.
/// `look_again`: returns true if there is something to do already; called once, after the consumer
/// has announced itself. Returns false if it did not have to sleep.
template <typename LookAgain>
bool wait_for_producers(std::uint32_t& flags, std::uint32_t& word, std::uint64_t timeout_ns,
                        LookAgain&& look_again) {
    FutexSystem system;
    Doorbell::arm(flags, word, system);
    const bool something = look_again();
    if (!something) Doorbell::sleep(word, timeout_ns, system);
    Doorbell::disarm(flags, word);
    return !something;
}

/// Registers this process so that the consumer's membarrier reaches it. Producer, once per process
/// (a forked child anew). Returns false if the kernel cannot: note it in the segment.
bool register_membarrier() noexcept;
/// Returns whether this kernel can do GLOBAL_EXPEDITED: if not, the consumer polls.
bool membarrier_available() noexcept;

}  // namespace spanring::shm
