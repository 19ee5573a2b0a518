// How the ring touches shared words. The algorithms (page_ring.hpp, doorbell.hpp) are templates
// over a policy: RealAtomics in the product, a scheduler's in tests/model, which runs the same code
// through every interleaving.
//
// Any thread; async-signal-safe; never blocks.
#pragma once

#include <atomic>
#include <cstdint>

namespace spanring::shm {

struct RealAtomics {
    template <typename T>
    static T load(const T& word, std::memory_order order) noexcept {
        // const_cast: atomic_ref<const T> came after C++20; a load of 8 bytes never writes here.
        return std::atomic_ref<T>(const_cast<T&>(word)).load(order);
    }
    template <typename T>
    static void store(T& word, T value, std::memory_order order) noexcept {
        std::atomic_ref<T>(word).store(value, order);
    }
    template <typename T>
    static bool compare_exchange(T& word, T& expected, T desired, std::memory_order success,
                                 std::memory_order failure) noexcept {
        return std::atomic_ref<T>(word).compare_exchange_strong(expected, desired, success,
                                                                failure);
    }
    template <typename T>
    static T exchange(T& word, T value, std::memory_order order) noexcept {
        return std::atomic_ref<T>(word).exchange(value, order);
    }
    template <typename T>
    static T fetch_add(T& word, T value, std::memory_order order) noexcept {
        return std::atomic_ref<T>(word).fetch_add(value, order);
    }
    template <typename T>
    static T fetch_or(T& word, T value, std::memory_order order) noexcept {
        return std::atomic_ref<T>(word).fetch_or(value, order);
    }
    template <typename T>
    static T fetch_and(T& word, T value, std::memory_order order) noexcept {
        return std::atomic_ref<T>(word).fetch_and(value, order);
    }
};

static_assert(std::atomic_ref<std::uint64_t>::is_always_lock_free, "words are shared by processes");

}  // namespace spanring::shm
