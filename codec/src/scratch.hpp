// Memory for the values of one batch, kept for the next one: what grows once costs nothing more.
// Threads: one.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <memory>
#include <span>

namespace spanring::codec {

template <typename T>
class Scratch {
public:
    /// Returns room for `count` values, which are whatever stood there. Void what take() gave
    /// before.
    std::span<T> take(std::size_t count) {
        if (count > capacity_) {
            capacity_ = std::bit_ceil(count);
            memory_ = std::make_unique_for_overwrite<T[]>(capacity_);
        }
        return {memory_.get(), count};
    }
    /// As take(), all of them `value`.
    std::span<T> filled(std::size_t count, T value) {
        const auto room = take(count);
        std::fill(room.begin(), room.end(), value);
        return room;
    }

    /// Gives back what is more than `count`. Void what take() gave before.
    void keep_at_most(std::size_t count) noexcept {
        if (capacity_ <= count) return;
        memory_.reset();
        capacity_ = 0;
    }

private:
    std::unique_ptr<T[]> memory_;
    std::size_t capacity_{0};
};

}  // namespace spanring::codec
