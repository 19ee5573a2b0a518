// Integers and byte strings in the positions section of a frame and in trace filters: LEB128
// varints, because at 1,000 small commits a second the positions are most of what is written.
// Threads: one writer's or reader's own buffer. A WireReader never reads out of bounds, whatever
// the bytes are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace spanring::store {

class WireWriter {
public:
    explicit WireWriter(std::vector<std::byte>& out) noexcept : out_(out) {}

    void varint(std::uint64_t value) {
        for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<std::byte>(value | 0x80));
        out_.push_back(static_cast<std::byte>(value));
    }
    void raw(const void* data, std::size_t bytes) {
        const auto* from = static_cast<const std::byte*>(data);
        out_.insert(out_.end(), from, from + bytes);
    }
    void block(std::span<const std::byte> bytes) {
        varint(bytes.size());
        raw(bytes.data(), bytes.size());
    }

private:
    std::vector<std::byte>& out_;
};

/// After the first breach every read returns zero and `ok()` is false: callers check once.
class WireReader {
public:
    explicit WireReader(std::span<const std::byte> bytes) noexcept : rest_(bytes) {}

    [[nodiscard]] std::uint64_t varint() noexcept {
        std::uint64_t value = 0;
        for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
            const auto byte = static_cast<std::uint64_t>(rest_.front());
            rest_ = rest_.subspan(1);
            // The tenth byte holds one bit of 64.
            if (shift == 63 && byte > 1) break;
            value |= (byte & 0x7f) << shift;
            if (byte < 0x80) return value;
        }
        return fail();
    }
    /// A varint that must fit in 32 bits.
    [[nodiscard]] std::uint32_t varint32() noexcept {
        const std::uint64_t value = varint();
        return static_cast<std::uint32_t>(value <= UINT32_MAX ? value : fail());
    }
    /// The number of elements that follow, each at least `bytes_min` long: never more than the rest
    /// can hold, so a reader may reserve memory for them.
    [[nodiscard]] std::size_t count(std::size_t bytes_min) noexcept {
        const std::uint64_t value = varint();
        return static_cast<std::size_t>(value <= rest_.size() / bytes_min ? value : fail());
    }
    void raw(void* out, std::size_t bytes) noexcept {
        if (bytes > rest_.size()) {
            fail();
            std::memset(out, 0, bytes);
            return;
        }
        if (bytes != 0) std::memcpy(out, rest_.data(), bytes);
        rest_ = rest_.subspan(bytes);
    }
    [[nodiscard]] std::span<const std::byte> block() noexcept {
        const std::size_t bytes = count(1);
        const auto found = rest_.first(bytes);
        rest_ = rest_.subspan(bytes);
        return found;
    }

    /// What is not read yet.
    [[nodiscard]] std::span<const std::byte> rest() const noexcept { return rest_; }
    [[nodiscard]] bool ok() const noexcept { return ok_; }
    [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }

private:
    std::uint64_t fail() noexcept {
        ok_ = false;
        rest_ = {};
        return 0;
    }

    std::span<const std::byte> rest_;
    bool ok_{true};
};

}  // namespace spanring::store
