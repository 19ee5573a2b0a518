// RingDirectory: segments that were put aside, and how many of them are kept.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "directory_scan.hpp"
#include "spanring/base/os.hpp"
#include "spanring/shm/directory.hpp"

namespace spanring::shm {
namespace {

class QuarantinedNames final : public NameVisitor {
public:
    void visit(const char* name) noexcept override {
        if (has_suffix(name, kQuarantinedSuffix)) names.emplace_back(name);
    }
    std::vector<std::string> names;
};

/// As long as it runs, the process that made a segment holds a lock on it. Nobody else is harmed by
/// our closing the file: the lock of another process is not ours to lose.
bool maker_lives(int directory_fd, const std::string& name) noexcept {
    const UniqueFd fd(
        os::open_at(directory_fd, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    pid_t holder = 0;
    return fd.valid() && os::record_lock_holder(fd.get(), &holder) == 0 && holder != 0;
}

}  // namespace

Result<std::vector<QuarantinedFile>> RingDirectory::quarantined() const {
    QuarantinedNames found;
    if (visit_names(fd_.get(), found) != 0) {
        return os_error(errno, "cannot list ring directory " + path_);
    }
    std::vector<QuarantinedFile> files;
    for (std::string& name : found.names) {
        struct stat info;
        if (os::stat_at(fd_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
        constexpr std::uint64_t kBlockBytes = 512;  // of st_blocks, whatever the file system's is
        QuarantinedFile file;
        file.bytes = static_cast<std::uint64_t>(info.st_blocks) * kBlockBytes;
        file.put_aside_s = info.st_ctim.tv_sec;  // a rename changes it, a producer hardly can
        file.maker_lives = S_ISREG(info.st_mode) && maker_lives(fd_.get(), name);
        file.name = std::move(name);
        files.push_back(std::move(file));
    }
    std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) {
        return std::tie(a.put_aside_s, a.name) < std::tie(b.put_aside_s, b.name);
    });
    return files;
}

// Oldest first, and first those whose makers are dead: the memory of the others is held by their
// mappings anyway.
std::size_t RingDirectory::limit_quarantined() const {
    auto files = quarantined();
    if (!files) return 0;
    std::stable_sort(files->begin(), files->end(),
                     [](const auto& a, const auto& b) { return !a.maker_lives && b.maker_lives; });
    std::size_t left = files->size();
    std::uint64_t bytes = 0;
    for (const QuarantinedFile& file : *files) bytes += file.bytes;
    std::size_t removed = 0;
    for (const QuarantinedFile& file : *files) {
        if (left <= kQuarantinedFilesMax && bytes <= kQuarantinedBytesMax) break;
        --left;
        bytes -= file.bytes;
        if (os::unlink_at(fd_.get(), file.name.c_str()) == 0) ++removed;
    }
    return removed;
}

}  // namespace spanring::shm
