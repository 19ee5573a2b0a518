#include "bytes.hpp"

namespace spanring::codec {

void put_bytes(Buffer& out, std::span<const std::byte> bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

void put_text(Buffer& out, std::string_view text) {
    put_bytes(out, std::as_bytes(std::span(text.data(), text.size())));
}

std::uint64_t ByteReader::varint() noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && position_ < bytes_.size(); shift += 7) {
        const auto byte = std::to_integer<std::uint64_t>(bytes_[position_++]);
        // The tenth byte has room for one bit: more would be lost.
        if (shift == 63 && byte > 1) break;
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) return ok_ ? value : 0;
    }
    ok_ = false;
    return 0;
}

std::uint64_t ByteReader::varint_up_to(std::uint64_t max) noexcept {
    const std::uint64_t value = varint();
    if (value > max) {
        ok_ = false;
        return 0;
    }
    return value;
}

std::span<const std::byte> ByteReader::bytes(std::uint64_t count) noexcept {
    if (!ok_ || count > left()) {
        ok_ = false;
        return {};
    }
    const auto read = bytes_.subspan(position_, count);
    position_ += count;
    return read;
}

}  // namespace spanring::codec
