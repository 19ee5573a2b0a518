// The folder of a database: its files' names, its identity, its lock. What is in the files is
// others' business.
//
//   uuid                          "spanring-database 1 <32 hex>": format version and identity
//   lock                          record lock of the one writer; holds its pid as text
//   catalogue.sqlite (-wal -shm)  the index; may be missing; opened and replaced under a flock(2)
//                                 of the folder
//   compact.lock                  record lock of who compacts
//   reserve                       room for a full disk; may be missing
//   w-<16 digits>.log             windows, numbered upward
//   w-<16 digits>.log.compacting  what will replace one, or is left of the attempt
//
// Threads: functions are free of state; a Folder is read-only after open.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "spanring/base/result.hpp"
#include "spanring/base/unique_fd.hpp"

namespace spanring::store {

inline constexpr const char* kCatalogueName = "catalogue.sqlite";
inline constexpr const char* kUnfinishedEnding = ".compacting";

class Folder {
public:
    /// Opens an existing database. Errors: kNotFound, kPermission, kVersion.
    [[nodiscard]] static Result<Folder> open(const std::string& path);
    /// Opens it, and makes what is missing: the folder (0700, with its parents), the uuid.
    [[nodiscard]] static Result<Folder> open_or_create(const std::string& path);

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] const std::string& uuid() const noexcept { return uuid_; }
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    /// Its uuid was made by open_or_create: nobody can have seen anything of it.
    [[nodiscard]] bool is_new() const noexcept { return is_new_; }
    [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

    /// Numbers of the windows that exist, ascending.
    [[nodiscard]] Result<std::vector<std::uint64_t>> windows() const;
    /// Numbers of those that have a file that was to replace them.
    [[nodiscard]] Result<std::vector<std::uint64_t>> unfinished_windows() const;
    /// Opens a window. `flags` as open(2), O_CLOEXEC and O_NOFOLLOW added.
    [[nodiscard]] Result<UniqueFd> open_window(std::uint64_t window, int flags) const;
    [[nodiscard]] Result<void> remove_window(std::uint64_t window) const;
    /// Makes durable what is in all windows, whoever wrote it, and their names.
    [[nodiscard]] Result<void> sync_windows() const;
    /// Makes names durable (fsync of the folder).
    [[nodiscard]] Result<void> sync_names() const;
    /// Bytes of all files together.
    [[nodiscard]] std::uint64_t bytes_total() const;

private:
    [[nodiscard]] Result<std::vector<std::uint64_t>> windows_with(const std::string& ending) const;
    [[nodiscard]] Result<void> read_identity();
    [[nodiscard]] Result<void> write_identity();

    std::string path_;
    std::string uuid_;
    UniqueFd fd_;
    bool is_new_{false};
};

[[nodiscard]] std::string window_name(std::uint64_t window);
/// Length of an open file in bytes.
[[nodiscard]] Result<std::uint64_t> file_bytes(int fd, const std::string& name);

/// The right to write, or to compact. A record lock, because the kernel then names the holder and
/// drops it with the process, forked children or not; and, as record locks do not exclude a second
/// one in the same process, a list of those held here.
class FolderLock {
public:
    /// Errors: kBusy (names the holder's pid), others as the system's.
    [[nodiscard]] static Result<FolderLock> take_to_write(const Folder& folder);
    [[nodiscard]] static Result<FolderLock> take_to_compact(const Folder& folder);
    FolderLock(FolderLock&& other) noexcept;
    FolderLock& operator=(FolderLock&&) = delete;
    ~FolderLock();

private:
    [[nodiscard]] static Result<FolderLock> take(const Folder& folder, const char* name,
                                                 const char* doing);
    FolderLock(UniqueFd fd, std::string identity) noexcept;
    UniqueFd fd_;
    std::string identity_;  ///< of the lock file: device and inode
};

/// Keeps a catalogue from being put in the place of another while somebody opens it: SQLite finds
/// -wal and -shm by their names, and would take the new one's for the old one's. Held for as long
/// as that takes (flock(2) on the folder), so that it keeps others waiting only if its holder is
/// stopped inside.
class CatalogueNames {
public:
    /// To open the catalogue that is there. Never waits. Errors: kBusy: another one is being made.
    [[nodiscard]] static Result<CatalogueNames> keep(const Folder& folder);
    /// To put another one there. Waits two seconds for those who open it. Errors: kBusy.
    [[nodiscard]] static Result<CatalogueNames> change(const Folder& folder);

    CatalogueNames(CatalogueNames&&) noexcept = default;
    CatalogueNames& operator=(CatalogueNames&&) = delete;
    ~CatalogueNames();

private:
    explicit CatalogueNames(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
    [[nodiscard]] static Result<CatalogueNames> take(const Folder& folder, int operation,
                                                     int tries);
    UniqueFd fd_;
};

}  // namespace spanring::store
