// SQLite on files whose pages have checksums: a layer over its default VFS. The last four bytes of
// each page of a database hold the CRC-32C of its number (u32) and all its other bytes; a page that
// does not fit is SQLITE_CORRUPT when it is read. What is in the WAL has SQLite's own checksums,
// which it looks at when it opens one that was left behind. Threads: as SQLite. Never maps a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace spanring::store {

inline constexpr std::size_t kCataloguePageBytes = 4096;
/// At the end of each page; SQLite keeps away from it (SQLITE_FCNTL_RESERVE_BYTES).
inline constexpr int kPageChecksumBytes = 4;

/// Returns the checksum of a page; `number` counts from 1, as SQLite does. `page`: all its
/// kCataloguePageBytes.
[[nodiscard]] std::uint32_t page_checksum(std::span<const std::byte> page,
                                          std::uint32_t number) noexcept;
/// Puts it in its place.
void set_page_checksum(std::span<std::byte> page, std::uint32_t number) noexcept;
/// Whether the page holds its checksum.
[[nodiscard]] bool is_page_whole(std::span<const std::byte> page, std::uint32_t number) noexcept;

/// Returns the name for sqlite3_open_v2; null: no memory.
[[nodiscard]] const char* checksum_vfs() noexcept;

}  // namespace spanring::store
