#include "new_window.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "spanring/base/os.hpp"
#include "spanring/base/testpoint.hpp"

namespace spanring::store {
namespace {

std::string unfinished_name(std::uint64_t window) {
    return window_name(window) + kUnfinishedEnding;
}

}  // namespace

NewWindow::NewWindow(const Folder& folder, std::uint64_t window)
    : folder_(folder), window_(window), name_(unfinished_name(window)) {}

NewWindow::~NewWindow() {
    if (fd_.valid()) (void)os::unlink_at(folder_.fd(), name_.c_str());
}

Result<void> NewWindow::create() {
    fd_ = UniqueFd(os::open_at(folder_.fd(), name_.c_str(),
                               O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd_.valid()) return os_error(errno, "cannot create " + folder_.file(name_));
    return {};
}

Result<void> NewWindow::append(std::span<const std::byte> bytes) {
    const ssize_t put =
        os::write_at(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(bytes_));
    if (put >= 0 && static_cast<std::size_t>(put) != bytes.size()) errno = ENOSPC;
    if (put != static_cast<ssize_t>(bytes.size())) return os_error(errno, folder_.file(name_));
    bytes_ += bytes.size();
    SPANRING_TESTPOINT("compact.written");
    return {};
}

Result<bool> NewWindow::take_name(std::mutex* names) {
    if (os::sync_data(fd_.get()) != 0) return os_error(errno, folder_.file(name_));
    const std::unique_lock guard =
        names != nullptr ? std::unique_lock(*names) : std::unique_lock<std::mutex>();
    const std::string name = window_name(window_);
    SPANRING_TESTPOINT("compact.synced");
    struct stat found {};
    if (os::stat_at(folder_.fd(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) return false;
    if (os::rename_at(folder_.fd(), name_.c_str(), folder_.fd(), name.c_str()) != 0)
        return os_error(errno, folder_.file(name_));
    SPANRING_TESTPOINT("compact.renamed");
    fd_.reset();
    // Until it is durable, a power loss brings the old file back: as good as the new one.
    (void)folder_.sync_names();
    return true;
}

void remove_unfinished_windows(const Folder& folder) {
    auto windows = folder.unfinished_windows();
    if (!windows) return;
    for (const std::uint64_t window : *windows)
        (void)os::unlink_at(folder.fd(), unfinished_name(window).c_str());
}

}  // namespace spanring::store
