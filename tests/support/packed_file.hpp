// Golden files that are large and mostly empty: packed by zstd, a whole file at a time.
#pragma once

#include <zstd.h>

#include <cstddef>
#include <fstream>
#include <iterator>
#include <string>

namespace spanring::test {

inline std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// Returns whether all of it is written.
inline bool write_file(const std::string& path, const std::string& bytes) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    out.close();
    return out.good();
}

/// Of golden files, which we wrote: larger ones are none.
inline constexpr std::size_t kUnpackedMax = 16u << 20;

/// Empty: it is not packed, or larger than any golden file.
inline std::string read_packed(const std::string& path) {
    const std::string packed = read_file(path);
    const auto bytes = ZSTD_getFrameContentSize(packed.data(), packed.size());
    if (bytes > kUnpackedMax) return {};
    std::string whole(bytes, '\0');
    const std::size_t got =
        ZSTD_decompress(whole.data(), whole.size(), packed.data(), packed.size());
    return ZSTD_isError(got) != 0 || got != bytes ? std::string() : whole;
}

inline bool write_packed(const std::string& path, const std::string& bytes) {
    std::string packed(ZSTD_compressBound(bytes.size()), '\0');
    const std::size_t got =
        ZSTD_compress(packed.data(), packed.size(), bytes.data(), bytes.size(), 19);
    if (ZSTD_isError(got) != 0) return false;
    packed.resize(got);
    return write_file(path, packed);
}

}  // namespace spanring::test
