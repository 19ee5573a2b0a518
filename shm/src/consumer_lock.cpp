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

Result<ConsumerLock> RingDirectory::lock_consumer() const {
    // Asked first: a process that holds the lock must not open the file again (directory_scan.hpp).
    Result<pid_t> holder = consumer_pid();
    if (!holder) return std::move(holder).error();
    if (*holder != 0) return busy(path_, *holder);
    UniqueFd fd(os::open_at(fd_.get(), SPANRING_CONSUMER_LOCK_FILE,
                            O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644));
    if (!fd.valid()) {
        return os_error(errno, "cannot open " + path_ + "/" SPANRING_CONSUMER_LOCK_FILE);
    }
    struct stat info;
    if (os::stat_fd(fd.get(), &info) != 0) {
        return os_error(errno, "cannot examine the consumer's lock in " + path_);
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
