#include "privileges.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>

#include "spanring/base/unique_fd.hpp"

namespace spanring::consumer {
namespace {

/// Of the kernel's interface, version 3: 64 capabilities in two words.
struct Capabilities {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3]{};
};

bool may_set_capabilities() {
    Capabilities now;
    return ::syscall(SYS_capget, &now.header, now.words) == 0 &&
           (now.words[0].effective & (1u << CAP_SETPCAP)) != 0;
}

std::optional<unsigned> as_number(const std::string& text) {
    unsigned number = 0;
    const char* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    // The highest number means "leave it as it is" to the system calls.
    if (read.ec != std::errc{} || read.ptr != end || number == UINT32_MAX) return std::nullopt;
    return number;
}

// While CAP_SETPCAP is still there. What is in no bounding set comes back by no exec; root's
// number alone gives nothing (NOROOT), and neither can be changed again (LOCKED).
Result<void> close_the_way_back() {
    for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
            return os_error(errno, "cannot drop a capability from the bounding set");
        }
    }
    constexpr unsigned long kBits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                    SECBIT_NO_CAP_AMBIENT_RAISE |
                                    SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
    if (::prctl(PR_SET_SECUREBITS, kBits, 0, 0, 0) != 0) {
        return os_error(errno, "cannot set the securebits");
    }
    return {};
}

bool is_already(const Account& account) {
    return ::geteuid() == account.uid && ::getuid() == account.uid && ::getegid() == account.gid;
}

Result<void> become(const Account& account) {
    if (is_already(account) && ::geteuid() != 0) return {};
    const std::string whom =
        "uid " + std::to_string(account.uid) + ", gid " + std::to_string(account.gid);
    if (::geteuid() != 0) {
        return Error{ErrorCode::kPermission, "security.user: only root may become " + whom};
    }
    if (::setgroups(0, nullptr) != 0 || ::setresgid(account.gid, account.gid, account.gid) != 0 ||
        ::setresuid(account.uid, account.uid, account.uid) != 0) {
        return os_error(errno, "cannot become " + whom);
    }
    if (account.uid != 0 && ::setresuid(0, 0, 0) == 0) {
        return Error{ErrorCode::kPermission, "could become root again after " + whom};
    }
    return {};
}

}  // namespace

Result<std::optional<Account>> find_account(const std::string& user, const std::string& group) {
    if (user.empty()) return std::optional<Account>{};
    Account account;
    const auto number = as_number(user);
    const passwd* known = number ? ::getpwuid(*number) : ::getpwnam(user.c_str());
    if (known == nullptr && !number) {
        return Error{ErrorCode::kInvalidArgument, "security.user: no user is called " + user};
    }
    if (known == nullptr && group.empty()) {
        return Error{ErrorCode::kInvalidArgument,
                     "security.user: uid " + user + " is not known: name security.group too"};
    }
    account.uid = known != nullptr ? known->pw_uid : *number;
    if (group.empty()) {
        account.gid = known->pw_gid;
        return std::optional<Account>{account};
    }
    if (const auto gid = as_number(group)) {
        account.gid = *gid;
    } else if (const ::group* entry = ::getgrnam(group.c_str())) {
        account.gid = entry->gr_gid;
    } else {
        return Error{ErrorCode::kInvalidArgument, "security.group: no group is called " + group};
    }
    return std::optional<Account>{account};
}

Result<void> hand_over_folder(const std::string& path, const Account& account) {
    namespace fs = std::filesystem;
    std::error_code failed;
    fs::create_directories(fs::path(path).parent_path(), failed);
    constexpr mode_t kMode = 0750;
    if (::mkdir(path.c_str(), kMode) != 0 && errno != EEXIST) {
        return os_error(errno, "cannot make " + path);
    }
    const UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat info {};
    if (!folder.valid() || ::fstat(folder.get(), &info) != 0) {
        return os_error(errno, "cannot open " + path);
    }
    const bool empty = fs::is_empty("/proc/self/fd/" + std::to_string(folder.get()), failed);
    if (info.st_uid != 0 || !empty || failed) return {};
    if (::fchown(folder.get(), account.uid, account.gid) != 0) {
        return os_error(errno, "cannot give " + path + " to uid " + std::to_string(account.uid));
    }
    return {};
}

Result<void> drop_privileges(const std::optional<Account>& account) {
    if (may_set_capabilities()) {
        if (auto closed = close_the_way_back(); !closed) return closed;
    }
    // Kernels before 4.3 know no ambient set, so have none.
    (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (account) {
        if (auto became = become(*account); !became) return became;
    }
    Capabilities none;
    if (::syscall(SYS_capset, &none.header, none.words) != 0) {
        return os_error(errno, "cannot drop the capabilities");
    }
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return os_error(errno, "cannot set no_new_privs");
    }
    return {};
}

}  // namespace spanring::consumer
