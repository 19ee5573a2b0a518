// Columns of 64-bit integers: the best of three encodings by size, marked by a tag byte.
//
//   0 plain   w, then little-endian words of w = 1, 2, 4 or 8 bytes: leaves repetition to LZ4
//   1 packed  blocks of up to 128 values, each: width, exceptions, base (varint), value - base cut
//             to `width` bits, LSB first; then per exception its position, and as varints the bits
//             above `width`
//   2 delta   zigzag differences to the value before (the first: to 0), packed as above
//
// docs/format/batch.md, section "Integers". Threads: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bytes.hpp"

namespace spanring::codec {

inline constexpr std::size_t kBlockValues = 128;

enum class IntegerTag : std::uint8_t { kPlain = 0, kPacked = 1, kDelta = 2 };

/// Appends `values` packed or as differences, whichever is smaller.
void put_integers(Buffer& out, std::span<const std::uint64_t> values);
/// Appends `values` packed, for columns whose neighbours have nothing to do with each other: half
/// the work of trying both.
void put_packed(Buffer& out, std::span<const std::uint64_t> values);
/// Appends `values` as differences, for columns that ascend.
void put_deltas(Buffer& out, std::span<const std::uint64_t> values);
/// Appends `values` (of 8, 16, 32 or 64 bits) in words of the least sufficient width, or packed if
/// all are equal. For columns whose repetitions LZ4 will find (shapes, streams), and for bits
/// without order (doubles, foreign ids).
template <typename T>
void put_plain(Buffer& out, std::span<const T> values);

/// Reads `count` integers into *values, whatever their encoding. The caller bounds `count`: a
/// packed block of equal values takes 3 bytes. Returns false, and fails `in`, if malformed.
bool get_integers(ByteReader& in, std::size_t count, std::vector<std::uint64_t>* values);

}  // namespace spanring::codec
