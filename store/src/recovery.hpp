// What a starting writer finds: cuts the torn tail of the newest window and folds what is there.
// Threads: the opening thread, under the writer's lock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "folder.hpp"
#include "frame_layout.h"
#include "spanring/store/database.hpp"

namespace spanring::store {

struct Recovery {
    RecoveredState state;
    std::uint64_t next_window{1};
    std::uint64_t next_frame{1};
    std::uint64_t last_frame{0};  ///< the newest good one; 0: none
    std::uint64_t end_window{0};  ///< where the log ends; 0: there is none
    std::uint64_t end_offset{0};
};

[[nodiscard]] Result<Recovery> recover(const Folder& folder);

/// The window to start a fold with: the newest that begins with a good snapshot, else the oldest.
/// `windows` ascending, not empty.
[[nodiscard]] Result<std::uint64_t> fold_start(const Folder& folder,
                                               const std::vector<std::uint64_t>& windows);

struct WindowStart {
    std::uint64_t number{0};  ///< the first that the window answers for
    std::int64_t committed_ns{0};
};
/// What the first good frame of a window says; nothing: there is none (empty, torn, gone). For
/// retirement and for readers, who must know from which number on an older window is void.
[[nodiscard]] Result<std::optional<WindowStart>> window_start(const Folder& folder,
                                                              std::uint64_t window);
/// Whether the frames of this window's file were made by compaction. One that is empty, torn or
/// damaged at its start was not. Errors: what reading says; it must not be taken for a no, by which
/// a window would be compacted again, behind the back of a catalogue that knows its frames' places.
[[nodiscard]] Result<bool> is_compacted(int fd, const std::string& name);

/// The number from which on frames of `window` are void, by what begins behind it; `windows`
/// ascending.
[[nodiscard]] Result<std::uint64_t> void_from(const Folder& folder,
                                              const std::vector<std::uint64_t>& windows,
                                              std::uint64_t window);

}  // namespace spanring::store
