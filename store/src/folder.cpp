#include "folder.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <memory>
#include <string_view>
#include <thread>

#include "spanring/base/os.hpp"
#include "spanring/base/testpoint.hpp"

namespace spanring::store {
namespace {

constexpr std::string_view kIdentityWord = "spanring-database ";
constexpr std::string_view kIdentityVersion = "1 ";
constexpr std::size_t kUuidDigits = 32;
// Two seconds, many times what opening a catalogue takes but for one whose database is locked.
constexpr int kTriesToChangeNames = 2000;
constexpr std::chrono::milliseconds kPauseBetweenTries{1};

struct CloseDirectory {
    void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

Result<Directory> list(int folder_fd, const std::string& path) {
    // A descriptor of its own: a DIR owns its position.
    UniqueFd fd(os::open_at(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) return os_error(errno, path);
    Directory dir(os::injected(os::Call::kList) ? nullptr : ::fdopendir(fd.get()));
    if (!dir) return os_error(errno, path);
    (void)fd.release();
    return dir;
}

/// Makes the name of a new folder durable. One that cannot be listed has to do without.
Result<void> sync_name_of(const std::string& path) {
    const std::size_t slash = path.find_last_not_of('/') == std::string::npos
                                  ? std::string::npos
                                  : path.rfind('/', path.find_last_not_of('/'));
    const std::string parent =
        slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
    const UniqueFd fd(os::open_at(AT_FDCWD, parent.c_str(), O_RDONLY | O_DIRECTORY));
    if (fd.valid() && os::sync(fd.get()) != 0) return os_error(errno, parent);
    return {};
}

/// mkdir -p: parents with the usual mode, the last one private.
Result<void> make_directories(const std::string& path) {
    for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
        const std::string parent = path.substr(0, slash);
        struct stat found {};
        if (os::stat_at(AT_FDCWD, parent.c_str(), &found, 0) == 0) continue;
        if (os::make_dir_at(AT_FDCWD, parent.c_str(), 0755) != 0 && errno != EEXIST)
            return os_error(errno, "cannot create " + parent);
        if (auto synced = sync_name_of(parent); !synced) return synced;
    }
    if (os::make_dir_at(AT_FDCWD, path.c_str(), 0700) != 0 && errno != EEXIST)
        return os_error(errno, "cannot create " + path);
    return {};
}

Result<UniqueFd> open_directory(const std::string& path) {
    UniqueFd fd(os::open_at(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) return os_error(errno, "trace database " + path);
    return fd;
}

Error no_database(const std::string& path) {
    return {ErrorCode::kNotFound,
            "no trace database at " + path + "; start one with `spanring up`"};
}

}  // namespace

std::string window_name(std::uint64_t window) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "w-%016" PRIu64 ".log", window);
    return text.data();
}

Result<std::uint64_t> file_bytes(int fd, const std::string& name) {
    struct stat found {};
    if (os::stat_fd(fd, &found) != 0) return os_error(errno, name);
    return static_cast<std::uint64_t>(found.st_size);
}

Result<Folder> Folder::open(const std::string& path) {
    Folder folder;
    folder.path_ = path;
    auto fd = open_directory(path);
    if (!fd) {
        if (fd.error().code == ErrorCode::kNotFound) return no_database(path);
        return std::move(fd).error();
    }
    folder.fd_ = std::move(*fd);
    if (auto read = folder.read_identity(); !read) {
        if (read.error().code == ErrorCode::kNotFound) return no_database(path);
        return std::move(read).error();
    }
    return folder;
}

Result<Folder> Folder::open_or_create(const std::string& path) {
    if (auto made = make_directories(path); !made) return std::move(made).error();
    Folder folder;
    folder.path_ = path;
    auto fd = open_directory(path);
    if (!fd) return std::move(fd).error();
    folder.fd_ = std::move(*fd);
    auto read = folder.read_identity();
    if (!read && read.error().code == ErrorCode::kNotFound) read = folder.write_identity();
    if (!read) return std::move(read).error();
    return folder;
}

Result<void> Folder::read_identity() {
    const std::string name = file("uuid");
    UniqueFd fd(os::open_at(fd_.get(), "uuid", O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd.valid()) return os_error(errno, name);
    std::array<char, 128> buffer{};
    const ssize_t got = os::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0) return os_error(errno, name);
    std::string_view text(buffer.data(), static_cast<std::size_t>(got));
    if (text.substr(0, kIdentityWord.size()) != kIdentityWord)
        return Error{ErrorCode::kCorrupt, name + ": not the identity of a trace database"};
    text.remove_prefix(kIdentityWord.size());
    if (text.substr(0, kIdentityVersion.size()) != kIdentityVersion)
        return Error{ErrorCode::kVersion, name + ": database format " +
                                              std::string(text.substr(0, text.find(' '))) +
                                              ", this program reads 1"};
    text.remove_prefix(kIdentityVersion.size());
    uuid_ = text.substr(0, kUuidDigits);
    if (uuid_.size() != kUuidDigits ||
        uuid_.find_first_not_of("0123456789abcdef") != std::string::npos)
        return Error{ErrorCode::kCorrupt, name + ": the identity is cut off or no hex"};
    return {};
}

// Written aside and renamed, so that a crash leaves either no identity or a whole one.
Result<void> Folder::write_identity() {
    std::array<std::uint8_t, kUuidDigits / 2> bytes{};
    if (os::random_bytes(bytes.data(), bytes.size()) != 0) return os_error(errno, "getrandom");
    std::string hex;
    for (const std::uint8_t byte : bytes) {
        hex.push_back("0123456789abcdef"[byte >> 4]);
        hex.push_back("0123456789abcdef"[byte & 15]);
    }
    const std::string line =
        std::string(kIdentityWord) + std::string(kIdentityVersion) + hex + "\n";
    UniqueFd fd(os::open_at(fd_.get(), "uuid.new",
                            O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd.valid()) return os_error(errno, "cannot create " + file("uuid.new"));
    const ssize_t put = os::write(fd.get(), line.data(), line.size());
    if (put >= 0 && static_cast<std::size_t>(put) != line.size()) errno = ENOSPC;
    if (put != static_cast<ssize_t>(line.size()) || os::sync(fd.get()) != 0)
        return os_error(errno, "cannot write " + file("uuid.new"));
    if (os::rename_at(fd_.get(), "uuid.new", fd_.get(), "uuid") != 0)
        return os_error(errno, "cannot create " + file("uuid"));
    uuid_ = hex;
    is_new_ = true;
    // A commit is promised to survive, so the folder must.
    if (auto synced = sync_name_of(path_); !synced) return synced;
    return sync_names();
}

Result<std::vector<std::uint64_t>> Folder::windows() const {
    return windows_with("");
}

Result<std::vector<std::uint64_t>> Folder::unfinished_windows() const {
    return windows_with(kUnfinishedEnding);
}

Result<std::vector<std::uint64_t>> Folder::windows_with(const std::string& ending) const {
    auto dir = list(fd_.get(), path_);
    if (!dir) return std::move(dir).error();
    std::vector<std::uint64_t> found;
    errno = 0;
    while (const dirent* entry = ::readdir(dir->get())) {
        std::uint64_t number = 0;
        if (std::sscanf(entry->d_name, "w-%16" SCNu64 ".log", &number) == 1 &&
            window_name(number) + ending == entry->d_name)
            found.push_back(number);
        errno = 0;
    }
    if (errno != 0 || os::injected(os::Call::kList)) return os_error(errno, path_);
    std::sort(found.begin(), found.end());
    return found;
}

Result<UniqueFd> Folder::open_window(std::uint64_t window, int flags) const {
    const std::string name = window_name(window);
    UniqueFd fd(os::open_at(fd_.get(), name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd.valid()) return os_error(errno, file(name));
    return fd;
}

Result<void> Folder::remove_window(std::uint64_t window) const {
    const std::string name = window_name(window);
    SPANRING_TESTPOINT("retire.begun");
    if (os::unlink_at(fd_.get(), name.c_str()) != 0 && errno != ENOENT)
        return os_error(errno, "cannot remove " + file(name));
    SPANRING_TESTPOINT("retire.removed");
    return {};
}

Result<void> Folder::sync_windows() const {
    auto existing = windows();
    if (!existing) return std::move(existing).error();
    for (const std::uint64_t window : *existing) {
        auto fd = open_window(window, O_RDONLY);
        if (!fd) return std::move(fd).error();
        if (os::sync_data(fd->get()) != 0)
            return os_error(errno, file(window_name(window)) + ": fdatasync");
    }
    return sync_names();
}

Result<void> Folder::sync_names() const {
    if (os::sync(fd_.get()) != 0) return os_error(errno, path_);
    return {};
}

std::uint64_t Folder::bytes_total() const {
    auto dir = list(fd_.get(), path_);
    if (!dir) return 0;
    std::uint64_t total = 0;
    while (const dirent* entry = ::readdir(dir->get())) {
        struct stat found {};
        if (os::stat_at(fd_.get(), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(found.st_mode))
            total += static_cast<std::uint64_t>(found.st_size);
    }
    return total;
}

Result<CatalogueNames> CatalogueNames::keep(const Folder& folder) {
    return take(folder, LOCK_SH, 1);
}

Result<CatalogueNames> CatalogueNames::change(const Folder& folder) {
    return take(folder, LOCK_EX, kTriesToChangeNames);
}

Result<CatalogueNames> CatalogueNames::take(const Folder& folder, int operation, int tries) {
    // A descriptor of its own: the lock goes with it, and excludes those of the same process.
    UniqueFd fd(os::open_at(folder.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) return os_error(errno, folder.path());
    CatalogueNames names(std::move(fd));
    while (os::flock(names.fd_.get(), operation | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return os_error(errno, folder.file(kCatalogueName));
        if (--tries == 0)
            return Error{ErrorCode::kBusy,
                         folder.file(kCatalogueName) + ": " +
                             (operation == LOCK_SH ? "is being made anew" : "is being opened")};
        std::this_thread::sleep_for(kPauseBetweenTries);
    }
    return names;
}

CatalogueNames::~CatalogueNames() {
    // Not by the end of the descriptor: a child that was forked meanwhile has one, too.
    if (fd_.valid()) (void)os::flock(fd_.get(), LOCK_UN);
}

}  // namespace spanring::store
