#include "spanring/base/ids.hpp"

#include <bit>

namespace spanring {
namespace {

// Speck with 128-bit blocks and 64-bit blocks, both under a 128-bit key: Beaulieu et al., "The
// SIMON and SPECK Families of Lightweight Block Ciphers", IACR ePrint 2013/404, table 4.1: 32
// rounds (128/128, rotations 8 and 3), 27 rounds (64/128).
template <typename Word, int kRounds>
class Speck {
public:
    struct Block {
        Word x, y;
    };

    explicit Speck(const Key128& key) noexcept {
        constexpr int kWords = 16 / sizeof(Word);
        std::array<Word, kWords> k;
        std::memcpy(k.data(), key.data(), 16);
        Word left[kRounds + kWords];
        for (int i = 1; i < kWords; ++i) left[i - 1] = k[static_cast<std::size_t>(i)];
        round_[0] = k[0];
        for (int i = 0; i < kRounds - 1; ++i) {
            Block b{left[i], round_[static_cast<std::size_t>(i)]};
            forward(b, static_cast<Word>(i));
            left[i + kWords - 1] = b.x;
            round_[static_cast<std::size_t>(i) + 1] = b.y;
        }
    }

    [[nodiscard]] Block encrypt(Block b) const noexcept {
        for (const Word k : round_) forward(b, k);
        return b;
    }

    [[nodiscard]] Block decrypt(Block b) const noexcept {
        for (auto k = round_.rbegin(); k != round_.rend(); ++k) {
            b.y = std::rotr(static_cast<Word>(b.x ^ b.y), 3);
            b.x = std::rotl(static_cast<Word>((b.x ^ *k) - b.y), 8);
        }
        return b;
    }

private:
    static void forward(Block& b, Word k) noexcept {
        b.x = static_cast<Word>(std::rotr(b.x, 8) + b.y) ^ k;
        b.y = std::rotl(b.y, 3) ^ b.x;
    }

    std::array<Word, kRounds> round_{};
};

using TraceCipher = Speck<std::uint64_t, 32>;
using SpanCipher = Speck<std::uint32_t, 27>;

std::uint64_t apply_span_cipher(const Key128& key, std::uint64_t value, bool forward) noexcept {
    const SpanCipher cipher(key);
    // Zero is not a span id and not a span key. Cycle walking: the one key whose image is zero
    // takes the image of zero.
    do {
        SpanCipher::Block b{static_cast<std::uint32_t>(value >> 32),
                            static_cast<std::uint32_t>(value)};
        b = forward ? cipher.encrypt(b) : cipher.decrypt(b);
        value = (static_cast<std::uint64_t>(b.x) << 32) | b.y;
    } while (value == 0);
    return value;
}

constexpr char kHex[] = "0123456789abcdef";

std::string hex_of(const std::uint8_t* bytes, std::size_t count) {
    std::string out;
    out.reserve(count * 2);
    for (std::size_t i = 0; i < count; ++i) {
        out.push_back(kHex[bytes[i] >> 4]);
        out.push_back(kHex[bytes[i] & 15]);
    }
    return out;
}

int nibble(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool bytes_of(std::string_view hex, std::uint8_t* out) noexcept {
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        const int high = nibble(hex[i]);
        const int low = nibble(hex[i + 1]);
        if (high < 0 || low < 0) return false;
        out[i / 2] = static_cast<std::uint8_t>(high << 4 | low);
    }
    return true;
}

}  // namespace

TraceId derive_trace_id(const Key128& host_key, std::uint64_t instance_number,
                        SpanKey root) noexcept {
    const auto b = TraceCipher(host_key).encrypt({instance_number, root.value});
    TraceId id;
    std::memcpy(id.bytes.data(), &b.x, 8);
    std::memcpy(id.bytes.data() + 8, &b.y, 8);
    return id;
}

TraceOrigin locate_trace(const Key128& host_key, const TraceId& id) noexcept {
    TraceCipher::Block b{};
    std::memcpy(&b.x, id.bytes.data(), 8);
    std::memcpy(&b.y, id.bytes.data() + 8, 8);
    b = TraceCipher(host_key).decrypt(b);
    return {b.x, SpanKey{b.y}};
}

SpanId derive_span_id(const Key128& span_key, SpanKey key) noexcept {
    const std::uint64_t value = apply_span_cipher(span_key, key.value, true);
    SpanId id;
    std::memcpy(id.bytes.data(), &value, 8);
    return id;
}

SpanKey locate_span(const Key128& span_key, const SpanId& id) noexcept {
    std::uint64_t value;
    std::memcpy(&value, id.bytes.data(), 8);
    return {apply_span_cipher(span_key, value, false)};
}

std::string to_hex(const TraceId& id, bool as_64_bit) {
    return as_64_bit ? hex_of(id.bytes.data() + 8, 8) : hex_of(id.bytes.data(), 16);
}

std::string to_hex(const SpanId& id) {
    return hex_of(id.bytes.data(), 8);
}

bool from_hex(std::string_view hex, TraceId* id) noexcept {
    if (hex.size() != 32 && hex.size() != 16) return false;
    TraceId read;
    if (!bytes_of(hex, read.bytes.data() + (16 - hex.size() / 2))) return false;
    *id = read;
    return true;
}

bool from_hex(std::string_view hex, SpanId* id) noexcept {
    SpanId read;
    if (hex.size() != 16 || !bytes_of(hex, read.bytes.data())) return false;
    *id = read;
    return true;
}

}  // namespace spanring
