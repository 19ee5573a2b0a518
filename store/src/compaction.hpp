// Compaction of one window: its frames are merged into few large ones in a new file, which then
// takes the window's name in one step. Whoever has the old file open reads on there; whoever opens
// the name finds one or the other, whole. Nobody may compact without the CompactionLock.
// Threads: any; the lock is one's of a process.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>

#include "folder.hpp"
#include "spanring/base/result.hpp"
#include "spanring/codec/batch.hpp"
#include "spanring/store/database.hpp"

namespace spanring::store {

struct CompactedWindow {
    bool done{false};  ///< false: it was compacted already, is gone, or may not be
    std::uint64_t spans{0};
    std::uint64_t bytes_before{0};
    std::uint64_t bytes_after{0};
};

struct CompactionTask {
    codec::EncodeOptions encode{};
    /// Called between pieces of work of some milliseconds; false: stop, everything stays.
    std::function<bool()> go_on{};
    /// Held while the new file takes the name, so that retirement comes before or after.
    std::mutex* names{nullptr};
    std::uint64_t last_frame_max{UINT64_MAX};  ///< a window that goes beyond stays
};

/// Compacts `window`, which nobody may append to any more and whose state nobody needs: below the
/// newest that begins with a snapshot. Errors: kCorrupt: there is damage in it, it stays as it is;
/// kNoSpace, kIo: it stays, another time may go better; kUnavailable: stopped.
[[nodiscard]] Result<CompactedWindow> compact_window(const Folder& folder, std::uint64_t window,
                                                     const CompactionTask& task);

}  // namespace spanring::store
