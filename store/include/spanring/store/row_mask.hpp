// A set of rows of one batch. Threads: a plain object.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace spanring::store {

class RowMask {
public:
    explicit RowMask(std::size_t rows, bool all = false)
        : rows_(rows), words_((rows + 63) / 64, all ? ~std::uint64_t{0} : 0) {
        clear_rest();
    }

    [[nodiscard]] std::size_t size() const noexcept { return rows_; }
    [[nodiscard]] bool has(std::size_t row) const noexcept {
        return (words_[row / 64] >> (row % 64) & 1) != 0;
    }
    void put(std::size_t row, bool in) noexcept {
        words_[row / 64] |= std::uint64_t{in} << (row % 64);
    }
    [[nodiscard]] bool none() const noexcept {
        std::uint64_t any = 0;
        for (const std::uint64_t word : words_) any |= word;
        return any == 0;
    }
    [[nodiscard]] std::size_t count() const noexcept {
        std::size_t n = 0;
        for (const std::uint64_t word : words_) n += static_cast<std::size_t>(std::popcount(word));
        return n;
    }
    RowMask& operator&=(const RowMask& other) noexcept {
        for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
        return *this;
    }
    RowMask& operator|=(const RowMask& other) noexcept {
        for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
        return *this;
    }
    void flip() noexcept {
        for (std::uint64_t& word : words_) word = ~word;
        clear_rest();
    }
    /// Calls f(row) for each, ascending, until it returns false; returns whether it never did.
    template <typename F>
    bool each(F&& f) const {
        for (std::size_t i = 0; i < words_.size(); ++i)
            for (std::uint64_t word = words_[i]; word != 0; word &= word - 1)
                if (!f(i * 64 + static_cast<std::size_t>(std::countr_zero(word)))) return false;
        return true;
    }
    [[nodiscard]] std::vector<std::uint32_t> numbers() const {
        std::vector<std::uint32_t> rows;
        rows.reserve(count());
        (void)each([&](std::size_t row) {
            rows.push_back(static_cast<std::uint32_t>(row));
            return true;
        });
        return rows;
    }
    bool operator==(const RowMask&) const = default;

private:
    void clear_rest() noexcept {
        if (rows_ % 64 != 0) words_.back() &= (std::uint64_t{1} << (rows_ % 64)) - 1;
    }

    std::size_t rows_;
    std::vector<std::uint64_t> words_;
};

}  // namespace spanring::store
