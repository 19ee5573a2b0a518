// Room on the disk that is kept for the day when there is none: a file of nothing. It is given up
// so that the catalogue and one last snapshot can be written; then nothing more is committed (rings
// fill, losses are counted) until there is so much room again. Threads: any.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>

#include "folder.hpp"
#include "spanring/base/clock.hpp"

namespace spanring::store {

class Reserve {
public:
    explicit Reserve(const Folder& folder) : folder_(folder) {}
    /// Removes the file: a database that nobody writes needs none.
    ~Reserve();
    Reserve(const Reserve&) = delete;
    Reserve& operator=(const Reserve&) = delete;

    /// Makes it as large as a database of so many bytes wants it, if there is room.
    void keep_for(std::uint64_t database_bytes);
    /// Frees the room. Returns whether there was any.
    bool give_up();
    /// Whether a commit may use room: not between its being given up and made again, but for one
    /// commit. Tries to make it again, now and then.
    [[nodiscard]] bool may_commit();

private:
    [[nodiscard]] bool allocate(std::uint64_t bytes);

    const Folder& folder_;
    std::mutex mutex_;
    std::uint64_t bytes_{0};   ///< of the file; 0: none
    std::uint64_t wanted_{0};  ///< since it was given up; 0: it was not
    bool last_commit_{false};  ///< may still be made
    SteadyClock::time_point tried_{};
};

}  // namespace spanring::store
