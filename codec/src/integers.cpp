#include "integers.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace spanring::codec {
namespace {

using Block = std::span<const std::uint64_t>;

struct Packing {
    std::uint64_t base{0};
    unsigned width{0};
    std::size_t exceptions{0};
    std::size_t cost_bytes{0};  // estimated: exceptions counted at 1.5 bytes and their bits / 7
};

// Width, exceptions, base.
constexpr std::size_t kBlockCostMin = 3;
// From here on blocks of equal values are shorter than plain ones.
constexpr std::size_t kConstantMin = 8;

struct Bounds {
    std::uint64_t low, high;
};

// Two of each, as one would wait for itself.
Bounds bounds_of(Block block) {
    Bounds even{block[0], block[0]};
    Bounds odd = even;
    std::size_t i = 0;
    for (; i + 2 <= block.size(); i += 2) {
        even = {std::min(even.low, block[i]), std::max(even.high, block[i])};
        odd = {std::min(odd.low, block[i + 1]), std::max(odd.high, block[i + 1])};
    }
    if (i < block.size()) even = {std::min(even.low, block[i]), std::max(even.high, block[i])};
    return {std::min(even.low, odd.low), std::max(even.high, odd.high)};
}

// Chooses the width of a block: walking down from the widest value, each step saves one bit of
// every value and adds the values of that length to the exceptions.
Packing choose_packing(Block block) {
    const auto bounds = bounds_of(block);
    const std::uint64_t low = bounds.low;
    Packing best{.base = low, .width = static_cast<unsigned>(std::bit_width(bounds.high - low))};
    best.cost_bytes = (block.size() * best.width + 7) / 8;
    if (best.width == 0) return best;

    // The lengths of a block cluster: several tables keep the increments of one counter apart in
    // time, so that none waits for the one before.
    constexpr std::size_t kTables = 4;
    std::array<std::array<std::uint16_t, kTables>, 65> lengths;
    std::fill_n(lengths.begin(), best.width + 1, std::array<std::uint16_t, kTables>{});
    const auto length = [&](std::size_t i) {
        return static_cast<std::size_t>(std::bit_width(block[i] - low));
    };
    std::size_t i = 0;
    for (; i + kTables <= block.size(); i += kTables) {
        ++lengths[length(i)][0];
        ++lengths[length(i + 1)][1];
        ++lengths[length(i + 2)][2];
        ++lengths[length(i + 3)][3];
    }
    for (; i < block.size(); ++i) ++lengths[length(i)][0];
    std::size_t exceptions = 0;
    std::size_t exception_bits = 0;
    for (unsigned width = best.width; width-- > 0;) {
        const auto& as_long = lengths[width + 1];
        exceptions += std::size_t{as_long[0]} + as_long[1] + as_long[2] + as_long[3];
        // Each costs a position and a byte at least: no narrower width makes up for that.
        if (exceptions * 3 / 2 >= best.cost_bytes) break;
        exception_bits += exceptions;
        const std::size_t cost =
            (block.size() * width + 7) / 8 + exceptions * 3 / 2 + exception_bits / 7;
        if (cost < best.cost_bytes) {
            best.cost_bytes = cost;
            best.width = width;
            best.exceptions = exceptions;
        }
    }
    return best;
}

std::size_t cost_of(const Packing& packing) noexcept {
    return kBlockCostMin + static_cast<std::size_t>(std::bit_width(packing.base)) / 7 +
           packing.cost_bytes;
}

constexpr std::uint64_t mask_of(unsigned width) noexcept {
    return width == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
}

// Packs into out[0 ...), which has room for 8 bytes more than needed.
void put_bits(std::byte* out, Block block, const Packing& packing) {
    const std::uint64_t mask = mask_of(packing.width);
    const std::uint64_t base = packing.base;
    const unsigned width = packing.width;
    std::uint64_t word = 0;
    unsigned have = 0;
    for (std::size_t i = 0; i < block.size(); ++i) {
        const std::uint64_t bits = (block[i] - base) & mask;
        word |= bits << have;
        have += width;
        if (have >= 64) {
            std::memcpy(out, &word, 8);
            out += 8;
            have -= 64;
            // What did not fit; nothing (and no shift by 64) if the word ended with the value.
            word = have == 0 ? 0 : bits >> (width - have);
        }
    }
    std::memcpy(out, &word, 8);
}

void put_exceptions(Buffer& out, Block block, const Packing& packing) {
    std::array<std::uint8_t, kBlockValues> positions;
    std::size_t exceptions = 0;
    for (std::size_t i = 0; i < block.size(); ++i) {
        positions[exceptions] = static_cast<std::uint8_t>(i);
        exceptions += ((block[i] - packing.base) >> packing.width) != 0 ? 1 : 0;
    }
    put_bytes(out, std::as_bytes(std::span(positions.data(), exceptions)));
    for (std::size_t i = 0; i < exceptions; ++i) {
        put_varint(out, (block[positions[i]] - packing.base) >> packing.width);
    }
}

void put_block(Buffer& out, Block block, const Packing& packing) {
    out.push_back(static_cast<std::byte>(packing.width));
    out.push_back(static_cast<std::byte>(packing.exceptions));
    put_varint(out, packing.base);
    if (packing.width > 0) {
        const std::size_t at = out.size();
        const std::size_t packed_bytes = (block.size() * packing.width + 7) / 8;
        out.resize(at + packed_bytes + 8);
        put_bits(out.data() + at, block, packing);
        out.resize(at + packed_bytes);
    }
    if (packing.exceptions != 0) put_exceptions(out, block, packing);
}

// Calls `f(block)` for each block of the values.
template <typename F>
void for_each_block(std::span<const std::uint64_t> values, F&& f) {
    for (std::size_t i = 0; i < values.size(); i += kBlockValues) {
        f(values.subspan(i, std::min(kBlockValues, values.size() - i)));
    }
}

// As for_each_block, of the differences to the value before.
template <typename F>
void for_each_block_of_deltas(std::span<const std::uint64_t> values, F&& f) {
    std::array<std::uint64_t, kBlockValues> deltas;
    std::uint64_t before = 0;
    for_each_block(values, [&](Block block) {
        for (std::size_t i = 0; i < block.size(); ++i) {
            deltas[i] = zigzag(block[i] - before);
            before = block[i];
        }
        f(Block(deltas.data(), block.size()));
    });
}

void get_bits(std::span<const std::byte> bits, std::uint64_t base, unsigned width,
              std::span<std::uint64_t> out) {
    // Padded, so that each value can be fetched with one load of 8 bytes and one more byte.
    std::array<std::byte, kBlockValues * 8 + 16> padded;
    std::copy(bits.begin(), bits.end(), padded.begin());
    std::fill_n(padded.begin() + static_cast<std::ptrdiff_t>(bits.size()), 16, std::byte{0});
    std::size_t bit = 0;
    for (std::uint64_t& value : out) {
        const std::byte* at = padded.data() + bit / 8;
        const unsigned shift = bit % 8;
        std::uint64_t word;
        std::memcpy(&word, at, 8);
        word >>= shift;
        if (shift + width > 64) word |= std::to_integer<std::uint64_t>(at[8]) << (64 - shift);
        value = base + (word & mask_of(width));
        bit += width;
    }
}

bool get_block(ByteReader& in, std::span<std::uint64_t> out) {
    const auto width = in.fixed<std::uint8_t>();
    const auto exceptions = in.fixed<std::uint8_t>();
    const std::uint64_t base = in.varint();
    if (width > 64 || exceptions > out.size() || (width == 64 && exceptions > 0)) in.fail();
    const auto bits = in.bytes((out.size() * width + 7) / 8);
    const auto positions = in.bytes(exceptions);
    if (!in.ok()) return false;
    get_bits(bits, base, width, out);
    for (const std::byte position : positions) {
        const auto i = std::to_integer<std::size_t>(position);
        const std::uint64_t high = in.varint();
        if (!in.ok() || i >= out.size()) {
            in.fail();
            return false;
        }
        out[i] += high << width;
    }
    return true;
}

bool get_plain(ByteReader& in, std::span<std::uint64_t> out) {
    const auto width = in.fixed<std::uint8_t>();
    if (width != 1 && width != 2 && width != 4 && width != 8) in.fail();
    const auto words = in.bytes(out.size() * width);
    if (!in.ok()) return false;
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = 0;
        std::memcpy(&out[i], words.data() + i * width, width);
    }
    return true;
}

// A width that is known at compile time: a loop that the compiler turns into vectors.
template <typename Narrow, typename T>
void put_narrow(Buffer& out, std::span<const T> values) {
    const std::size_t at = out.size();
    out.resize(at + values.size() * sizeof(Narrow));
    for (std::size_t i = 0; i < values.size(); ++i) {
        const auto narrow = static_cast<Narrow>(values[i]);
        std::memcpy(out.data() + at + i * sizeof(Narrow), &narrow, sizeof(Narrow));
    }
}

// The blocks of `count` equal values.
void put_constant(Buffer& out, std::uint64_t value, std::size_t count) {
    out.push_back(static_cast<std::byte>(IntegerTag::kPacked));
    for (std::size_t i = 0; i < count; i += kBlockValues) {
        put_block(out, Block(&value, 1), {.base = value});
    }
}

}  // namespace

void put_integers(Buffer& out, std::span<const std::uint64_t> values) {
    std::size_t direct = 0;
    for_each_block(values, [&](Block block) { direct += cost_of(choose_packing(block)); });
    const std::size_t blocks = (values.size() + kBlockValues - 1) / kBlockValues;
    // Nothing is smaller than blocks of equal values.
    if (direct <= blocks * kBlockCostMin) return put_packed(out, values);
    std::size_t as_deltas = 0;
    for_each_block_of_deltas(values,
                             [&](Block block) { as_deltas += cost_of(choose_packing(block)); });
    as_deltas < direct ? put_deltas(out, values) : put_packed(out, values);
}

void put_packed(Buffer& out, std::span<const std::uint64_t> values) {
    out.push_back(static_cast<std::byte>(IntegerTag::kPacked));
    for_each_block(values, [&](Block block) { put_block(out, block, choose_packing(block)); });
}

void put_deltas(Buffer& out, std::span<const std::uint64_t> values) {
    out.push_back(static_cast<std::byte>(IntegerTag::kDelta));
    for_each_block_of_deltas(values,
                             [&](Block block) { put_block(out, block, choose_packing(block)); });
}

template <typename T>
void put_plain(Buffer& out, std::span<const T> values) {
    std::uint64_t all = 0;
    std::uint64_t differences = 0;
    for (const T v : values) {
        all |= v;
        differences |= v ^ values[0];
    }
    if (differences == 0 && values.size() > kConstantMin) {
        return put_constant(out, values[0], values.size());
    }
    const std::size_t width = all < (1u << 8) ? 1 : all < (1u << 16) ? 2 : all >> 32 == 0 ? 4 : 8;
    out.push_back(static_cast<std::byte>(IntegerTag::kPlain));
    out.push_back(static_cast<std::byte>(width));
    switch (width) {
        case 1: return put_narrow<std::uint8_t>(out, values);
        case 2: return put_narrow<std::uint16_t>(out, values);
        case 4: return put_narrow<std::uint32_t>(out, values);
        default: return put_narrow<std::uint64_t>(out, values);
    }
}
template void put_plain(Buffer& out, std::span<const std::uint8_t> values);
template void put_plain(Buffer& out, std::span<const std::uint16_t> values);
template void put_plain(Buffer& out, std::span<const std::uint32_t> values);
template void put_plain(Buffer& out, std::span<const std::uint64_t> values);

bool get_integers(ByteReader& in, std::size_t count, std::vector<std::uint64_t>* values) {
    values->resize(count);
    const auto tag = static_cast<IntegerTag>(in.fixed<std::uint8_t>());
    if (!in.ok()) return false;
    if (tag == IntegerTag::kPlain) return get_plain(in, *values);
    if (tag != IntegerTag::kPacked && tag != IntegerTag::kDelta) {
        in.fail();
        return false;
    }
    const std::span<std::uint64_t> all(*values);
    for (std::size_t i = 0; i < count; i += kBlockValues) {
        if (!get_block(in, all.subspan(i, std::min(kBlockValues, count - i)))) return false;
    }
    if (tag == IntegerTag::kDelta) {
        std::uint64_t before = 0;
        for (std::uint64_t& v : all) v = before += unzigzag(v);
    }
    return true;
}

}  // namespace spanring::codec
