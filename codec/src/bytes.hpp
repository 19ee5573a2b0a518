// Reading and writing of untrusted byte strings: little-endian numbers and LEB128 varints.
// ByteReader never reads out of bounds; after the first failure it stays failed and gives zeros, so
// that a parser may check once, at the end of a step. Threads: plain objects.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace spanring::codec {

using Buffer = std::vector<std::byte>;

inline void put_varint(Buffer& out, std::uint64_t value) {
    while (value >= 0x80) {
        out.push_back(static_cast<std::byte>(value | 0x80));
        value >>= 7;
    }
    out.push_back(static_cast<std::byte>(value));
}
void put_bytes(Buffer& out, std::span<const std::byte> bytes);
void put_text(Buffer& out, std::string_view text);

/// Gives back what is more than `bytes`.
inline void keep_at_most(Buffer& buffer, std::size_t bytes) noexcept {
    if (buffer.capacity() > bytes) Buffer().swap(buffer);
}

inline std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::uint64_t load_word(const std::byte* at) noexcept {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
}

template <typename T>
void put_fixed(Buffer& out, T value) {
    const std::size_t at = out.size();
    out.resize(at + sizeof(T));
    std::memcpy(out.data() + at, &value, sizeof(T));
}

/// A signed number as an unsigned one that is small when the absolute value is. Wraps nowhere.
constexpr std::uint64_t zigzag(std::uint64_t difference) noexcept {
    return (difference << 1) ^ (0 - (difference >> 63));
}
constexpr std::uint64_t unzigzag(std::uint64_t code) noexcept {
    return (code >> 1) ^ (0 - (code & 1));
}

class ByteReader {
public:
    explicit ByteReader(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}

    [[nodiscard]] std::uint64_t varint() noexcept;
    /// A varint that must not exceed `max`, else the reader fails.
    [[nodiscard]] std::uint64_t varint_up_to(std::uint64_t max) noexcept;
    [[nodiscard]] std::span<const std::byte> bytes(std::uint64_t count) noexcept;

    template <typename T>
    [[nodiscard]] T fixed() noexcept {
        T value{};
        const auto read = bytes(sizeof(T));
        if (ok_) std::memcpy(&value, read.data(), sizeof(T));
        return value;
    }

    void fail() noexcept { ok_ = false; }
    [[nodiscard]] bool ok() const noexcept { return ok_; }
    [[nodiscard]] std::size_t position() const noexcept { return position_; }
    [[nodiscard]] std::size_t left() const noexcept { return bytes_.size() - position_; }
    /// True if everything was read and nothing failed.
    [[nodiscard]] bool finished() const noexcept { return ok_ && left() == 0; }

private:
    std::span<const std::byte> bytes_;
    std::size_t position_{0};
    bool ok_{true};
};

}  // namespace spanring::codec
