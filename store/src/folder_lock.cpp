#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <set>
#include <string>

#include "folder.hpp"
#include "spanring/base/os.hpp"

namespace spanring::store {
namespace {

std::mutex held_mutex;
std::set<std::string>& held_here() {
    static std::set<std::string> held;
    return held;
}

Error busy(const Folder& folder, const char* doing, pid_t holder) {
    const std::string who = holder > 0 ? "process " + std::to_string(holder)
                                       : std::string("a process in another pid namespace");
    return {ErrorCode::kBusy,
            "trace database " + folder.path() + " is being " + doing + " by " + who};
}

}  // namespace

Result<FolderLock> FolderLock::take_to_write(const Folder& folder) {
    return take(folder, "lock", "written");
}

Result<FolderLock> FolderLock::take_to_compact(const Folder& folder) {
    return take(folder, "compact.lock", "compacted");
}

Result<FolderLock> FolderLock::take(const Folder& folder, const char* file, const char* doing) {
    const std::string name = folder.file(file);
    const std::lock_guard guard(held_mutex);
    // Asked by path first: opening and closing the file would drop a lock that this process holds.
    struct stat found {};
    const auto identity = [&found] {
        return std::to_string(found.st_dev) + ":" + std::to_string(found.st_ino);
    };
    if (os::stat_at(folder.fd(), file, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
        held_here().count(identity()) != 0)
        return busy(folder, doing, ::getpid());
    UniqueFd fd(os::open_at(folder.fd(), file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd.valid()) return os_error(errno, name);
    if (os::lock_record(fd.get()) != 0) {
        const int cause = errno;
        pid_t holder = 0;
        if ((cause == EAGAIN || cause == EACCES) && os::record_lock_holder(fd.get(), &holder) == 0)
            return busy(folder, doing, holder);
        return os_error(cause, name);
    }
    if (os::stat_fd(fd.get(), &found) != 0) return os_error(errno, name);
    // For people who look; nobody relies on it, so a failure does not matter.
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (os::truncate(fd.get(), 0) == 0) (void)!os::write_at(fd.get(), pid.data(), pid.size(), 0);
    held_here().insert(identity());
    return FolderLock(std::move(fd), identity());
}

FolderLock::FolderLock(UniqueFd fd, std::string identity) noexcept
    : fd_(std::move(fd)), identity_(std::move(identity)) {}

FolderLock::FolderLock(FolderLock&& other) noexcept
    : fd_(std::move(other.fd_)), identity_(std::exchange(other.identity_, {})) {}

FolderLock::~FolderLock() {
    if (identity_.empty()) return;  // moved from
    const std::lock_guard guard(held_mutex);
    // Closed before the guard goes: a close drops the record lock of the whole process, so it must
    // not come after somebody else here has taken it again.
    fd_.reset();
    held_here().erase(identity_);
}

}  // namespace spanring::store
