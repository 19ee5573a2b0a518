// Repair: windows without what is no frame in them.
#include <fcntl.h>

#include <cerrno>

#include "catalogue_writer.hpp"
#include "log_scanner.hpp"
#include "new_window.hpp"
#include "spanring/base/os.hpp"
#include "spanring/store/database.hpp"

namespace spanring::store {
namespace {

/// So many damaged files of one window are kept.
constexpr int kKeptMax = 100;

/// Gives the window's file a second name, under which it stays. Returns that name.
Result<std::string> keep_aside(const Folder& folder, std::uint64_t window) {
    const std::string name = window_name(window);
    for (int i = 1; i <= kKeptMax; ++i) {
        const std::string kept = name + ".damaged" + (i == 1 ? "" : "." + std::to_string(i));
        if (os::link_at(folder.fd(), name.c_str(), folder.fd(), kept.c_str()) == 0) return kept;
        if (errno != EEXIST) return os_error(errno, "cannot keep " + folder.file(kept));
    }
    return Error{ErrorCode::kInvalidArgument,
                 folder.file(name) + ": " + std::to_string(kKeptMax) +
                     " damaged files of it are kept already; remove some"};
}

/// What there is in a window beside frames.
struct Damage {
    std::uint64_t bytes{0};
    std::uint64_t frames{0};  ///< that are good
};

/// Walks a window, and copies each good frame if `copy` is not null. A torn end is no damage of the
/// newest: the next writer cuts it.
Result<Damage> walk(const Folder& folder, std::uint64_t window, bool newest, NewWindow* copy) {
    auto fd = folder.open_window(window, O_RDONLY);
    if (!fd) return std::move(fd).error();
    const std::string name = folder.file(window_name(window));
    LogScanner scanner(fd->get(), name, 0, Verify::kEverything);
    LogFile file(fd->get(), name);
    Damage damage;
    FramePlace place;
    for (;;) {
        auto found = scanner.next(&place);
        if (!found) return std::move(found).error();
        if (!*found) break;
        ++damage.frames;
        if (copy == nullptr) continue;
        auto bytes = file.at(place.offset, place.bytes());
        if (!bytes) return std::move(bytes).error();
        if (auto put = copy->append(*bytes); !put) return std::move(put).error();
    }
    for (const Skipped& skipped : scanner.skipped()) damage.bytes += skipped.bytes;
    if (!newest) damage.bytes += scanner.tail_bytes();
    return damage;
}

/// The damaged file has a second name before its first one goes to the new file, or goes.
Result<void> repair_window(const Folder& folder, std::uint64_t window, bool newest,
                           RepairReport& report) {
    auto damage = walk(folder, window, newest, nullptr);
    if (!damage) return std::move(damage).error();
    if (damage->bytes == 0) return {};
    // Its places are those of the old files, also if we are killed behind the first new one. The
    // next start of a writer makes it anew.
    if (auto discarded = CatalogueWriter::discard(folder); !discarded) return discarded;
    auto kept = keep_aside(folder, window);
    if (!kept) return std::move(kept).error();
    if (damage->frames == 0) {
        if (auto removed = folder.remove_window(window); !removed) return removed;
    } else {
        NewWindow copy(folder, window);
        if (auto created = copy.create(); !created) return created;
        if (auto walked = walk(folder, window, newest, &copy); !walked)
            return std::move(walked).error();
        if (auto took = copy.take_name(nullptr); !took) return std::move(took).error();
    }
    ++report.windows;
    report.bytes_taken_out += damage->bytes;
    report.kept.push_back(folder.file(*kept));
    return folder.sync_names();
}

}  // namespace

Result<RepairReport> repair(const std::string& path, const Progress& progress) {
    auto folder = Folder::open(path);
    if (!folder) return std::move(folder).error();
    auto lock = FolderLock::take_to_write(*folder);
    if (!lock) return std::move(lock).error();
    auto compacting = FolderLock::take_to_compact(*folder);
    if (!compacting) return std::move(compacting).error();
    remove_unfinished_windows(*folder);
    auto windows = folder->windows();
    if (!windows) return std::move(windows).error();
    RepairReport report;
    const std::uint64_t total = folder->bytes_total();
    std::uint64_t done = 0;
    for (const std::uint64_t window : *windows) {
        if (auto fd = folder->open_window(window, O_RDONLY); fd)
            if (auto bytes = file_bytes(fd->get(), path); bytes) done += *bytes;
        if (auto repaired = repair_window(*folder, window, window == windows->back(), report);
            !repaired)
            return std::move(repaired).error();
        if (progress) progress(done, total);
    }
    return report;
}

}  // namespace spanring::store
