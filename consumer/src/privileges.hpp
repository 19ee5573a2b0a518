// What spanringd gives up before it reads a byte that somebody else has written: the identity of
// root (if it is told whom to become), every capability, and any way to get one back. The system
// calls that are left are those of seccomp_filter.hpp.
//
// Threads: the main thread, before any other is made: capabilities are a thread's own.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "spanring/base/result.hpp"

namespace spanring::consumer {

/// Whom the daemon becomes.
struct Account {
    uid_t uid{0};
    gid_t gid{0};
};

/// The account of `user` (a name or a number) and `group` (as well; empty: the user's own).
/// Nothing if `user` is empty: the daemon stays who it is. Errors: kInvalidArgument: not known, or
/// a number without a group that is not known either.
[[nodiscard]] Result<std::optional<Account>> find_account(const std::string& user,
                                                          const std::string& group);

/// While it is root still: makes the folder, or takes one that root has made and left empty, and
/// gives it to `account`. Another one stays as it is. Errors: as mkdir and chown.
[[nodiscard]] Result<void> hand_over_folder(const std::string& path, const Account& account);

/// Becomes `account`, without supplementary groups, and drops the bounding, ambient, inheritable,
/// permitted and effective capabilities for good; no program that it could start gets any either
/// (no_new_privs, and locked securebits where it may set them).
/// Errors: kPermission: it is not this account and may not become it.
[[nodiscard]] Result<void> drop_privileges(const std::optional<Account>& account);

}  // namespace spanring::consumer
