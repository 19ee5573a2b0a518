#include "spanring/base/os.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

namespace spanring::os {
namespace {

constexpr std::uint32_t kDisarmed = 0;
constexpr std::uint32_t kOnce = 1;
constexpr std::uint32_t kLasting = 2;

struct Fault {
    std::atomic<std::uint32_t> armed{kDisarmed};
    std::atomic<Call> kind{Call::kAny};
    std::atomic<std::uint64_t> nth{0};
    std::atomic<std::uint64_t> seen{0};
    std::atomic<std::uint64_t> failed{0};
    std::atomic<int> errno_value{0};
    std::atomic<const char*> name_part{nullptr};  ///< only calls of such a path, if not null
};
Fault g_fault;

// Sequentially consistent throughout: only tests come here, and clarity is worth more than time.
bool fail_armed(Call kind, std::uint32_t mode, const char* path) noexcept {
    const Call wanted = g_fault.kind.load();
    if (wanted != Call::kAny && wanted != kind) return false;
    const char* part = g_fault.name_part.load();
    if (part != nullptr && (path == nullptr || std::strstr(path, part) == nullptr)) return false;
    const std::uint64_t number = g_fault.seen.fetch_add(1) + 1;
    const std::uint64_t nth = g_fault.nth.load();
    if (mode == kOnce ? number != nth : number < nth) return false;
    g_fault.failed.fetch_add(1);
    errno = g_fault.errno_value.load();
    return true;
}

inline bool fails(Call kind, const char* path = nullptr) noexcept {
    // relaxed: no data hangs on it; a test arms the seam before it starts what it watches.
    const std::uint32_t mode = g_fault.armed.load(std::memory_order_relaxed);
    return mode != kDisarmed && fail_armed(kind, mode, path);
}

void arm(Call kind, std::uint64_t nth, int errno_value, std::uint32_t mode,
         const char* name_part = nullptr) noexcept {
    g_fault.armed.store(kDisarmed);
    g_fault.kind.store(kind);
    g_fault.nth.store(nth);
    g_fault.seen.store(0);
    g_fault.failed.store(0);
    g_fault.errno_value.store(errno_value);
    g_fault.name_part.store(name_part);
    g_fault.armed.store(mode);
}

template <typename F>
auto retry(F&& call) noexcept -> decltype(call()) {
    decltype(call()) result;
    do {
        result = call();
    } while (result < 0 && errno == EINTR);
    return result;
}

}  // namespace

void inject_fault(Call kind, std::uint64_t nth, int errno_value) noexcept {
    arm(kind, nth, errno_value, kOnce);
}

void inject_open_fault(const char* name_part, std::uint64_t nth, int errno_value) noexcept {
    arm(Call::kOpen, nth, errno_value, kOnce, name_part);
}

void inject_lasting_fault(Call kind, std::uint64_t nth, int errno_value) noexcept {
    arm(kind, nth, errno_value, kLasting);
}

std::uint64_t clear_fault() noexcept {
    g_fault.armed.store(kDisarmed);
    return g_fault.failed.load();
}

int open_at(int dir_fd, const char* path, int flags, mode_t mode) noexcept {
    if (fails(Call::kOpen, path)) return -1;
    return retry([&] { return ::openat(dir_fd, path, flags | O_CLOEXEC, mode); });
}

int make_dir_at(int dir_fd, const char* path, mode_t mode) noexcept {
    if (fails(Call::kMkdir)) return -1;
    return ::mkdirat(dir_fd, path, mode);
}

int stat_fd(int fd, struct stat* out) noexcept {
    if (fails(Call::kStat)) return -1;
    return ::fstat(fd, out);
}

int stat_at(int dir_fd, const char* path, struct stat* out, int flags) noexcept {
    if (fails(Call::kStat)) return -1;
    return ::fstatat(dir_fd, path, out, flags);
}

int change_mode(int fd, mode_t mode) noexcept {
    if (fails(Call::kStat)) return -1;
    return ::fchmod(fd, mode);
}

int truncate(int fd, off_t bytes) noexcept {
    if (fails(Call::kTruncate)) return -1;
    return retry([&] { return ::ftruncate(fd, bytes); });
}

int allocate(int fd, off_t offset, off_t bytes) noexcept {
    if (fails(Call::kAllocate)) return -1;
    int error;
    do {
        error = ::posix_fallocate(fd, offset, bytes);
    } while (error == EINTR);
    if (error == 0) return 0;
    errno = error;
    return -1;
}

void* map(void* address, std::size_t bytes, int protection, int flags, int fd,
          off_t offset) noexcept {
    if (fails(Call::kMap)) return MAP_FAILED;
    return ::mmap(address, bytes, protection, flags, fd, offset);
}

int unmap(void* address, std::size_t bytes) noexcept {
    return ::munmap(address, bytes);
}

int advise(void* address, std::size_t bytes, int advice) noexcept {
    if (fails(Call::kAdvise)) return -1;
    return ::madvise(address, bytes, advice);
}

ssize_t read(int fd, void* out, std::size_t bytes) noexcept {
    if (fails(Call::kRead)) return -1;
    return retry([&] { return ::read(fd, out, bytes); });
}

ssize_t read_at(int fd, void* out, std::size_t bytes, off_t offset) noexcept {
    if (fails(Call::kRead)) return -1;
    return retry([&] { return ::pread(fd, out, bytes, offset); });
}

ssize_t write(int fd, const void* data, std::size_t bytes) noexcept {
    if (fails(Call::kWrite)) return -1;
    return retry([&] { return ::write(fd, data, bytes); });
}

ssize_t write_at(int fd, const void* data, std::size_t bytes, off_t offset) noexcept {
    if (fails(Call::kWrite)) return -1;
    return retry([&] { return ::pwrite(fd, data, bytes, offset); });
}

ssize_t write_vector(int fd, const struct iovec* pieces, int count) noexcept {
    if (fails(Call::kWrite)) return -1;
    return retry([&] { return ::writev(fd, pieces, count); });
}

ssize_t write_vector_at(int fd, const struct iovec* pieces, int count, off_t offset) noexcept {
    if (fails(Call::kWrite)) return -1;
    return retry([&] { return ::pwritev(fd, pieces, count, offset); });
}

int sync(int fd) noexcept {
    // Never retried: after a failed fsync the kernel may have dropped the dirty pages.
    if (fails(Call::kSync)) return -1;
    return ::fsync(fd);
}

int sync_data(int fd) noexcept {
    if (fails(Call::kSync)) return -1;
    return ::fdatasync(fd);
}

int rename_at(int old_dir, const char* old_path, int new_dir, const char* new_path,
              unsigned flags) noexcept {
    if (fails(Call::kRename)) return -1;
    return ::renameat2(old_dir, old_path, new_dir, new_path, flags);
}

int link_at(int old_dir, const char* old_path, int new_dir, const char* new_path) noexcept {
    if (fails(Call::kLink)) return -1;
    return ::linkat(old_dir, old_path, new_dir, new_path, 0);
}

int unlink_at(int dir_fd, const char* path, int flags) noexcept {
    if (fails(Call::kUnlink)) return -1;
    return ::unlinkat(dir_fd, path, flags);
}

int flock(int fd, int operation) noexcept {
    if (fails(Call::kLock)) return -1;
    return retry([&] { return ::flock(fd, operation); });
}

namespace {
int set_record_lock(int fd, short type) noexcept {
    struct ::flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    return ::fcntl(fd, F_SETLK, &lock);
}
}  // namespace

int lock_record(int fd) noexcept {
    if (fails(Call::kLock)) return -1;
    return set_record_lock(fd, F_WRLCK);
}

int unlock_record(int fd) noexcept {
    return set_record_lock(fd, F_UNLCK);
}

int record_lock_holder(int fd, pid_t* holder) noexcept {
    if (fails(Call::kLock)) return -1;
    struct ::flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (::fcntl(fd, F_GETLK, &lock) != 0) return -1;
    if (lock.l_type == F_UNLCK) {
        *holder = 0;
    } else {
        // The kernel translates the pid into our namespace: 0 if it has none here.
        *holder = lock.l_pid > 0 ? lock.l_pid : -1;
    }
    return 0;
}

int random_bytes(void* out, std::size_t bytes) noexcept {
    if (fails(Call::kRandom)) return -1;
    auto* next = static_cast<unsigned char*>(out);
    while (bytes > 0) {
        const ssize_t got = retry([&] { return ::getrandom(next, bytes, 0); });
        if (got < 0) return -1;
        next += got;
        bytes -= static_cast<std::size_t>(got);
    }
    return 0;
}

int membarrier(int command) noexcept {
    if (fails(Call::kMembarrier)) return -1;
    return static_cast<int>(::syscall(SYS_membarrier, command, 0, 0));
}

}  // namespace spanring::os
