#include "directory_scan.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstring>

#include "spanring/abi/control_layout.h"
#include "spanring/base/unique_fd.hpp"

namespace spanring::shm {
namespace {

/// struct linux_dirent64 of getdents64(2), which no header declares.
struct DirectoryEntry {
    std::uint64_t inode;
    std::int64_t offset;
    std::uint16_t bytes;
    std::uint8_t type;
    char name[1];
};

class SegmentSum final : public NameVisitor {
public:
    explicit SegmentSum(int directory_fd) noexcept : directory_fd_(directory_fd) {}
    void visit(const char* name) noexcept override {
        if (!has_suffix(name, SPANRING_SEGMENT_SUFFIX)) return;
        struct stat info;
        // A segment that has just been reaped takes nothing.
        if (os::stat_at(directory_fd_, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return;
        constexpr std::uint64_t kBlockBytes = 512;  // of st_blocks, whatever the file system's is
        bytes += static_cast<std::uint64_t>(info.st_blocks) * kBlockBytes;
    }
    std::uint64_t bytes{0};

private:
    int directory_fd_;
};

// Which consumer.lock this process holds, if any. The pid tells a forked child that it does not.
std::atomic<std::uint64_t> g_held_device{0};
std::atomic<std::uint64_t> g_held_inode{0};
std::atomic<pid_t> g_held_by{0};

}  // namespace

int visit_names(int directory_fd, NameVisitor& visitor) noexcept {
    // A descriptor of its own: the position of a shared one would be shared, too.
    const UniqueFd fd(os::open_at(directory_fd, ".", O_RDONLY | O_DIRECTORY));
    if (!fd.valid()) return -1;
    alignas(DirectoryEntry) char buffer[4096];
    for (;;) {
        const long got = os::checked(os::Call::kList, [&] {
            return ::syscall(SYS_getdents64, fd.get(), buffer, sizeof buffer);
        });
        if (got <= 0) return static_cast<int>(got);
        for (long at = 0; at < got;) {
            std::uint16_t bytes;
            std::memcpy(&bytes, buffer + at + offsetof(DirectoryEntry, bytes), sizeof bytes);
            visitor.visit(buffer + at + offsetof(DirectoryEntry, name));
            at += bytes;
        }
    }
}

bool has_suffix(const char* name, const char* suffix) noexcept {
    const std::size_t name_length = std::strlen(name);
    const std::size_t suffix_length = std::strlen(suffix);
    return name_length > suffix_length && name[0] != '.' &&
           std::strcmp(name + name_length - suffix_length, suffix) == 0;
}

int scan_segment_bytes(int directory_fd, std::uint64_t* bytes) noexcept {
    SegmentSum sum(directory_fd);
    if (visit_names(directory_fd, sum) != 0) return -1;
    *bytes = sum.bytes;
    return 0;
}

int scan_consumer_pid(int directory_fd, pid_t* pid) noexcept {
    *pid = 0;
    struct stat info;
    if (os::stat_at(directory_fd, SPANRING_CONSUMER_LOCK_FILE, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? 0 : -1;
    }
    if (holds_consumer_lock(info.st_dev, info.st_ino)) {
        *pid = ::getpid();
        return 0;
    }
    const UniqueFd fd(
        os::open_at(directory_fd, SPANRING_CONSUMER_LOCK_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    if (!fd.valid()) return errno == ENOENT ? 0 : -1;
    return os::record_lock_holder(fd.get(), pid);
}

bool scan_may_reserve(int directory_fd, std::uint64_t more, std::uint64_t cap) noexcept {
    pid_t consumer = 0;
    const bool seen = scan_consumer_pid(directory_fd, &consumer) == 0;
    if (seen && consumer != 0) return true;
    // In a directory of several users the lock and the list are the daemon's: it was there, or
    // tracing would not be enabled, and the size of the tmpfs bounds what is left if it died.
    if (!seen && errno == EACCES) return true;
    std::uint64_t bytes = 0;
    if (scan_segment_bytes(directory_fd, &bytes) != 0) return false;
    return more <= cap && bytes <= cap - more;
}

// Sequentially consistent: once in a process's life.
void note_consumer_lock(std::uint64_t device, std::uint64_t inode, bool held) noexcept {
    g_held_device.store(device);
    g_held_inode.store(inode);
    g_held_by.store(held ? ::getpid() : 0);
}

bool holds_consumer_lock(std::uint64_t device, std::uint64_t inode) noexcept {
    return g_held_by.load() == ::getpid() && g_held_device.load() == device &&
           g_held_inode.load() == inode;
}

}  // namespace spanring::shm
