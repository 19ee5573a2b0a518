#include "recovery.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "log_scanner.hpp"
#include "spanring/base/os.hpp"
#include "spanring/base/testpoint.hpp"
#include "state_fold.hpp"

namespace spanring::store {
namespace {

// Sinks know a frame by (store uuid, number), so no number may ever name two frames. A reader takes
// a frame only when it is there whole, checksums and all: a tail that is torn when a writer is
// killed was never seen by anybody. But whole frames may have been seen that recovery does not
// find: one that was cut off because its sync failed, before its writer died too, and, after a
// power loss, all of the last sync interval. Their numbers are left out: a million of them is one
// every 100 us, the shortest turn, for over a minute and a half, where 100 ms is the default of the
// interval.
constexpr std::uint64_t kNumbersLeftOut = 1u << 20;

struct Opened {
    UniqueFd fd;
    LogScanner scanner;
};

Result<Opened> open_scan(const Folder& folder, std::uint64_t window, Verify verify) {
    auto fd = folder.open_window(window, O_RDONLY);
    if (!fd) return std::move(fd).error();
    const int number = fd->get();
    return Opened{std::move(*fd), LogScanner(number, folder.file(window_name(window)), 0, verify)};
}

/// A window that can start a fold: its first frame is a good snapshot.
Result<bool> starts_with_snapshot(const Folder& folder, std::uint64_t window) {
    auto opened = open_scan(folder, window, Verify::kPositions);
    if (!opened) return std::move(opened).error();
    FramePlace place;
    auto found = opened->scanner.next(&place);
    if (!found) return found;
    return *found && place.offset == 0 && (place.header.flags & SPANRING_FRAME_SNAPSHOT) != 0;
}

/// Folds a window; the newest one is also cut behind its last good frame, and removed if it has
/// none: a writer was killed before its first commit there.
Result<void> fold_window(const Folder& folder, std::uint64_t window, bool newest, StateFold& fold,
                         Recovery& recovery) {
    auto opened = open_scan(folder, window, newest ? Verify::kEverything : Verify::kPositions);
    if (!opened) return std::move(opened).error();
    LogScanner& scanner = opened->scanner;
    FramePlace place;
    bool any = false;
    for (;;) {
        auto found = scanner.next(&place);
        if (!found) return std::move(found).error();
        if (!*found) break;
        if (auto applied = fold.apply(scanner, place); !applied) return applied;
        recovery.last_frame = place.header.number;
        any = true;
    }
    recovery.end_window = window;
    recovery.end_offset = scanner.position();
    if (!newest || scanner.tail_bytes() == 0) return {};
    recovery.state.tail_bytes_cut += scanner.tail_bytes();
    if (!any) return folder.remove_window(window);
    auto writable = folder.open_window(window, O_RDWR);
    if (!writable) return std::move(writable).error();
    if (os::truncate(writable->get(), static_cast<off_t>(scanner.position())) != 0)
        return os_error(errno, scanner.name() + ": cannot cut the torn tail");
    return {};
}

}  // namespace

Result<std::optional<WindowStart>> window_start(const Folder& folder, std::uint64_t window) {
    auto opened = open_scan(folder, window, Verify::kPositions);
    if (!opened) {
        if (opened.error().code == ErrorCode::kNotFound) return std::optional<WindowStart>();
        return std::move(opened).error();
    }
    FramePlace place;
    auto found = opened->scanner.next(&place);
    if (!found) return std::move(found).error();
    if (!*found) return std::optional<WindowStart>();
    auto meta = opened->scanner.meta(place);
    if (!meta) return std::move(meta).error();
    return std::optional(WindowStart{meta->range(place.header).first, place.header.committed_ns});
}

Result<bool> is_compacted(int fd, const std::string& name) {
    LogFile file(fd, name);
    auto bytes = file.at(0, kFrameHeaderBytes);
    if (!bytes) return std::move(bytes).error();
    auto header = read_header(*bytes);
    return header && is_merged(*header);
}

Result<std::uint64_t> void_from(const Folder& folder, const std::vector<std::uint64_t>& windows,
                                std::uint64_t window) {
    constexpr auto kNever = std::numeric_limits<std::uint64_t>::max();
    const auto next = std::upper_bound(windows.begin(), windows.end(), window);
    if (next == windows.end()) return kNever;
    auto start = window_start(folder, *next);
    if (!start) return std::move(start).error();
    return *start ? (*start)->number : kNever;
}

Result<std::uint64_t> fold_start(const Folder& folder, const std::vector<std::uint64_t>& windows) {
    // A window that was torn at its very first frame has no snapshot: the one before has.
    for (auto window = windows.rbegin(); window != windows.rend(); ++window) {
        auto good = starts_with_snapshot(folder, *window);
        if (!good && good.error().code != ErrorCode::kNotFound) return std::move(good).error();
        if (good && *good) return *window;
    }
    return windows.front();
}

Result<Recovery> recover(const Folder& folder) {
    Recovery recovery;
    auto windows = folder.windows();
    if (!windows) return std::move(windows).error();
    if (!folder.is_new()) recovery.next_frame = kNumbersLeftOut;
    if (windows->empty()) return recovery;
    recovery.next_window = windows->back() + 1;

    auto start = fold_start(folder, *windows);
    if (!start) return std::move(start).error();
    StateFold fold(StateFold::What::kEverything);
    for (auto window = std::find(windows->begin(), windows->end(), *start);
         window != windows->end(); ++window) {
        auto folded = fold_window(folder, *window, *window == windows->back(), fold, recovery);
        if (!folded) return std::move(folded).error();
    }
    // The writer that was killed may not have come to it, and what is built upon is told to
    // producers as stored. It may have left several windows so: what the Syncer had not come to, or
    // could not sync.
    if (auto synced = folder.sync_windows(); !synced) return std::move(synced).error();
    SPANRING_TESTPOINT("recover.folded");
    const std::uint64_t cut = recovery.state.tail_bytes_cut;
    recovery.state = fold.take();
    recovery.state.tail_bytes_cut = cut;
    recovery.next_frame = recovery.last_frame + kNumbersLeftOut;
    return recovery;
}

}  // namespace spanring::store
