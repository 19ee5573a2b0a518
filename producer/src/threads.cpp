// The threads of the process: the lock, a writer for each, what their exit and a fork leave behind.
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "process.hpp"
#include "spanring/base/os.hpp"

namespace spanring::detail {
namespace {

/// In OwnerLock's word, beside the holder's tid (at most 2^22: the kernel's PID_MAX_LIMIT).
constexpr std::uint32_t kSleepers = 1U << 31;

alignas(64) Writer g_no_writer;

}  // namespace

SPANRING_HIDDEN __thread Writer* t_writer = &g_no_writer;

Writer* nobody() noexcept {
    return &g_no_writer;
}

std::uint64_t self_id() noexcept {
    return static_cast<std::uint64_t>(::pthread_self());
}

namespace {

/// Whether the C library's thread is the kernel's. In a child that shares its parent's memory, or
/// was made by clone(2) behind the C library's back, it is the parent's. pthread_gettid_np is too
/// new; the clock of a thread is named by the id that the library believes in (posix-timers.h).
bool is_the_librarys_thread() noexcept {
    clockid_t clock = 0;
    return ::pthread_getcpuclockid(::pthread_self(), &clock) == 0 &&
           ~(clock >> 3) == static_cast<clockid_t>(::gettid());
}

}  // namespace

std::uint32_t home_pid() noexcept {
    return is_the_librarys_thread() ? static_cast<std::uint32_t>(::getpid()) : kHomeUnknown;
}

bool in_vforked_child(Process& process) noexcept {
    const auto own = static_cast<std::uint32_t>(::getpid());
    // relaxed, both: a number that stands for itself.
    const std::uint32_t home = __atomic_load_n(&process.wiped->home, __ATOMIC_RELAXED);
    if (home == own || home == 0) return false;
    if (home != kHomeUnknown) return true;
    if (is_the_librarys_thread()) __atomic_store_n(&process.wiped->home, own, __ATOMIC_RELAXED);
    return false;
}

bool OwnerLock::lock() noexcept {
    const auto self = static_cast<std::uint32_t>(::gettid());
    std::uint32_t wanted = self;
    for (;;) {
        std::uint32_t word = 0;
        // acquire: pairs with the release in unlock(). relaxed: nothing was acquired.
        if (__atomic_compare_exchange_n(&word_, &word, wanted, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED)) {
            return true;
        }
        if ((word & ~kSleepers) == self) return false;
        // relaxed, both: says only that unlock() must wake somebody.
        if ((word & kSleepers) == 0 &&
            !__atomic_compare_exchange_n(&word_, &word, word | kSleepers, false, __ATOMIC_RELAXED,
                                         __ATOMIC_RELAXED)) {
            continue;
        }
        wanted = self | kSleepers;  // others may sleep, too
        ::syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, word | kSleepers, nullptr, nullptr, 0);
    }
}

void OwnerLock::unlock() noexcept {
    // release: pairs with the acquire in lock().
    if ((__atomic_exchange_n(&word_, 0U, __ATOMIC_RELEASE) & kSleepers) != 0) {
        ::syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    }
}

namespace {

std::uint64_t owner_of(Writer& writer) noexcept {
    // acquire: pairs with the release in retire(): who had it is done with it.
    return __atomic_load_n(&state_of(&writer)->owner, __ATOMIC_ACQUIRE);
}

/// Returns the writer that this thread has already, by another copy of the library. One that a dead
/// thread of the same pthread_self() could not give back (the copy that would have done it was
/// unloaded) is given back now.
Writer* own_writer(Process& process) noexcept {
    const std::uint64_t self = self_id();
    const auto tid = static_cast<std::uint32_t>(::gettid());
    Writer* own = nullptr;
    for_each_writer(process, [&](Writer& writer) {
        if (owner_of(writer) != self) return;
        if (state_of(&writer)->tid == tid)
            own = &writer;
        else
            thread_exit(process, writer);
    });
    return own;
}

/// Takes a free writer, or makes another slab of them. Under the lock.
Writer* free_writer(Process& process) noexcept {
    Writer* found = nullptr;
    for_each_writer(process, [&](Writer& writer) {
        if (found == nullptr && owner_of(writer) == 0) found = &writer;
    });
    if (found != nullptr || process.slabs_count == kSlabsMax) return found;
    constexpr std::size_t kHalf = kSlabWriters * kWriterStride;
    auto* slab = static_cast<char*>(anonymous(2 * kHalf));
    if (slab == nullptr) return nullptr;
    if (os::advise(slab, kHalf, MADV_WIPEONFORK) != 0) {
        os::unmap(slab, 2 * kHalf);
        return nullptr;
    }
    show_to_leak_sanitizer(slab, 2 * kHalf);
    process.slabs[process.slabs_count] = slab;
    // release: for a child forked right now: what is counted is there.
    __atomic_store_n(&process.slabs_count, process.slabs_count + 1, __ATOMIC_RELEASE);
    return reinterpret_cast<Writer*>(slab);
}

Writer* new_writer(Process& process) noexcept {
    Writer* writer = free_writer(process);
    if (writer == nullptr) return nullptr;
    std::memset(static_cast<void*>(writer), 0, sizeof *writer);
    ThreadState& state = *state_of(writer);
    state.tid = static_cast<std::uint32_t>(::gettid());
    state.copies = 0;
    state.exiting = 0;
    state.inside = 0;
    init_thread(process, state);
    // relaxed: under the lock; set last, so that a child forked right now finds a whole one.
    __atomic_store_n(&state.owner, self_id(), __ATOMIC_RELAXED);
    return writer;
}

extern "C" int __cxa_thread_atexit_impl(void (*)(void*), void*, void*);
extern "C" SPANRING_HIDDEN void* __dso_handle;

/// Runs at thread exit, once for each copy of the library that the thread has used. The last one
/// gives the writer back.
void on_thread_exit(void* own) {
    auto* writer = static_cast<Writer*>(own);
    Process* p = process();
    if (p == nullptr) return;
    const OwnerGuard guard(p->wiped->lock);
    t_writer = &g_no_writer;
    if (!guard) return;  // the thread ends itself in a signal handler over a tracepoint
    ThreadState& state = *state_of(writer);
    if (--state.copies != 0) return;
    state.exiting = 1;
    thread_exit(*p, *writer);
}

/// The exit hook of threads that may be in a signal handler now.
pthread_key_t g_exit_key;
bool g_exit_key_made = false;

/// The shared object is being unloaded.
__attribute__((destructor)) void forget_exit_key() {
    if (g_exit_key_made) ::pthread_key_delete(g_exit_key);
    g_exit_key_made = false;
}

/// Whether a signal that has a handler is blocked, as it is while its handler runs. (A handler with
/// SA_NODEFER is not recognised.)
bool may_be_in_handler() noexcept {
    sigset_t blocked;
    if (::pthread_sigmask(SIG_BLOCK, nullptr, &blocked) != 0) return true;
    for (int number = 1; number < NSIG; ++number) {
        if (::sigismember(&blocked, number) != 1) continue;
        struct sigaction action {};
        if (::sigaction(number, nullptr, &action) == 0 && action.sa_handler != SIG_DFL &&
            action.sa_handler != SIG_IGN) {
            return true;
        }
    }
    return false;
}

/// __cxa_thread_atexit_impl keeps our code loaded until the thread ends, but allocates: a handler
/// over the application's malloc would wait for itself. The first 32 keys of a thread cost nothing.
void call_at_thread_exit(Writer* writer) noexcept {
    if (may_be_in_handler()) {
        if (!g_exit_key_made)
            g_exit_key_made = ::pthread_key_create(&g_exit_key, on_thread_exit) == 0;
        if (g_exit_key_made && ::pthread_setspecific(g_exit_key, writer) == 0) return;
    }
    __cxa_thread_atexit_impl(on_thread_exit, writer, &__dso_handle);
}

}  // namespace

Writer* thread_writer(Process& process) noexcept {
    if (t_writer != &g_no_writer) return t_writer;
    if (in_vforked_child(process)) return &g_no_writer;
    const OwnerGuard guard(process.wiped->lock);
    if (!guard) return &g_no_writer;
    if (t_writer != &g_no_writer) return t_writer;  // by a signal handler, since we looked
    if (process.wiped->home == 0) adopt_after_fork(process);
    Writer* writer = own_writer(process);
    if (writer != nullptr && state_of(writer)->exiting != 0) return &g_no_writer;
    if (writer == nullptr) writer = new_writer(process);
    if (writer == nullptr) return nullptr;
    ++state_of(writer)->copies;
    call_at_thread_exit(writer);
    t_writer = writer;
    return writer;
}

void adopt_after_fork(Process& process) noexcept {
    const std::uint64_t self = self_id();
    for_each_writer(process, [&](Writer& writer) {
        ThreadState& state = *state_of(&writer);
        if (state.owner != self) state.owner = 0;
        state.lost_ends_count = 0;
        if (state.owner != self) return;
        state.tid = static_cast<std::uint32_t>(::gettid());
        if (state.epoch == 0) return;
        // At once, so that contexts which are attached from now on can be told from inherited ones.
        leave_instance(process, state, true);
        state.epoch = process.epoch + 1;
    });
    // From now on the parent's keys are those of another instance; its newest mapping stays until
    // the strings have been copied.
    for (std::uint32_t i = 0; i < kSegmentsMax; ++i) {
        if (i != process.newest) shm::release_mapping(process.mappings[i]);
    }
    ++process.epoch;
    process.own_epoch = process.epoch;
    process.unslotted = {};
    // relaxed: see wait_for_page.
    __atomic_store_n(&process.gave_up_at, std::uint64_t{0}, __ATOMIC_RELAXED);
    process.failed = process.starved = false;
    process.segment_name[0] = '\0';
    process.wiped->home = home_pid();
}

}  // namespace spanring::detail
