// What is done to files and names, as it is seen by calls.
#include "disk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace spanring::testing {
namespace {

using Kind = DiskOperation::Kind;

std::atomic<Disk*> g_disk{nullptr};
/// When the sync began that this thread is in.
thread_local Moment t_sync_begun = 0;

std::pair<std::uint64_t, std::uint64_t> identity_of(const struct stat& found) {
    return {found.st_dev, found.st_ino};
}

std::string parent_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_in(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::shared_ptr<const std::string> joined(const struct iovec* pieces, std::size_t bytes) {
    auto data = std::make_shared<std::string>();
    for (; data->size() < bytes; ++pieces) {
        const auto more = std::min(pieces->iov_len, bytes - data->size());
        data->append(static_cast<const char*>(pieces->iov_base), more);
    }
    return data;
}

}  // namespace

Disk* Disk::current() noexcept {
    return g_disk.load();
}

Disk::Disk(const std::string& folder, bool history) : keeps_history_(history) {
    struct stat found {};
    if (::stat(folder.c_str(), &found) != 0) throw std::runtime_error(folder + ": no folder");
    ids_[identity_of(found)] = next_id_;
    load(folder, next_id_++);
    begin_ = state_;
    if (g_disk.exchange(this) != nullptr) throw std::logic_error("two disks at once");
    os::observe(&Disk::observe);
}

void Disk::stop() {
    if (g_disk.load() != this) return;
    os::observe(nullptr);
    g_disk.store(nullptr);
}

// Everything that is there is durable.
void Disk::load(const std::string& path, std::uint64_t id) {
    state_.files_[id].is_folder = true;
    DIR* dir = ::opendir(path.c_str());
    if (dir == nullptr) throw std::runtime_error(path + ": cannot be listed");
    while (const dirent* entry = ::readdir(dir)) {
        const std::string name = entry->d_name;
        const std::string below = path + "/" + name;
        struct stat found {};
        if (name == "." || name == ".." || ::lstat(below.c_str(), &found) != 0) continue;
        auto [known, fresh] = ids_.try_emplace(identity_of(found), next_id_);
        const std::uint64_t file = known->second;
        if (fresh) ++next_id_;
        state_.files_[id].names[name] = names_[id][name] = file;
        if (!fresh) continue;
        if (S_ISDIR(found.st_mode)) {
            load(below, file);
        } else {
            std::ifstream in(below, std::ios::binary);
            state_.files_[file].bytes.assign(std::istreambuf_iterator<char>(in), {});
        }
    }
    ::closedir(dir);
}

Moment Disk::now() const {
    const std::lock_guard guard(mutex_);
    return moment_;
}

void Disk::lose_power(const PowerLoss& loss, const std::string& folder) const {
    const std::lock_guard guard(mutex_);
    state_.make(loss, folder);
}

const DiskOperation* Disk::Replay::step() {
    if (moment_ == disk_.history_.size()) return nullptr;
    const DiskOperation& operation = disk_.history_[moment_++];
    // A folder is one from its first name on, if not before.
    if (operation.kind == Kind::kName && disk_.state_.files_.at(operation.target).is_folder)
        state_.files_[operation.target].is_folder = true;
    state_.apply(operation, moment_);
    return &operation;
}

void Disk::add(DiskOperation operation) {
    if (operation.file == 0) return;
    state_.apply(operation, ++moment_);
    if (keeps_history_) history_.push_back(std::move(operation));
}

void Disk::observe(const os::Change& change) {
    if (Disk* disk = g_disk.load(); disk != nullptr) disk->take(change);
}

std::uint64_t Disk::id_of(int fd) const {
    struct stat found {};
    if (::fstat(fd, &found) != 0) return 0;
    const auto known = ids_.find(identity_of(found));
    return known != ids_.end() ? known->second : 0;
}

/// Of the folder that the last part of `path` stands in; 0: none of ours.
std::uint64_t Disk::folder_of(int dir_fd, const std::string& path) const {
    struct stat found {};
    if (::fstatat(dir_fd, parent_of(path).c_str(), &found, 0) != 0) return 0;
    const auto known = ids_.find(identity_of(found));
    return known != ids_.end() ? known->second : 0;
}

void Disk::take(const os::Change& change) {
    using Change = os::Change::Kind;
    const std::lock_guard guard(mutex_);
    const auto offset = static_cast<std::uint64_t>(change.offset);
    const auto number = static_cast<std::uint64_t>(change.number);
    switch (change.kind) {
        case Change::kWritten: {
            const std::uint64_t file = id_of(change.fd);
            if (file == 0 || number == 0) return;
            const auto at =
                change.offset >= 0
                    ? offset
                    : static_cast<std::uint64_t>(::lseek(change.fd, 0, SEEK_CUR)) - number;
            return add({.kind = Kind::kWrite,
                        .file = file,
                        .offset = at,
                        .data = joined(change.data, number)});
        }
        case Change::kResized:
            return add({.kind = Kind::kResize, .file = id_of(change.fd), .offset = number});
        case Change::kAllocated:
            return add({.kind = Kind::kGrow, .file = id_of(change.fd), .offset = offset + number});
        case Change::kSyncBegun: t_sync_begun = moment_; return;
        case Change::kSynced:
            return add({.kind = Kind::kSync, .file = id_of(change.fd), .until = t_sync_begun});
        case Change::kSyncFailed:
            return add({.kind = Kind::kFailedSync, .file = id_of(change.fd), .until = moment_});
        default: return take_name(change);
    }
}

void Disk::take_name(const os::Change& change) {
    using Change = os::Change::Kind;
    const std::string path = change.path;
    const std::uint64_t folder = folder_of(change.fd, path);
    if (folder == 0) return;
    const std::string name = name_in(path);
    auto& names = names_[folder];
    struct stat found {};
    switch (change.kind) {
        case Change::kOpened: {
            if ((change.number & (O_CREAT | O_TRUNC)) == 0) return;
            if (::fstat(change.file, &found) != 0) return;
            const std::uint64_t before = next_id_;
            const std::uint64_t file = name_file(folder, name, identity_of(found), false);
            if (file < before && (change.number & O_TRUNC) != 0)
                add({.kind = Kind::kResize, .file = file});
            return;
        }
        case Change::kMadeFolder:
            if (::fstatat(change.fd, path.c_str(), &found, 0) == 0)
                (void)name_file(folder, name, identity_of(found), true);
            return;
        case Change::kUnlinked:
            names.erase(name);
            return add({.kind = Kind::kForget, .file = folder, .name = name});
        default: break;
    }
    const std::string new_name = name_in(change.new_path);
    const std::uint64_t file = names[name];
    names[new_name] = file;
    const bool rename = change.kind == Change::kRenamed;
    if (rename) names.erase(name);
    add({.kind = rename ? Kind::kRename : Kind::kName,
         .file = folder,
         .name = rename ? name : new_name,
         .new_name = rename ? new_name : "",
         .target = file});
}

/// Returns what is there under this name, which is a new file if it was not.
std::uint64_t Disk::name_file(std::uint64_t folder, const std::string& name,
                              const Identity& identity, bool is_folder) {
    const auto known = ids_.find(identity);
    const auto named = names_[folder].find(name);
    if (known != ids_.end() && named != names_[folder].end() && named->second == known->second)
        return known->second;
    // An inode is used again when nobody has the old file any more.
    const std::uint64_t file = ids_[identity] = next_id_++;
    names_[folder][name] = file;
    state_.files_[file].is_folder = is_folder;
    add({.kind = Kind::kName, .file = folder, .name = name, .target = file});
    return file;
}

std::uint64_t Disk::opened(const std::string& path) {
    const std::lock_guard guard(mutex_);
    struct stat found {};
    const std::uint64_t folder = folder_of(AT_FDCWD, path);
    if (folder == 0 || ::stat(path.c_str(), &found) != 0) return 0;
    return name_file(folder, name_in(path), identity_of(found), false);
}

void Disk::written(std::uint64_t file, std::uint64_t offset, const void* data, std::size_t bytes) {
    const std::lock_guard guard(mutex_);
    add({.kind = Kind::kWrite,
         .file = file,
         .offset = offset,
         .data = std::make_shared<std::string>(static_cast<const char*>(data), bytes)});
}

void Disk::resized(std::uint64_t file, std::uint64_t bytes) {
    const std::lock_guard guard(mutex_);
    add({.kind = Kind::kResize, .file = file, .offset = bytes});
}

void Disk::synced(std::uint64_t file, Moment begun, bool good) {
    const std::lock_guard guard(mutex_);
    add({.kind = good ? Kind::kSync : Kind::kFailedSync, .file = file, .until = begun});
}

void Disk::unlinked(const std::string& path) {
    const std::lock_guard guard(mutex_);
    const std::uint64_t folder = folder_of(AT_FDCWD, path);
    if (folder == 0) return;
    names_[folder].erase(name_in(path));
    add({.kind = Kind::kForget, .file = folder, .name = name_in(path)});
}

void Disk::folder_synced(const std::string& path_below, Moment begun) {
    const std::lock_guard guard(mutex_);
    add({.kind = Kind::kSync, .file = folder_of(AT_FDCWD, path_below), .until = begun});
}

}  // namespace spanring::testing
