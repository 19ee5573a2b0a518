// FlatMap: span key -> value in one array (open addressing, linear probing, backward-shift
// deletion). The keys are chosen by producers, so the hash is seeded. Pointers to values are valid
// until the next insertion or erasure. Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace spanring::consumer {

template <typename Value>
class FlatMap {
public:
    explicit FlatMap(std::uint64_t seed) noexcept : seed_(seed) {}

    [[nodiscard]] Value* find(std::uint64_t key) noexcept {
        if (count_ == 0) return nullptr;
        for (std::size_t i = home(key);; i = next(i)) {
            if (slots_[i].key == key) return &slots_[i].value;
            if (slots_[i].key == 0) return nullptr;
        }
    }

    /// Inserts or replaces; `key` is not 0.
    Value& insert(std::uint64_t key, Value value) {
        if (Value* known = find(key)) return *known = std::move(value);
        if ((count_ + 1) * 4 > slots_.size() * 3) grow();
        std::size_t i = home(key);
        while (slots_[i].key != 0) i = next(i);
        slots_[i].key = key;
        slots_[i].value = std::move(value);
        ++count_;
        return slots_[i].value;
    }

    void erase(std::uint64_t key) noexcept {
        if (count_ == 0) return;
        std::size_t hole = home(key);
        while (slots_[hole].key != key) {
            if (slots_[hole].key == 0) return;
            hole = next(hole);
        }
        // Whoever probes past the hole on the way to his place moves into it.
        for (std::size_t i = next(hole); slots_[i].key != 0; i = next(i)) {
            const std::size_t wanted = home(slots_[i].key);
            if (((i - wanted) & mask()) >= ((i - hole) & mask())) {
                slots_[hole] = std::move(slots_[i]);
                hole = i;
            }
        }
        slots_[hole] = Slot{};
        --count_;
    }

    template <typename Visit>
    void for_each(Visit visit) {
        for (Slot& slot : slots_) {
            if (slot.key != 0) visit(slot.value);
        }
    }

    void clear() noexcept {
        slots_.clear();
        count_ = 0;
    }
    [[nodiscard]] std::size_t count() const noexcept { return count_; }

private:
    struct Slot {
        std::uint64_t key{0};
        Value value{};
    };

    [[nodiscard]] std::size_t mask() const noexcept { return slots_.size() - 1; }
    [[nodiscard]] std::size_t next(std::size_t i) const noexcept { return (i + 1) & mask(); }
    [[nodiscard]] std::size_t home(std::uint64_t key) const noexcept {
        // The finaliser of MurmurHash3 over the seeded key: every bit of the key reaches the index.
        std::uint64_t h = key ^ seed_;
        h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdull;
        h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ull;
        return static_cast<std::size_t>(h ^ (h >> 33)) & mask();
    }
    void grow() {
        std::vector<Slot> old(slots_.empty() ? 64 : slots_.size() * 2);
        old.swap(slots_);
        count_ = 0;
        for (Slot& slot : old) {
            if (slot.key != 0) insert(slot.key, std::move(slot.value));
        }
    }

    std::vector<Slot> slots_;
    std::size_t count_{0};
    std::uint64_t seed_;
};

}  // namespace spanring::consumer
