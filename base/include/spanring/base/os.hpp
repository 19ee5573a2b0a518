// The seam to the operating system: every call of shm, producer and store that can fail goes
// through here, so that a test can make the n-th one fail (HAZARDS rows 5-7, 22, 28).
//
// The functions behave like the system calls that they are named after: -1 (or MAP_FAILED) and
// errno. They retry EINTR where that is harmless. Any thread; async-signal-safe; never allocate. A
// call that is not being failed costs one relaxed load more than the bare one; none is ever made on
// the hot path of a tracepoint.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

struct iovec;

namespace spanring::os {

/// What can be told to fail.
enum class Call : std::uint8_t {
    kAny,  ///< whatever comes next
    kOpen,
    kMkdir,
    kStat,
    kTruncate,
    kAllocate,
    kMap,
    kAdvise,
    kRead,
    kWrite,
    kSync,
    kRename,
    kLink,
    kUnlink,
    kLock,
    kRandom,
    kMembarrier,
    kList,     ///< getdents and its like
    kWatch,    ///< epoll, inotify, eventfd, signalfd
    kProcess,  ///< pidfd_open
};
inline constexpr int kCallKinds = static_cast<int>(Call::kProcess) + 1;

/// In the place of an errno: a read or write transfers half. Other calls take no notice.
inline constexpr int kShortTransfer = -1;

/// Arms the seam: the `nth` call of this kind from now on (1: the next) fails with `errno_value`,
/// once, in this process. Replaces a fault armed before. For tests; not to be called by two
/// threads.
void inject_fault(Call kind, std::uint64_t nth, int errno_value) noexcept;
/// As inject_fault, but of the open_at() calls only those whose path contains `name_part`, which
/// must stay where it is until the seam is armed anew.
void inject_open_fault(const char* name_part, std::uint64_t nth, int errno_value) noexcept;
/// As inject_fault, but every call from the nth on fails: a disk that stays full.
void inject_lasting_fault(Call kind, std::uint64_t nth, int errno_value) noexcept;
/// Disarms the seam. Returns how often a call was failed since it was armed: 0 ends the loop
/// "fail the n-th, n = 1, 2, ...".
std::uint64_t clear_fault() noexcept;

/// Whether a call of this kind that is about to be made is to fail; errno says how. For calls that
/// have one user, who makes them himself.
[[nodiscard]] bool injected(Call kind) noexcept;
/// Makes such a call, or fails it.
template <typename F>
auto checked(Call kind, F&& call) noexcept -> decltype(call()) {
    return injected(kind) ? -1 : call();
}

/// What a call has done to a file or a name. Of names, `fd` is the folder and `path` below it.
struct Change {
    enum class Kind : std::uint8_t {
        kOpened,      ///< open_at: `path` is open as `file`; `number`: its flags
        kMadeFolder,  ///< make_dir_at
        kWritten,     ///< `number` bytes at `offset` (-1: they end at the file's position)
        kResized,     ///< truncate: to `number` bytes
        kAllocated,   ///< allocate: `number` bytes at `offset`
        kSyncBegun,
        kSynced,
        kSyncFailed,
        kRenamed,  ///< to `new_path` in `file`
        kLinked,   ///< as above
        kUnlinked,
    };
    Kind kind;
    int fd;
    const char* path{nullptr};
    int file{-1};
    const char* new_path{nullptr};
    const struct iovec* data{nullptr};  ///< kWritten: what it was taken from
    off_t offset{0};
    off_t number{0};
};
/// Called behind each call that succeeded in changing something (and before a sync) on its thread.
using Observer = void (*)(const Change&);
/// For tests: a model of the disk. Null: nobody looks.
void observe(Observer observer) noexcept;

int open_at(int dir_fd, const char* path, int flags, mode_t mode = 0) noexcept;
int make_dir_at(int dir_fd, const char* path, mode_t mode) noexcept;
int stat_fd(int fd, struct stat* out) noexcept;
int stat_at(int dir_fd, const char* path, struct stat* out, int flags) noexcept;
int change_mode(int fd, mode_t mode) noexcept;  ///< counted as kStat
int truncate(int fd, off_t bytes) noexcept;
/// posix_fallocate, but with errno and -1.
int allocate(int fd, off_t offset, off_t bytes) noexcept;
void* map(void* address, std::size_t bytes, int protection, int flags, int fd,
          off_t offset) noexcept;
int unmap(void* address, std::size_t bytes) noexcept;
int advise(void* address, std::size_t bytes, int advice) noexcept;

ssize_t read(int fd, void* out, std::size_t bytes) noexcept;
ssize_t read_at(int fd, void* out, std::size_t bytes, off_t offset) noexcept;
ssize_t write(int fd, const void* data, std::size_t bytes) noexcept;
ssize_t write_at(int fd, const void* data, std::size_t bytes, off_t offset) noexcept;
ssize_t write_vector(int fd, const struct iovec* pieces, int count) noexcept;
ssize_t write_vector_at(int fd, const struct iovec* pieces, int count, off_t offset) noexcept;

int sync(int fd) noexcept;       ///< fsync
int sync_data(int fd) noexcept;  ///< fdatasync
/// renameat2; `flags`: 0 or RENAME_NOREPLACE.
int rename_at(int old_dir, const char* old_path, int new_dir, const char* new_path,
              unsigned flags = 0) noexcept;
/// linkat: gives the file a second name; fails with EEXIST if that is taken.
int link_at(int old_dir, const char* old_path, int new_dir, const char* new_path) noexcept;
int unlink_at(int dir_fd, const char* path, int flags = 0) noexcept;

/// flock(2): belongs to the open file, goes on in forked children.
int flock(int fd, int operation) noexcept;
/// fcntl(F_SETLK), exclusive, on the whole file: belongs to the process, not inherited by fork, and
/// lost when the process closes *any* descriptor of the file.
int lock_record(int fd) noexcept;
int unlock_record(int fd) noexcept;
/// fcntl(F_GETLK): *holder = the pid that holds a conflicting lock as seen from here, 0 if nobody,
/// -1 if the holder is in another pid namespace.
int record_lock_holder(int fd, pid_t* holder) noexcept;

/// Fills the buffer from getrandom(2).
int random_bytes(void* out, std::size_t bytes) noexcept;
/// membarrier(2) with this command; `command` from <linux/membarrier.h>.
int membarrier(int command) noexcept;

}  // namespace spanring::os
