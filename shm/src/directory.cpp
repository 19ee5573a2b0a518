#include "spanring/shm/directory.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "directory_scan.hpp"
#include "spanring/base/clock.hpp"
#include "spanring/base/os.hpp"
#include "spanring/shm/process_identity.hpp"

namespace spanring::shm {
namespace {

constexpr char kLeftoverPrefix[] = ".new-";
constexpr mode_t kControlMode = 0644;  // producers read it
constexpr mode_t kDoorbellMode = 0666;
// Whoever may write a file may cut it short under those who have mapped it. In a directory of
// several users the doorbell is therefore the consumer's alone: producers do without it.
constexpr mode_t kSharedDoorbellMode = 0600;
constexpr mode_t kSharedMode = 03773;  // enter and make files, but list or remove none of others
// O_NONBLOCK: a FIFO that somebody has put there must not hold us up.
constexpr int kSafeOpen = O_NOFOLLOW | O_NONBLOCK;

/// One of the two small files that stand once in every directory.
struct FixedFile {
    const char* name;
    mode_t mode;
    const void* content;
    std::size_t bytes;
};

Result<void> write_new_file(int directory_fd, const char* temporary, const FixedFile& file) {
    const UniqueFd fd(
        os::open_at(directory_fd, temporary, O_RDWR | O_CREAT | O_EXCL | kSafeOpen, file.mode));
    if (!fd.valid()) return os_error(errno, std::string("cannot create ") + file.name);
    // open's mode is subject to the umask, which is the application's.
    if (os::change_mode(fd.get(), file.mode) != 0) {
        return os_error(errno, std::string("cannot set the mode of ") + file.name);
    }
    const ssize_t written = os::write(fd.get(), file.content, file.bytes);
    if (written != static_cast<ssize_t>(file.bytes)) {
        return os_error(written < 0 ? errno : ENOSPC, std::string("cannot write ") + file.name);
    }
    return {};
}

/// Creates the file whole: it gets its name by link(2), which never replaces one that is there.
Result<void> create_fixed_file(int directory_fd, const FixedFile& file) {
    std::uint64_t random = 0;
    if (os::random_bytes(&random, sizeof random) != 0) {
        return os_error(errno, "cannot get random bytes");
    }
    char temporary[64];
    std::snprintf(temporary, sizeof temporary, "%s%s-%016llx", kLeftoverPrefix, file.name,
                  static_cast<unsigned long long>(random));
    Result<void> made = write_new_file(directory_fd, temporary, file);
    if (made && os::link_at(directory_fd, temporary, directory_fd, file.name) != 0 &&
        errno != EEXIST) {
        made = os_error(errno, std::string("cannot create ") + file.name);
    }
    os::unlink_at(directory_fd, temporary);
    return made;
}

struct Expected {
    const char* name;
    std::uint64_t magic;
    std::size_t bytes;
};

/// Maps a fixed file after checking that it is a regular file of a trusted owner and long enough.
Result<Mapping> map_fixed_file(int fd, const Expected& expected, const RingDirectory& directory,
                               Mapping::Access access) {
    const std::string name = expected.name;
    struct stat info;
    if (os::stat_fd(fd, &info) != 0) return os_error(errno, "cannot examine " + name);
    if (!S_ISREG(info.st_mode)) return Error{ErrorCode::kCorrupt, name + " is not a regular file"};
    if (!directory.trusts(info)) {
        return Error{ErrorCode::kPermission,
                     name + " belongs to uid " + std::to_string(info.st_uid) +
                         ", the directory to uid " + std::to_string(directory.owner())};
    }
    if (info.st_size < static_cast<off_t>(expected.bytes)) {
        return Error{ErrorCode::kCorrupt, name + " has " + std::to_string(info.st_size) +
                                              " bytes, fewer than " +
                                              std::to_string(expected.bytes)};
    }
    Result<Mapping> mapping = Mapping::shared(fd, expected.bytes, access);
    if (!mapping) return std::move(mapping).error().in(name);
    std::uint64_t magic;
    std::memcpy(&magic, mapping->data(), sizeof magic);
    if (magic != expected.magic) {
        char text[96];
        std::snprintf(text, sizeof text, " has magic %016llx, not %016llx",
                      static_cast<unsigned long long>(magic),
                      static_cast<unsigned long long>(expected.magic));
        return Error{ErrorCode::kCorrupt, name + text};
    }
    return mapping;
}

bool is_shared(const struct stat& info) {
    return (info.st_mode & S_IWOTH) != 0;
}

/// A directory of several users is its daemon's. That this daemon may be trusted says who could put
/// the directory there: only root can write where it lies.
bool is_put_there_by_root(int fd) {
    const UniqueFd parent(os::open_at(fd, "..", O_PATH | O_DIRECTORY));
    struct stat info;
    return parent.valid() && os::stat_fd(parent.get(), &info) == 0 && info.st_uid == 0 &&
           (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

Result<void> check_directory(int fd, const struct stat& info, const std::string& path) {
    const uid_t self = ::geteuid();
    if (is_shared(info) && (info.st_mode & S_ISVTX) == 0) {
        return Error{ErrorCode::kPermission,
                     "ring directory " + path +
                         " is writable for everybody without the sticky bit (chmod o-w, or +t)"};
    }
    const bool ours = info.st_uid == self || info.st_uid == 0;
    if (ours || (is_shared(info) && is_put_there_by_root(fd))) return {};
    return Error{ErrorCode::kPermission, "ring directory " + path + " belongs to uid " +
                                             std::to_string(info.st_uid) + ", neither to us (uid " +
                                             std::to_string(self) + ") nor to root"};
}

Result<UniqueFd> open_directory(const std::string& path) {
    constexpr int kFlags = O_DIRECTORY | O_NOFOLLOW;
    UniqueFd fd(os::open_at(AT_FDCWD, path.c_str(), kFlags | O_RDONLY));
    // A system-wide directory (mode 3773) may be entered by everybody and listed by its group.
    if (!fd.valid() && errno == EACCES) {
        fd.reset(os::open_at(AT_FDCWD, path.c_str(), kFlags | O_PATH));
    }
    if (fd.valid()) return fd;
    if (errno == ENOTDIR || errno == ELOOP) {
        return Error{ErrorCode::kInvalidArgument,
                     "ring directory " + path + " is not a directory, or a symbolic link"};
    }
    return os_error(errno, "cannot open ring directory " + path);
}

class SegmentNames final : public NameVisitor {
public:
    void visit(const char* name) noexcept override {
        if (has_suffix(name, SPANRING_SEGMENT_SUFFIX)) names.emplace_back(name);
    }
    std::vector<std::string> names;
};

class LeftoverSweep final : public NameVisitor {
public:
    LeftoverSweep(int directory_fd, time_t now) noexcept : directory_fd_(directory_fd), now_(now) {}
    void visit(const char* name) noexcept override {
        if (std::strncmp(name, kLeftoverPrefix, sizeof kLeftoverPrefix - 1) != 0) return;
        struct stat info;
        if (os::stat_at(directory_fd_, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return;
        // Making a file takes microseconds; who was stopped for a minute in between starts anew.
        constexpr time_t kHalfMadeSecondsMax = 60;
        if (now_ - info.st_mtime > kHalfMadeSecondsMax) os::unlink_at(directory_fd_, name);
    }

private:
    int directory_fd_;
    time_t now_;
};

}  // namespace

std::string default_ring_directory() {
    if (const char* chosen = std::getenv("SPANRING_DIR"); chosen != nullptr && *chosen != '\0') {
        return chosen;
    }
    constexpr char kSystemWide[] = "/run/spanring";
    struct stat info;
    if (os::stat_at(AT_FDCWD, kSystemWide, &info, 0) == 0) return kSystemWide;
    return "/dev/shm/spanring-" + std::to_string(::geteuid());
}

bool FileId::is(int fd) const noexcept {
    struct stat info;
    if (fd < 0) return false;
    return inode == 0 ||
           (os::stat_fd(fd, &info) == 0 && info.st_dev == device && info.st_ino == inode);
}

bool FileId::is_named(int fd) const noexcept {
    struct stat info;
    return is(fd) && os::stat_fd(fd, &info) == 0 && info.st_nlink != 0;
}

Result<RingDirectory> RingDirectory::open(std::string path, Create create) {
    if (path.empty()) return Error{ErrorCode::kInvalidArgument, "the ring directory has no name"};
    if (create == Create::kYes && os::make_dir_at(AT_FDCWD, path.c_str(), 0700) != 0 &&
        errno != EEXIST) {
        return os_error(errno, "cannot create ring directory " + path);
    }
    Result<UniqueFd> fd = open_directory(path);
    if (!fd) return std::move(fd).error();
    struct stat info;
    if (os::stat_fd(fd->get(), &info) != 0) {
        return os_error(errno, "cannot examine ring directory " + path);
    }
    if (Result<void> checked = check_directory(fd->get(), info, path); !checked) {
        return std::move(checked).error();
    }
    RingDirectory directory(*std::move(fd), {info.st_dev, info.st_ino}, std::move(path));
    directory.owner_ = info.st_uid;
    directory.shared_ = is_shared(info);
    return directory;
}

Result<void> RingDirectory::make_shared(const std::string& path, uid_t daemon, gid_t group) {
    const bool made = os::make_dir_at(AT_FDCWD, path.c_str(), 0700) == 0;
    if (!made && errno != EEXIST) return os_error(errno, "cannot create ring directory " + path);
    Result<UniqueFd> fd = open_directory(path);
    if (!fd) return std::move(fd).error();
    struct stat info;
    if (os::stat_fd(fd->get(), &info) != 0) {
        return os_error(errno, "cannot examine ring directory " + path);
    }
    // The daemon's own stays as its operator has made it, one that root has made is handed over.
    if (info.st_uid == daemon && daemon != 0) return {};
    if (info.st_uid != 0) {
        return Error{ErrorCode::kPermission, "ring directory " + path + " belongs to uid " +
                                                 std::to_string(info.st_uid) +
                                                 ", neither to the daemon (uid " +
                                                 std::to_string(daemon) + ") nor to root"};
    }
    // Nobody else may write there before the mode says so.
    if (::fchown(fd->get(), daemon, group) != 0 || os::change_mode(fd->get(), kSharedMode) != 0) {
        return os_error(
            errno, "cannot hand ring directory " + path + " over to uid " + std::to_string(daemon));
    }
    return {};
}

bool RingDirectory::frees_names() const noexcept {
    return shared_ && owner_ == ::geteuid();
}

bool RingDirectory::is_squatted(int fd) const noexcept {
    struct stat info;
    return frees_names() && os::stat_fd(fd, &info) == 0 && !trusts(info);
}

void RingDirectory::clear_squatted(const char* name) const noexcept {
    struct stat info;
    if (!frees_names()) return;
    if (os::stat_at(fd_.get(), name, &info, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (trusts(info) && S_ISREG(info.st_mode)) return;
    if (os::unlink_at(fd_.get(), name) == 0 || errno != EISDIR) return;
    // A folder with something in it cannot be removed, but its name can be freed.
    std::uint64_t random = 0;
    (void)os::random_bytes(&random, sizeof random);
    char aside[64];
    std::snprintf(aside, sizeof aside, "%ssquatted-%016llx", kLeftoverPrefix,
                  static_cast<unsigned long long>(random));
    (void)os::rename_at(fd_.get(), name, fd_.get(), aside, RENAME_NOREPLACE);
}

bool RingDirectory::trusts(const struct stat& file) const noexcept {
    return file.st_uid == owner_ || file.st_uid == 0 || file.st_uid == ::geteuid();
}

Result<UniqueFd> RingDirectory::open_fixed(const char* name, int flags, const void* content,
                                           std::size_t bytes) const {
    const mode_t bell = shared_ ? kSharedDoorbellMode : kDoorbellMode;
    const mode_t mode = std::strcmp(name, SPANRING_CONTROL_FILE) == 0 ? kControlMode : bell;
    UniqueFd fd;
    for (int tries = 0; tries < kNameTriesMax; ++tries) {
        clear_squatted(name);
        fd.reset(os::open_at(fd_.get(), name, flags | kSafeOpen));
        if (fd.valid() ? !is_squatted(fd.get()) : errno != ENOENT && !frees_names()) break;
        // In a directory of another user (root's, or a daemon's) only the owner's daemon makes it.
        if (owner_ != ::geteuid()) {
            return Error{ErrorCode::kUnavailable, "no consumer has run in " + path_ + " yet"};
        }
        Result<void> made = create_fixed_file(fd_.get(), {name, mode, content, bytes});
        if (!made) return std::move(made).error().in(path_);
    }
    if (!fd.valid()) return os_error(errno, "cannot open " + path_ + "/" + name);
    return fd;
}

Result<ControlPage> RingDirectory::map_control(Mapping::Access access) const {
    spanring_control fresh{};
    fresh.magic = SPANRING_CONTROL_MAGIC;
    fresh.abi_major = SPANRING_ABI_MAJOR;
    fresh.abi_minor = SPANRING_ABI_MINOR;
    fresh.control_bytes = sizeof fresh;
    fresh.ready = 1;
    fresh.policy_allowed_mask = 1U << SPANRING_POLICY_DROP;
    if (os::random_bytes(fresh.host_key, sizeof fresh.host_key) != 0) {
        return os_error(errno, "cannot get random bytes");
    }
    Key128 boot;
    read_boot_id(&boot);
    std::memcpy(fresh.boot_id, boot.data(), boot.size());

    const int flags = access == Mapping::Access::kRead ? O_RDONLY : O_RDWR;
    Result<UniqueFd> fd = open_fixed(SPANRING_CONTROL_FILE, flags, &fresh, sizeof fresh);
    if (!fd) return std::move(fd).error();
    Result<Mapping> mapping = map_fixed_file(
        fd->get(), {SPANRING_CONTROL_FILE, SPANRING_CONTROL_MAGIC, sizeof(spanring_control)}, *this,
        access);
    if (!mapping) return std::move(mapping).error().in(path_);
    const auto* page = mapping->as<const spanring_control>();
    const std::uint32_t major = page->abi_major;
    if (major != SPANRING_ABI_MAJOR) {
        return Error{ErrorCode::kVersion, path_ + ": control page has ABI version " +
                                              std::to_string(major) + ", this library " +
                                              std::to_string(SPANRING_ABI_MAJOR)};
    }
    if (page->ready != 1) return Error{ErrorCode::kCorrupt, path_ + ": control page not ready"};
    return ControlPage(*std::move(mapping));
}

Result<Mapping> RingDirectory::map_doorbell() const {
    spanring_doorbell fresh{};
    fresh.magic = SPANRING_DOORBELL_MAGIC;
    Result<UniqueFd> fd = open_fixed(SPANRING_DOORBELL_FILE, O_RDWR, &fresh, sizeof fresh);
    if (!fd) return std::move(fd).error();
    Result<Mapping> mapping = map_fixed_file(
        fd->get(), {SPANRING_DOORBELL_FILE, SPANRING_DOORBELL_MAGIC, sizeof(spanring_doorbell)},
        *this, Mapping::Access::kReadWrite);
    if (!mapping) return std::move(mapping).error().in(path_);
    return mapping;
}

Result<pid_t> RingDirectory::consumer_pid() const {
    pid_t pid = 0;
    if (scan_consumer_pid(fd_.get(), &pid) != 0) {
        return os_error(errno, "cannot examine the consumer's lock in " + path_);
    }
    return pid;
}

Result<std::uint64_t> RingDirectory::segment_bytes() const {
    std::uint64_t bytes = 0;
    if (scan_segment_bytes(fd_.get(), &bytes) != 0) {
        return os_error(errno, "cannot list ring directory " + path_);
    }
    return bytes;
}

bool RingDirectory::may_reserve(std::uint64_t more, std::uint64_t cap) const noexcept {
    return scan_may_reserve(fd_.get(), more, cap);
}

Result<std::vector<std::string>> RingDirectory::segments() const {
    SegmentNames found;
    if (visit_names(fd_.get(), found) != 0) {
        return os_error(errno, "cannot list ring directory " + path_);
    }
    std::sort(found.names.begin(), found.names.end());
    return std::move(found.names);
}

void RingDirectory::remove_leftovers() const noexcept {
    LeftoverSweep sweep(fd_.get(), wall_clock_ns() / 1'000'000'000);
    (void)visit_names(fd_.get(), sweep);
}

}  // namespace spanring::shm
