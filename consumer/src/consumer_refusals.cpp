// Consumer: rings that are not served, or not any more, and who is told.
#include <fcntl.h>

#include <algorithm>

#include "consumer.hpp"
#include "spanring/base/os.hpp"

namespace spanring::consumer {
namespace {

/// "4711-….seg": what the name says, which its maker has chosen.
std::uint32_t pid_in(const std::string& file) {
    std::uint64_t pid = 0;
    for (const char c : file) {
        if (c < '0' || c > '9' || pid > UINT32_MAX / 10) break;
        pid = pid * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return static_cast<std::uint32_t>(pid);
}

std::uint64_t memory_of(const struct stat& info) {
    constexpr std::uint64_t kBlockBytes = 512;  // of st_blocks, whatever the file system's is
    return static_cast<std::uint64_t>(info.st_blocks) * kBlockBytes;
}

}  // namespace

shm::Notice Consumer::notice_of(const std::string& file, const std::string& reason) const {
    shm::Notice notice;
    struct stat info {};
    if (os::stat_at(directory_->fd(), file.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
        notice.uid = info.st_uid;
    }
    notice.pid = pid_in(file);
    notice.file = file;
    notice.reason = reason;
    return notice;
}

void Consumer::refuse(const std::string& file, const Error& error) {
    // No descriptor or memory left, or the system failed: the next scan may do better.
    if (error.code == ErrorCode::kIo || error.code == ErrorCode::kNoSpace) {
        scan_again_ = true;
        log_.warn_sometimes("attach", "cannot attach " + file + " yet: " + error.message);
        return;
    }
    refused_files_.insert(file);
    if (error.code == ErrorCode::kCorrupt) {
        control_.add_counts({.segments_quarantined = 1});
        notices_->quarantined(notice_of(file, error.message));
        const std::string aside = file + shm::kQuarantinedSuffix;
        const int renamed =
            os::rename_at(directory_->fd(), file.c_str(), directory_->fd(), aside.c_str());
        log_.error("quarantined " + file + (renamed == 0 ? "" : " (which cannot be renamed)") +
                   ": " + error.message);
        limit_quarantined();
    } else {
        notices_->refused(notice_of(file, error.message));
        log_.error("cannot serve " + file + ": " + error.message);
    }
}

void Consumer::limit_quarantined() {
    if (const std::size_t removed = directory_->limit_quarantined(); removed != 0) {
        log_.info("removed " + std::to_string(removed) + " of the oldest quarantined files");
    }
}

// Before the file gets its other name: whoever finds that knows why.
void Consumer::tell_quarantined(const Segment& segment, const std::string& file) {
    shm::Notice notice = notice_of(file, segment.quarantine_reason);
    notice.uid = segment.identity().uid;
    notice.pid = segment.identity().pid;
    notice.process = segment.identity().process_name;
    notices_->quarantined(notice);
}

// A limit is no breach: the ring stays, its process writes into it until it is full and counts
// then, and it is served when others of its user have gone.
bool Consumer::over_quota(const std::string& file) {
    struct stat info {};
    if (os::stat_at(directory_->fd(), file.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return false;
    look_at_bytes();
    const std::string reason = quota_.user_refuses(info.st_uid, memory_of(info));
    if (reason.empty()) {
        quota_.add_bytes(info.st_uid, memory_of(info));
        return false;
    }
    must_wait(file, info.st_uid, reason);
    return true;
}

void Consumer::must_wait(const std::string& file, std::uint32_t uid, const std::string& reason) {
    scan_again_ = true;
    shm::Notice& notice = waiting_[{uid, reason}];
    const std::uint64_t before = notice.file.empty() ? 0 : notice.count;
    notice = notice_of(file, reason);
    notice.uid = uid;
    notice.count = before + 1;
    log_.warn_sometimes("quota " + std::to_string(uid),
                        file + " of uid " + std::to_string(uid) + " must wait: " + reason);
}

void Consumer::tell_waiting() {
    for (const auto& [key, notice] : waited_) {
        if (!waiting_.contains(key)) notices_->served_again(key.second, key.first);
    }
    for (const auto& [key, notice] : waiting_) notices_->refused(notice);
    waited_ = std::move(waiting_);
    waiting_.clear();
}

// Rings grow while they are served. Once a second is enough for a bound that only newcomers meet.
void Consumer::look_at_bytes() {
    const auto now = SteadyClock::now();
    if (!quota_.bounds_bytes() || now - bytes_looked_at_ < std::chrono::seconds(1)) return;
    bytes_looked_at_ = now;
    std::map<std::uint32_t, std::uint64_t> by_uid;
    for (const std::string& file : attached_files_) {
        struct stat info {};
        if (os::stat_at(directory_->fd(), file.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
        by_uid[info.st_uid] += memory_of(info);
    }
    quota_.set_bytes(std::move(by_uid));
}

}  // namespace spanring::consumer
