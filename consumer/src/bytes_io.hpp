// Writing and reading the assembler's carry-over state: LEB128 numbers, fixed 64-bit words,
// length-prefixed bytes. The reader stops at the first thing that does not fit. Threads: one's own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace spanring::consumer {

class BytesWriter {
public:
    explicit BytesWriter(std::vector<std::byte>& out) noexcept : out_(out) {}
    void number(std::uint64_t value) {
        while (value >= 0x80) {
            out_.push_back(static_cast<std::byte>(value | 0x80));
            value >>= 7;
        }
        out_.push_back(static_cast<std::byte>(value));
    }
    void word(std::uint64_t value) {
        const auto* from = reinterpret_cast<const std::byte*>(&value);
        out_.insert(out_.end(), from, from + 8);
    }
    void bytes(std::span<const std::byte> value) {
        number(value.size());
        out_.insert(out_.end(), value.begin(), value.end());
    }

private:
    std::vector<std::byte>& out_;
};

class BytesReader {
public:
    explicit BytesReader(std::span<const std::byte> in) noexcept : in_(in) {}
    std::uint64_t number() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            if (at_ >= in_.size()) break;
            const auto byte = static_cast<std::uint64_t>(in_[at_++]);
            value |= (byte & 0x7f) << shift;
            if (byte < 0x80) return value;
        }
        ok_ = false;
        return 0;
    }
    std::uint64_t word() {
        std::uint64_t value = 0;
        if (in_.size() - at_ < 8) {
            ok_ = false;
            return 0;
        }
        std::memcpy(&value, in_.data() + at_, 8);
        at_ += 8;
        return value;
    }
    std::span<const std::byte> bytes() {
        const std::uint64_t count = number();
        if (count > in_.size() - at_) {
            ok_ = false;
            return {};
        }
        const auto out = in_.subspan(at_, static_cast<std::size_t>(count));
        at_ += out.size();
        return out;
    }
    [[nodiscard]] bool ok() const noexcept { return ok_; }
    [[nodiscard]] bool at_end() const noexcept { return at_ == in_.size(); }

private:
    std::span<const std::byte> in_;
    std::size_t at_{0};
    bool ok_{true};
};

}  // namespace spanring::consumer
