#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "directory_scan.hpp"
#include "spanring/base/os.hpp"
#include "spanring/shm/directory.hpp"

namespace spanring::shm {
namespace {

Error busy(const std::string& path, pid_t pid) {
    const std::string who = pid > 0 ? "pid " + std::to_string(pid) : "in another pid namespace";
    return {ErrorCode::kBusy, "another consumer (" + who + ") serves " + path};
}

}  // namespace

Result<UniqueFd> RingDirectory::open_lock_file() const {
    UniqueFd fd;
    for (int tries = 0; tries < kNameTriesMax; ++tries) {
        clear_squatted(SPANRING_CONSUMER_LOCK_FILE);
        fd.reset(os::open_at(fd_.get(), SPANRING_CONSUMER_LOCK_FILE,
                             O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644));
        if (fd.valid() ? !is_squatted(fd.get()) : !frees_names()) break;
    }
    if (!fd.valid()) {
        return os_error(errno, "cannot open " + path_ + "/" SPANRING_CONSUMER_LOCK_FILE);
    }
    return fd;
}

Result<ConsumerLock> RingDirectory::lock_consumer() const {
    // Asked first: a process that holds the lock must not open the file again (directory_scan.hpp).
    Result<pid_t> holder = consumer_pid();
    if (holder && *holder == ::getpid()) return busy(path_, *holder);
    // Who has taken the file's name may hold a lock on it, too.
    if (!frees_names() && !holder) return std::move(holder).error();
    if (!frees_names() && *holder != 0) return busy(path_, *holder);
    Result<UniqueFd> opened = open_lock_file();
    if (!opened) return std::move(opened).error();
    UniqueFd fd = *std::move(opened);
    struct stat info;
    if (os::stat_fd(fd.get(), &info) != 0) {
        return os_error(errno, "cannot examine the consumer's lock in " + path_);
    }
    // Who may read a file may lock it: where others are, the lock is the daemon's alone.
    if (shared_ && os::change_mode(fd.get(), 0600) != 0) {
        return os_error(errno, "cannot set the mode of the consumer's lock in " + path_);
    }
    if (os::lock_record(fd.get()) != 0) {
        if (errno != EAGAIN && errno != EACCES) {
            return os_error(errno, "cannot take the consumer's lock in " + path_);
        }
        pid_t winner = -1;
        os::record_lock_holder(fd.get(), &winner);
        return busy(path_, winner);
    }
    note_consumer_lock(info.st_dev, info.st_ino, true);
    ConsumerLock lock(std::move(fd));
    // For people and scripts; the lock itself is what counts.
    char text[16];
    const int length = std::snprintf(text, sizeof text, "%d\n", static_cast<int>(::getpid()));
    const ssize_t put = os::truncate(lock.fd(), 0) != 0
                            ? -1
                            : os::write_at(lock.fd(), text, static_cast<std::size_t>(length), 0);
    if (put != length) {
        return os_error(put < 0 ? errno : ENOSPC,
                        "cannot write " + path_ + "/" SPANRING_CONSUMER_LOCK_FILE);
    }
    return lock;
}

ConsumerLock::~ConsumerLock() {
    if (fd_.valid()) note_consumer_lock(0, 0, false);
}

}  // namespace spanring::shm
