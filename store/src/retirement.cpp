#include "retirement.hpp"

#include <fcntl.h>

#include <vector>

#include "recovery.hpp"

namespace spanring::store {
namespace {

/// Bytes of a window; 0 if it is gone.
std::uint64_t bytes_of(const Folder& folder, std::uint64_t window) {
    auto fd = folder.open_window(window, O_RDONLY);
    if (!fd) return 0;
    auto bytes = file_bytes(fd->get(), window_name(window));
    return bytes ? *bytes : 0;
}

/// The first window that must stay: the newest that begins with a snapshot, not the newest by name,
/// which may be empty or torn still. Without it, positions and open spans would be lost.
Result<std::uint64_t> first_kept(const Folder& folder, const std::vector<std::uint64_t>& windows) {
    if (windows.empty()) return std::uint64_t{0};
    return fold_start(folder, windows);
}

}  // namespace

Result<std::uint64_t> retire_windows(const Folder& folder, const RetirementRule& rule) {
    auto windows = folder.windows();
    if (!windows) return std::move(windows).error();
    auto kept = first_kept(folder, *windows);
    if (!kept) return kept;
    std::vector<std::uint64_t> bytes;
    std::uint64_t total = 0;
    for (const std::uint64_t window : *windows) {
        bytes.push_back(bytes_of(folder, window));
        total += bytes.back();
    }
    std::uint64_t removed = 0;
    for (std::size_t i = 0; i + 1 < windows->size() && (*windows)[i] < *kept; ++i) {
        bool old = total > rule.bytes_max;
        if (!old) {
            // Whatever is in a window was committed before the first frame of the next one.
            auto next = window_start(folder, (*windows)[i + 1]);
            old = next && *next &&
                  rule.now_ns - (*next)->committed_ns >
                      std::chrono::nanoseconds(rule.age_max).count();
        }
        if (!old) break;
        if (auto gone = folder.remove_window((*windows)[i]); !gone) return std::move(gone).error();
        total -= bytes[i];
        ++removed;
    }
    // Before the catalogue forgets them: after a power loss they would be there again, in the log
    // alone.
    if (removed != 0)
        if (auto synced = folder.sync_names(); !synced) return std::move(synced).error();
    return removed;
}

Result<bool> retire_oldest(const Folder& folder) {
    auto windows = folder.windows();
    if (!windows) return std::move(windows).error();
    auto kept = first_kept(folder, *windows);
    if (!kept) return std::move(kept).error();
    if (windows->empty() || windows->front() >= *kept) return false;
    if (auto gone = folder.remove_window(windows->front()); !gone) return std::move(gone).error();
    (void)folder.sync_names();  // as above; here the room matters more
    return true;
}

}  // namespace spanring::store
