// SQLite's way to the disk, seen and made to fail: a VFS that forwards to the usual one, tells
// Disk::current() what is done to files and names (never of the -shm: nobody needs it to be
// durable), and fails the n-th call if told to. While one exists, every database that is opened
// without naming a VFS goes through it; those must be closed before it ends, and none may be open
// when it begins.
//
// Threads: made and armed by one thread; used by any.
#pragma once

#include <cstdint>

namespace spanring::testing {

class SqliteDisk {
public:
    SqliteDisk();
    ~SqliteDisk();
    SqliteDisk(const SqliteDisk&) = delete;
    SqliteDisk& operator=(const SqliteDisk&) = delete;

    enum class Call : std::uint8_t {
        kAny,
        kOpen,
        kRead,
        kWrite,
        kTruncate,
        kSync,
        kDelete,
        kLock,
        kMap,
        kMemory,  ///< an allocation; kAny does not count them
    };
    /// The `nth` call of this kind from now on (1: the next) fails with this result code, once or,
    /// if `lasting`, with all behind it. A failing write (not of a full disk) is a torn one: half
    /// of it is there.
    static void inject_fault(Call kind, std::uint64_t nth, int sqlite_code, bool lasting = false);
    /// Returns how many calls were failed since it was armed.
    static std::uint64_t clear_fault();
};

}  // namespace spanring::testing
