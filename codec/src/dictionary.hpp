// A column of strings most of which occur several times: each once, ascending, told by what it
// shares with the one before; then, for each value, the number of its entry.
//
//   3 (a byte, where a column of lengths has the tag of its integers), varint: number of entries
//   integers   lengths of the entries
//   integers   bytes that each shares with the one before (the first: 0)
//   integers   for each value: its entry
//   integers   the other bytes of the entries, a number each: those of an alphabet pack well
//
// docs/format/batch.md, section "16 + c Columns". Threads: plain objects.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bytes.hpp"

namespace spanring::codec {

inline constexpr std::byte kDictionaryTag{3};

/// Appends the values with these lengths, which stand end to end in `bytes`. Returns false, and
/// appends nothing, if too few of them occur twice for it to pay.
bool put_dictionary(Buffer& out, std::span<const std::uint64_t> lengths,
                    std::span<const std::byte> bytes);

class Dictionary {
public:
    /// Reads the column of `count` values. Returns false, and fails `in`, if it is malformed.
    [[nodiscard]] bool read(ByteReader& in, std::size_t count);
    [[nodiscard]] std::span<const std::byte> value(std::size_t index) const noexcept {
        return entry(entry_of_[index]);
    }
    [[nodiscard]] std::size_t entry_of(std::size_t index) const noexcept {
        return entry_of_[index];
    }
    [[nodiscard]] std::size_t entry_count() const noexcept { return ends_.size(); }
    [[nodiscard]] std::span<const std::byte> entry(std::size_t number) const noexcept {
        const std::size_t begin = number == 0 ? 0 : ends_[number - 1];
        return std::span(text_).subspan(begin, ends_[number] - begin);
    }
    /// Of all values together, each counted as often as it occurs.
    [[nodiscard]] std::uint64_t value_bytes() const noexcept { return value_bytes_; }
    /// Of all entries, whether a value names them or not.
    [[nodiscard]] std::uint64_t text_bytes() const noexcept { return text_.size(); }

private:
    [[nodiscard]] bool read_entries(ByteReader& in, std::span<const std::uint64_t> lengths,
                                    std::span<const std::uint64_t> shared);

    Buffer text_;
    std::vector<std::size_t> ends_;
    std::vector<std::uint64_t> entry_of_;
    std::uint64_t value_bytes_{0};
};

}  // namespace spanring::codec
