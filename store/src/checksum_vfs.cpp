#include "checksum_vfs.hpp"

#include <sqlite3.h>

#include <array>
#include <cstring>

#include "spanring/base/crc32c.hpp"

namespace spanring::store {
namespace {

constexpr const char* kName = "spanring-checksum";
/// What SQLite reads of a file before it knows how large its pages are. Page 1 is read whole after.
constexpr sqlite3_int64 kHeaderBytes = 100;

/// A file of the VFS below, which says for itself how large it is.
struct File {
    sqlite3_file head;
    sqlite3_file* below;
    bool has_pages;
};

sqlite3_vfs* below() noexcept {
    return sqlite3_vfs_find(nullptr);
}
File* of(sqlite3_file* file) noexcept {
    return reinterpret_cast<File*>(file);
}
std::uint32_t number_at(sqlite3_int64 offset) noexcept {
    return static_cast<std::uint32_t>(offset / static_cast<sqlite3_int64>(kCataloguePageBytes)) + 1;
}
bool is_page(int bytes, sqlite3_int64 offset) noexcept {
    constexpr auto kBytes = static_cast<sqlite3_int64>(kCataloguePageBytes);
    return bytes == kBytes && offset % kBytes == 0;
}

int close(sqlite3_file* file) {
    const int code = of(file)->below->pMethods->xClose(of(file)->below);
    sqlite3_free(of(file)->below);
    return code;
}

int read(sqlite3_file* file, void* to, int bytes, sqlite3_int64 offset) {
    sqlite3_file* under = of(file)->below;
    const int code = under->pMethods->xRead(under, to, bytes, offset);
    if (!of(file)->has_pages || offset + bytes <= kHeaderBytes) return code;
    if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ) return code;
    // Pages of another size are not ours. One that is cut off counts as damaged, too.
    if (!is_page(bytes, offset)) return SQLITE_CORRUPT;
    const std::span page(static_cast<const std::byte*>(to), kCataloguePageBytes);
    return is_page_whole(page, number_at(offset)) ? code : SQLITE_CORRUPT;
}

int write(sqlite3_file* file, const void* from, int bytes, sqlite3_int64 offset) {
    sqlite3_file* under = of(file)->below;
    if (!of(file)->has_pages) return under->pMethods->xWrite(under, from, bytes, offset);
    if (!is_page(bytes, offset)) return SQLITE_CORRUPT;
    std::array<std::byte, kCataloguePageBytes> page;
    std::memcpy(page.data(), from, page.size());
    set_page_checksum(page, number_at(offset));
    return under->pMethods->xWrite(under, page.data(), bytes, offset);
}

/// Calls a method of the file below.
template <auto method, typename... Arguments>
auto pass_on(sqlite3_file* file, Arguments... arguments) {
    sqlite3_file* under = of(file)->below;
    return (under->pMethods->*method)(under, arguments...);
}

using Io = sqlite3_io_methods;
/// Version 2: SQLite does not map what it could not check.
constexpr Io kMethods = {2,
                         close,
                         read,
                         write,
                         pass_on<&Io::xTruncate>,
                         pass_on<&Io::xSync>,
                         pass_on<&Io::xFileSize>,
                         pass_on<&Io::xLock>,
                         pass_on<&Io::xUnlock>,
                         pass_on<&Io::xCheckReservedLock>,
                         pass_on<&Io::xFileControl>,
                         pass_on<&Io::xSectorSize>,
                         pass_on<&Io::xDeviceCharacteristics>,
                         pass_on<&Io::xShmMap>,
                         pass_on<&Io::xShmLock>,
                         pass_on<&Io::xShmBarrier>,
                         pass_on<&Io::xShmUnmap>,
                         nullptr,
                         nullptr};

int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* flags_out) {
    sqlite3_vfs* under = below();
    file->pMethods = nullptr;
    auto* real = static_cast<sqlite3_file*>(sqlite3_malloc(under->szOsFile));
    if (real == nullptr) return SQLITE_NOMEM;
    std::memset(static_cast<void*>(real), 0, static_cast<std::size_t>(under->szOsFile));
    const int code = under->xOpen(under, name, real, flags, flags_out);
    if (code != SQLITE_OK) {
        if (real->pMethods != nullptr) real->pMethods->xClose(real);
        sqlite3_free(real);
        return code;
    }
    *of(file) = {{&kMethods}, real, (flags & SQLITE_OPEN_MAIN_DB) != 0};
    return SQLITE_OK;
}

/// Calls a method of the VFS below.
template <auto method, typename... Arguments>
auto ask(sqlite3_vfs*, Arguments... arguments) {
    sqlite3_vfs* under = below();
    return (under->*method)(under, arguments...);
}

bool add_vfs() noexcept {
    using Vfs = sqlite3_vfs;
    static Vfs vfs = {};
    vfs.iVersion = 2;
    vfs.szOsFile = sizeof(File);
    vfs.mxPathname = below()->mxPathname;
    vfs.zName = kName;
    vfs.xOpen = open;
    vfs.xDelete = ask<&Vfs::xDelete>;
    vfs.xAccess = ask<&Vfs::xAccess>;
    vfs.xFullPathname = ask<&Vfs::xFullPathname>;
    vfs.xRandomness = ask<&Vfs::xRandomness>;
    vfs.xSleep = ask<&Vfs::xSleep>;
    vfs.xCurrentTime = ask<&Vfs::xCurrentTime>;
    vfs.xGetLastError = ask<&Vfs::xGetLastError>;
    vfs.xCurrentTimeInt64 = ask<&Vfs::xCurrentTimeInt64>;
    return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK;
}

}  // namespace

std::uint32_t page_checksum(std::span<const std::byte> page, std::uint32_t number) noexcept {
    return crc32c(page.first(kCataloguePageBytes - kPageChecksumBytes),
                  crc32c(std::as_bytes(std::span(&number, 1))));
}

void set_page_checksum(std::span<std::byte> page, std::uint32_t number) noexcept {
    const std::uint32_t checksum = page_checksum(page, number);
    std::memcpy(page.last(kPageChecksumBytes).data(), &checksum, sizeof checksum);
}

bool is_page_whole(std::span<const std::byte> page, std::uint32_t number) noexcept {
    std::uint32_t found = 0;
    std::memcpy(&found, page.last(kPageChecksumBytes).data(), sizeof found);
    return found == page_checksum(page, number);
}

const char* checksum_vfs() noexcept {
    static const bool added = sqlite3_initialize() == SQLITE_OK && add_vfs();
    return added ? kName : nullptr;
}

}  // namespace spanring::store
