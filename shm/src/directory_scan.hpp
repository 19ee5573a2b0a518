// Looking through a ring directory without allocating: what a producer needs before it reserves
// memory, possibly in a freshly forked child. Any thread; never blocks on another process.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <cstdint>

#include "spanring/base/os.hpp"

namespace spanring::shm {

/// Calls back once for each name in a directory. The walker must not keep the pointer.
class NameVisitor {
public:
    virtual void visit(const char* name) noexcept = 0;

protected:
    ~NameVisitor() = default;
};

/// Returns 0, or -1 and errno.
int visit_names(int directory_fd, NameVisitor& visitor) noexcept;
[[nodiscard]] bool has_suffix(const char* name, const char* suffix) noexcept;

/// *bytes = memory that all segments take. Returns 0, or -1 and errno.
int scan_segment_bytes(int directory_fd, std::uint64_t* bytes) noexcept;
/// *pid = holder of the consumer's lock, 0: nobody, -1: in another pid namespace. Returns 0, or -1
/// and errno.
int scan_consumer_pid(int directory_fd, pid_t* pid) noexcept;
/// See RingDirectory::may_reserve.
bool scan_may_reserve(int directory_fd, std::uint64_t more, std::uint64_t cap) noexcept;

/// A record lock vanishes when its process closes *any* descriptor of the file, so a process that
/// holds the consumer's lock must never open that file again: it notes here that it does.
void note_consumer_lock(std::uint64_t device, std::uint64_t inode, bool held) noexcept;
[[nodiscard]] bool holds_consumer_lock(std::uint64_t device, std::uint64_t inode) noexcept;

}  // namespace spanring::shm
