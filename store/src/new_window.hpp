// A new file for a window: nothing until it takes the name in one step. Whoever has the old one
// open reads on there; whoever opens the name finds one or the other, whole. Nobody may make one
// without the lock to compact. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>

#include "folder.hpp"
#include "spanring/base/result.hpp"
#include "spanring/base/unique_fd.hpp"

namespace spanring::store {

class NewWindow {
public:
    /// `folder` must outlive it.
    NewWindow(const Folder& folder, std::uint64_t window);
    /// Removes the file if it has not taken the name.
    ~NewWindow();
    NewWindow(const NewWindow&) = delete;
    NewWindow& operator=(const NewWindow&) = delete;

    [[nodiscard]] Result<void> create();
    [[nodiscard]] Result<void> append(std::span<const std::byte> bytes);
    /// In the place of the old one, which must still be there: a retired window stays retired.
    /// `names`: held meanwhile, or null. Returns whether it has the name.
    [[nodiscard]] Result<bool> take_name(std::mutex* names);
    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

private:
    const Folder& folder_;
    std::uint64_t window_;
    std::string name_;
    UniqueFd fd_;
    std::uint64_t bytes_{0};
};

/// Removes what somebody left who died over it.
void remove_unfinished_windows(const Folder& folder);

}  // namespace spanring::store
