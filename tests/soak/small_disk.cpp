#include "small_disk.hpp"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "spanring/base/unique_fd.hpp"

namespace spanring::soak {
namespace fs = std::filesystem;
namespace {

constexpr const char* kSize = "size=160m";

bool write_text(const char* file, const std::string& text) {
    std::ofstream out(file);
    out << text;
    return out.flush().good();
}

/// Root may; others are root in a user namespace, if that is allowed.
bool enter_mount_namespace() {
    const std::string uid = std::to_string(::getuid());
    const std::string gid = std::to_string(::getgid());
    if (::unshare(CLONE_NEWNS) != 0) {
        if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
        if (!write_text("/proc/self/uid_map", "0 " + uid + " 1") ||
            !write_text("/proc/self/setgroups", "deny") ||
            !write_text("/proc/self/gid_map", "0 " + gid + " 1")) {
            return false;
        }
    }
    return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

}  // namespace

SmallDisk::SmallDisk() {
    char folder[] = "/tmp/spanring-soak-XXXXXX";
    path_ = ::mkdtemp(folder);
    mounted_ = enter_mount_namespace() && ::mount("none", path_.c_str(), "tmpfs", 0, kSize) == 0;
}

SmallDisk::~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

void SmallDisk::hold_windows() const {
    std::error_code ignored;
    if (fs::create_directory(path_ + "/held", ignored)) {
        fs::create_hard_link(database() + "/uuid", path_ + "/held/uuid", ignored);
    }
    for (const auto& entry : fs::directory_iterator(database(), ignored)) {
        if (entry.path().extension() != ".log") continue;
        fs::create_hard_link(entry.path(), fs::path(path_ + "/held") / entry.path().filename(),
                             ignored);
    }
}

void SmallDisk::fill() {
    hold_windows();
    const UniqueFd ballast(
        ::open((path_ + "/ballast").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    const std::vector<char> block(1u << 20, 'b');
    for (std::size_t bytes = block.size(); bytes > 0;) {
        if (::write(ballast.get(), block.data(), bytes) < 0) bytes /= 2;
    }
}

void SmallDisk::empty() {
    std::error_code ignored;
    fs::remove(path_ + "/ballast", ignored);
    hold_windows();
}

std::string SmallDisk::held() const {
    return fs::exists(path_ + "/held") ? path_ + "/held" : std::string();
}

void SmallDisk::forget_held() {
    std::error_code ignored;
    fs::remove_all(path_ + "/held", ignored);
}

}  // namespace spanring::soak
