// What this consumer, and those before it, had to refuse: kept in the ring directory for whoever
// asks why (shm/notices.hpp). Each change is written at once: it is rare, and bounded.
//
// Threads: the drain thread.
#pragma once

#include <string>
#include <vector>

#include "log.hpp"
#include "spanring/shm/notices.hpp"

namespace spanring::consumer {

class NoticeBoard {
public:
    /// Takes over what the last consumer left, but for what was so only while it ran.
    NoticeBoard(const shm::RingDirectory& directory, Log& log);

    /// A ring was put aside.
    void quarantined(const shm::Notice& what);
    /// A ring is not served. One of the same reason and user replaces the one before it, and is
    /// counted.
    void refused(const shm::Notice& what);
    /// What is not served for this reason any more is forgotten.
    void served_again(const std::string& reason, std::uint32_t uid);
    /// The database takes no frames: `reason`. Empty: it does again.
    void degraded(const std::string& reason);

private:
    void add(shm::Notice notice, shm::Notice::Kind kind);
    void write();

    const shm::RingDirectory& directory_;
    Log& log_;
    std::vector<shm::Notice> notices_;
};

}  // namespace spanring::consumer
