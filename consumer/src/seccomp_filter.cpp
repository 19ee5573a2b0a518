#include "seccomp_filter.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41  // Linux 5.17: names for malloc's arenas, of newer libcs
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SPANRING_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SPANRING_SANITIZED 1
#endif

namespace spanring::consumer {
namespace {

/// By name: not every processor has every one (open, stat, ... on x86-64 only), not every version
/// of libseccomp knows every one.
constexpr const char* kAllowed[] = {
    // files of the database, the rings and the log
    "open", "openat", "close", "read", "write", "pread64", "pwrite64", "readv", "writev", "preadv",
    "pwritev", "preadv2", "pwritev2", "lseek", "_llseek", "fstat", "stat", "lstat", "newfstatat",
    "fstatat64", "fstat64", "stat64", "lstat64", "statx", "statfs", "fstatfs", "statfs64",
    "fstatfs64", "access", "faccessat", "faccessat2", "getdents", "getdents64", "readlink",
    "readlinkat", "getcwd", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat",
    "renameat2", "link", "linkat", "truncate", "ftruncate", "truncate64", "ftruncate64",
    "fallocate", "fadvise64", "fsync", "fdatasync", "sync_file_range", "flock", "fcntl", "fcntl64",
    "chmod", "fchmod", "fchmodat", "fchown", "utimensat", "umask", "dup", "dup2", "dup3",
    // memory; mmap and mprotect: see allow_memory
    "brk", "munmap", "mremap", "madvise", "msync", "mincore", "membarrier",
    // threads; clone: see allow_threads
    "futex", "futex_time64", "futex_waitv", "set_robust_list", "get_robust_list", "rseq",
    "set_tid_address", "exit", "exit_group", "gettid", "sched_yield", "sched_getaffinity",
    "sched_setscheduler", "sched_getscheduler", "sched_getparam", "sched_get_priority_max",
    "sched_get_priority_min", "setpriority", "getpriority", "arch_prctl", "restart_syscall",
    // signals of its own
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait",
    "rt_sigsuspend", "sigaltstack", "sigreturn", "signalfd4", "signalfd",
    // time
    "clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64", "clock_nanosleep",
    "clock_nanosleep_time64", "nanosleep", "gettimeofday", "time", "timerfd_create",
    "timerfd_settime", "timerfd_gettime",
    // waiting; who is alive
    "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll",
    "ppoll_time64", "select", "pselect6", "eventfd2", "inotify_init1", "inotify_add_watch",
    "inotify_rm_watch", "pidfd_open",
    // itself
    "getpid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid",
    "getgroups", "getrusage", "getrlimit", "ugetrlimit", "getrandom", "uname", "sysinfo", "times",
    "capget", "getcpu"};

constexpr const char* kDeadly[] = {
    // network
    "socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg",
    "sendmmsg", "recvfrom", "recvmsg", "recvmmsg", "setsockopt", "socketcall", "io_uring_setup",
    "io_uring_enter", "io_uring_register",
    // programs and processes
    "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev",
    "pidfd_getfd", "pidfd_send_signal", "process_madvise", "kcmp", "kill", "tkill",
    "rt_sigqueueinfo", "rt_tgsigqueueinfo",
    // who it is, and where
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid",
    "setgroups", "capset", "chroot", "pivot_root", "mount", "umount", "umount2", "move_mount",
    "open_tree", "fsopen", "fsmount", "fsconfig", "mount_setattr", "unshare", "setns",
    "open_by_handle_at", "mknod", "mknodat", "swapon", "swapoff",
    // the kernel
    "bpf", "perf_event_open", "userfaultfd", "init_module", "finit_module", "delete_module",
    "kexec_load", "kexec_file_load", "reboot", "iopl", "ioperm", "modify_ldt", "add_key",
    "request_key", "keyctl", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex",
    "sethostname", "setdomainname", "syslog", "acct", "quotactl", "personality"};

struct Release {
    void operator()(void* filter) const noexcept { ::seccomp_release(filter); }
};

/// A filter that is being made; the first rule that fails is what is wrong with it.
class Filter {
public:
    Filter() : filter_(::seccomp_init(SCMP_ACT_ERRNO(ENOSYS))) {
        if (filter_ == nullptr) failure_ = ENOMEM;
    }

    template <typename... Conditions>
    void rule(std::uint32_t action, const char* name, Conditions... conditions) {
        const int call = ::seccomp_syscall_resolve_name(name);
        // Not known to this libseccomp, or (negative) not on this processor: the default serves.
        if (failure_ != 0 || call < 0) return;
        note(::seccomp_rule_add(filter_.get(), action, call, sizeof...(conditions), conditions...));
    }

    void set(scmp_filter_attr attribute, std::uint32_t value) {
        if (failure_ == 0) note(::seccomp_attr_set(filter_.get(), attribute, value));
    }

    Result<void> load() {
        if (failure_ == 0) note(::seccomp_load(filter_.get()));
        if (failure_ == 0) return {};
        return Error{ErrorCode::kUnavailable, "cannot install the system call filter (errno " +
                                                  std::to_string(failure_) + ")"};
    }

private:
    void note(int result) {
        if (failure_ == 0 && result < 0) failure_ = -result;
    }
    std::unique_ptr<void, Release> filter_;
    int failure_{0};
};

// A thread is made by clone with exactly these properties; clone3 hides its flags behind a pointer
// and is refused by the default, upon which libc takes clone.
void allow_threads(Filter& filter) {
    constexpr scmp_datum_t kThread =
        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    filter.rule(SCMP_ACT_ALLOW, "clone", SCMP_A0(SCMP_CMP_MASKED_EQ, kThread, kThread));
    filter.rule(SCMP_ACT_KILL_PROCESS, "clone", SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    // abort() and raise() signal the process itself, and nobody else can be.
    const auto self = static_cast<scmp_datum_t>(::getpid());
    filter.rule(SCMP_ACT_ALLOW, "tgkill", SCMP_A0(SCMP_CMP_EQ, self));
    filter.rule(SCMP_ACT_KILL_PROCESS, "tgkill", SCMP_A0(SCMP_CMP_NE, self));
}

// No memory becomes code: every library is loaded by now.
void allow_memory(Filter& filter) {
    const auto without_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    for (const char* name : {"mmap", "mmap2", "mprotect"}) {
        filter.rule(SCMP_ACT_ALLOW, name, without_exec);
    }
}

void allow_with_arguments(Filter& filter) {
    filter.rule(SCMP_ACT_ALLOW, "prctl", SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
    filter.rule(SCMP_ACT_ALLOW, "prctl", SCMP_A0(SCMP_CMP_EQ, PR_SET_VMA));
    // Whether standard error is a terminal.
    filter.rule(SCMP_ACT_ALLOW, "ioctl", SCMP_A1(SCMP_CMP_EQ, TCGETS));
    // Its own limits, as they are.
    filter.rule(SCMP_ACT_ALLOW, "prlimit64", SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0));
}

}  // namespace

bool can_be_confined() noexcept {
#ifdef SPANRING_SANITIZED
    return false;
#else
    return true;
#endif
}

Result<void> confine() {
    Filter filter;
    for (const char* name : kAllowed) filter.rule(SCMP_ACT_ALLOW, name);
    for (const char* name : kDeadly) filter.rule(SCMP_ACT_KILL_PROCESS, name);
    allow_threads(filter);
    allow_memory(filter);
    allow_with_arguments(filter);
    // A call of another processor mode (32 bit) is none of ours.
    filter.set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    filter.set(SCMP_FLTATR_CTL_TSYNC, 1);
    filter.set(SCMP_FLTATR_CTL_LOG, 1);
    // As a tree: most calls are decided within eight comparisons instead of two hundred.
    filter.set(SCMP_FLTATR_CTL_OPTIMIZE, 2);
    return filter.load();
}

}  // namespace spanring::consumer
