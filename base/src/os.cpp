#include "spanring/base/os.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "spanring/base/machine.hpp"

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

enum class Fate : std::uint8_t { kGo, kFail, kHalf };

// Sequentially consistent throughout: only tests come here, and clarity is worth more than time.
Fate fate_when_armed(Call kind, std::uint32_t mode, const char* path) noexcept {
    const Call wanted = g_fault.kind.load();
    if (wanted != Call::kAny && wanted != kind) return Fate::kGo;
    const char* part = g_fault.name_part.load();
    if (part != nullptr && (path == nullptr || std::strstr(path, part) == nullptr))
        return Fate::kGo;
    const std::uint64_t number = g_fault.seen.fetch_add(1) + 1;
    const std::uint64_t nth = g_fault.nth.load();
    if (mode == kOnce ? number != nth : number < nth) return Fate::kGo;
    g_fault.failed.fetch_add(1);
    const int error = g_fault.errno_value.load();
    if (error == kShortTransfer) return Fate::kHalf;
    errno = error;
    return Fate::kFail;
}

inline Fate fate_of(Call kind, const char* path = nullptr) noexcept {
    // relaxed: no data hangs on it; a test arms the seam before it starts what it watches.
    const std::uint32_t mode = g_fault.armed.load(std::memory_order_relaxed);
    return mode == kDisarmed ? Fate::kGo : fate_when_armed(kind, mode, path);
}

/// The machine's word on this call; a write may be allowed fewer bytes.
bool unlucky(Machine& machine, const Machine::Asked& asked, std::size_t* bytes) noexcept {
    const Machine::Luck luck = machine.before(asked);
    if (luck.errno_value != 0) {
        errno = luck.errno_value;
        return true;
    }
    if (bytes != nullptr) *bytes = std::min(*bytes, luck.bytes_max);
    return false;
}

inline bool fails(Call kind, const char* path = nullptr) noexcept {
    if (Machine* made_up = machine()) [[unlikely]] {
        if (unlucky(*made_up, {.call = kind, .path = path}, nullptr)) return true;
    }
    return fate_of(kind, path) == Fate::kFail;
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

/// A read or write (then of `data`), or half of one.
template <typename F>
ssize_t transfer(Call kind, std::size_t bytes, F&& call, const void* data = nullptr) noexcept {
    if (Machine* made_up = machine()) [[unlikely]] {
        if (unlucky(*made_up, {.call = kind, .data = data, .bytes = bytes}, &bytes)) return -1;
    }
    return retry([&]() -> ssize_t {
        const Fate fate = fate_of(kind);
        if (fate == Fate::kFail) return -1;
        return call(fate == Fate::kHalf ? bytes / 2 : bytes);
    });
}

std::atomic<Observer> g_observer{nullptr};

/// Tells the observer, if there is one, of what succeeded; errno stays. Returns `result`.
template <typename Number>
Number told(Number result, const Change& change) noexcept {
    // relaxed: no data hangs on it; a test sets it before it starts what it watches.
    const Observer observer = g_observer.load(std::memory_order_relaxed);
    if (observer == nullptr || result < 0) return result;
    const int cause = errno;
    observer(change);
    errno = cause;
    return result;
}

}  // namespace

void observe(Observer observer) noexcept {
    g_observer.store(observer);
}

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

bool injected(Call kind) noexcept {
    return fails(kind);
}

int open_at(int dir_fd, const char* path, int flags, mode_t mode) noexcept {
    const int fd = retry([&] {
        return fails(Call::kOpen, path) ? -1 : ::openat(dir_fd, path, flags | O_CLOEXEC, mode);
    });
    return told(
        fd,
        {.kind = Change::Kind::kOpened, .fd = dir_fd, .path = path, .file = fd, .number = flags});
}

int make_dir_at(int dir_fd, const char* path, mode_t mode) noexcept {
    if (fails(Call::kMkdir)) return -1;
    return told(::mkdirat(dir_fd, path, mode),
                {.kind = Change::Kind::kMadeFolder, .fd = dir_fd, .path = path});
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
    return told(retry([&] { return fails(Call::kTruncate) ? -1 : ::ftruncate(fd, bytes); }),
                {.kind = Change::Kind::kResized, .fd = fd, .number = bytes});
}

int allocate(int fd, off_t offset, off_t bytes) noexcept {
    int error;
    do {
        error = fails(Call::kAllocate) ? errno : ::posix_fallocate(fd, offset, bytes);
    } while (error == EINTR);
    const Change done{
        .kind = Change::Kind::kAllocated, .fd = fd, .offset = offset, .number = bytes};
    if (error == 0) return told(0, done);
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
    return transfer(Call::kRead, bytes, [&](std::size_t n) { return ::read(fd, out, n); });
}

ssize_t read_at(int fd, void* out, std::size_t bytes, off_t offset) noexcept {
    return transfer(Call::kRead, bytes, [&](std::size_t n) { return ::pread(fd, out, n, offset); });
}

namespace {
ssize_t written(int fd, const struct iovec* pieces, off_t offset, ssize_t put) noexcept {
    return told(put, {.kind = Change::Kind::kWritten,
                      .fd = fd,
                      .data = pieces,
                      .offset = offset,
                      .number = put});
}
struct iovec piece_of(const void* data, std::size_t bytes) noexcept {
    return {const_cast<void*>(data), bytes};
}
}  // namespace

ssize_t write(int fd, const void* data, std::size_t bytes) noexcept {
    const struct iovec piece = piece_of(data, bytes);
    return written(
        fd, &piece, -1,
        transfer(
            Call::kWrite, bytes, [&](std::size_t n) { return ::write(fd, data, n); }, data));
}

ssize_t write_at(int fd, const void* data, std::size_t bytes, off_t offset) noexcept {
    const struct iovec piece = piece_of(data, bytes);
    return written(fd, &piece, offset,
                   transfer(
                       Call::kWrite, bytes,
                       [&](std::size_t n) { return ::pwrite(fd, data, n, offset); }, data));
}

ssize_t write_vector(int fd, const struct iovec* pieces, int count) noexcept {
    if (fails(Call::kWrite)) return -1;
    return written(fd, pieces, -1, retry([&] { return ::writev(fd, pieces, count); }));
}

ssize_t write_vector_at(int fd, const struct iovec* pieces, int count, off_t offset) noexcept {
    if (fails(Call::kWrite)) return -1;
    return written(fd, pieces, offset, retry([&] { return ::pwritev(fd, pieces, count, offset); }));
}

namespace {
// Never retried: after a failed fsync the kernel may have dropped the dirty pages.
template <typename Sync>
int sync_by(int fd, Sync sync) noexcept {
    (void)told(0, {.kind = Change::Kind::kSyncBegun, .fd = fd});
    const int result = fails(Call::kSync) ? -1 : sync(fd);
    const auto kind = result == 0 ? Change::Kind::kSynced : Change::Kind::kSyncFailed;
    (void)told(0, {.kind = kind, .fd = fd});
    return result;
}
}  // namespace

int sync(int fd) noexcept {
    return sync_by(fd, ::fsync);
}

int sync_data(int fd) noexcept {
    return sync_by(fd, ::fdatasync);
}

int rename_at(int old_dir, const char* old_path, int new_dir, const char* new_path,
              unsigned flags) noexcept {
    if (fails(Call::kRename, new_path)) return -1;
    return told(::renameat2(old_dir, old_path, new_dir, new_path, flags),
                {.kind = Change::Kind::kRenamed,
                 .fd = old_dir,
                 .path = old_path,
                 .file = new_dir,
                 .new_path = new_path});
}

int link_at(int old_dir, const char* old_path, int new_dir, const char* new_path) noexcept {
    if (fails(Call::kLink)) return -1;
    return told(::linkat(old_dir, old_path, new_dir, new_path, 0), {.kind = Change::Kind::kLinked,
                                                                    .fd = old_dir,
                                                                    .path = old_path,
                                                                    .file = new_dir,
                                                                    .new_path = new_path});
}

int unlink_at(int dir_fd, const char* path, int flags) noexcept {
    if (fails(Call::kUnlink, path)) return -1;
    return told(::unlinkat(dir_fd, path, flags),
                {.kind = Change::Kind::kUnlinked, .fd = dir_fd, .path = path});
}

int flock(int fd, int operation) noexcept {
    return retry([&] { return fails(Call::kLock) ? -1 : ::flock(fd, operation); });
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
    if (Machine* made_up = machine()) {
        if (const auto known = made_up->lock_holder(fd)) {
            *holder = *known;
            return 0;
        }
    }
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
    if (Machine* made_up = machine()) [[unlikely]] {
        if (unlucky(*made_up, {.call = Call::kRandom, .bytes = bytes}, nullptr)) return -1;
        made_up->fill_random(out, bytes);
        return 0;
    }
    auto* next = static_cast<unsigned char*>(out);
    while (bytes > 0) {
        const ssize_t got =
            transfer(Call::kRandom, bytes, [&](std::size_t n) { return ::getrandom(next, n, 0); });
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
