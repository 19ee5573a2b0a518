#include "reserve.hpp"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "spanring/base/os.hpp"

namespace spanring::store {
namespace {

constexpr const char* kName = "reserve";

// Of the database's bytes, and at most: the largest snapshots are some MiB (consumer/limits.hpp
// bounds what is open), the catalogue's log is cut at 4 MiB. Below the least it is not worth a
// file.
constexpr std::uint64_t kShare = 64;
constexpr std::uint64_t kBytesMax = 8u << 20;
constexpr std::uint64_t kBytesMin = 64u << 10;
constexpr std::chrono::milliseconds kTryAgain{100};

}  // namespace

Reserve::~Reserve() {
    if (bytes_ != 0) (void)os::unlink_at(folder_.fd(), kName);
}

void Reserve::keep_for(std::uint64_t database_bytes) {
    const std::lock_guard guard(mutex_);
    const std::uint64_t wanted = std::min(database_bytes / kShare, kBytesMax);
    if (wanted_ != 0 || wanted < kBytesMin || wanted <= bytes_) return;
    (void)allocate(wanted);
}

bool Reserve::give_up() {
    const std::lock_guard guard(mutex_);
    if (bytes_ == 0) return false;
    (void)os::unlink_at(folder_.fd(), kName);
    wanted_ = std::exchange(bytes_, 0);
    last_commit_ = true;
    return true;
}

bool Reserve::may_commit() {
    const std::lock_guard guard(mutex_);
    if (wanted_ == 0 || std::exchange(last_commit_, false)) return true;
    const auto now = SteadyClock::now();
    if (now - tried_ < kTryAgain) return false;
    tried_ = now;
    if (!allocate(wanted_)) return false;
    wanted_ = 0;
    return true;
}

bool Reserve::allocate(std::uint64_t bytes) {
    const UniqueFd fd(
        os::open_at(folder_.fd(), kName, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd.valid()) return false;
    if (os::allocate(fd.get(), 0, static_cast<off_t>(bytes)) == 0) {
        bytes_ = bytes;
        return true;
    }
    // Half a reserve is in the way of what it is for.
    (void)os::unlink_at(folder_.fd(), kName);
    bytes_ = 0;
    return false;
}

}  // namespace spanring::store
