// The system calls that spanringd may make once it is set up: an allow-list in the kernel
// (seccomp, by libseccomp). Its parsers read what hostile processes write; should one of them be
// taken over all the same, there is no program to start and nobody to send anything to.
//
//   allowed        what the drain, the store, SQLite and the log need: files, memory, threads
//   kills it       network, exec, new processes, other processes' memory, mounts, kernel and keys:
//                  no version of spanringd or of a library makes one, so whoever does is not us
//   ENOSYS, logged everything else: a newer libc tries calls that are not in the list, and goes
//                  another way where there is none. EPERM would be taken for an answer.
//
// Threads: the main thread, before any other is made; all later ones inherit it (TSYNC covers a
// library's).
#pragma once

#include "spanring/base/result.hpp"

namespace spanring::consumer {

/// Whether this build can be confined: sanitizers make calls of their own.
[[nodiscard]] bool can_be_confined() noexcept;

/// Installs the filter, for good. Errors: kUnavailable: this kernel has no seccomp filters, or the
/// container forbids them.
[[nodiscard]] Result<void> confine();

}  // namespace spanring::consumer
