// The process object: made once, found again by other copies of the library, adopted after fork.
#include "process.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "spanring/base/os.hpp"
#include "spanring/base/unique_fd.hpp"
#include "spanring/shm/doorbell.hpp"
#include "spanring/shm/process_identity.hpp"

/// LeakSanitizer's, if it is linked: what only our mappings point to is not leaked.
extern "C" __attribute__((weak)) void __lsan_register_root_region(const void*, std::size_t);

namespace spanring::detail {
namespace {

/// Leads every tracepoint to the slow path until the control page is mapped.
constexpr std::uint32_t kUndecided = SPANRING_FLAG_ENABLED;
/// SPANRING_DISABLED: dark for good.
constexpr std::uint32_t kOff = 0;

Process* g_process = nullptr;
__thread bool t_starting = false;

void set_flags_word(const std::uint32_t* word) noexcept {
    // release: pairs with the acquire in load_flags(); the memory was mapped before, and stays.
    __atomic_store_n(&g_flags, word, __ATOMIC_RELEASE);
}

/// Memory that a forked child finds zeroed.
void* wiped_memory(std::size_t bytes) noexcept {
    void* memory = anonymous(bytes);
    if (memory != nullptr && os::advise(memory, bytes, MADV_WIPEONFORK) != 0) {
        os::unmap(memory, bytes);
        return nullptr;
    }
    return memory;
}

constexpr std::size_t kReasonBytes = 4096;  ///< one page: the least that has a name

constexpr std::size_t page_up(std::size_t bytes) noexcept {
    return (bytes + 4095) & ~std::size_t{4095};
}

/// Looks for the mapping that an earlier copy of the library has made.
Process* find_in_maps(int maps_fd) noexcept {
    char buffer[8192];
    std::size_t kept = 0;
    for (;;) {
        const ssize_t got = os::read(maps_fd, buffer + kept, sizeof buffer - 1 - kept);
        if (got <= 0) return nullptr;
        std::size_t bytes = kept + static_cast<std::size_t>(got);
        buffer[bytes] = '\0';
        char* line = buffer;
        for (char* end; (end = std::strchr(line, '\n')) != nullptr; line = end + 1) {
            *end = '\0';
            if (std::strstr(line, kProcessName) == nullptr) continue;
            auto* found = reinterpret_cast<Process*>(std::strtoull(line, nullptr, 16));
            if (std::strstr(line, " rw-p 00000000 ") == nullptr || found == nullptr) continue;
            if (found->magic == kProcessMagic && found->bytes == sizeof(Process)) return found;
        }
        kept = bytes - static_cast<std::size_t>(line - buffer);
        if (kept >= sizeof buffer - 1) kept = 0;  // no line of the kernel's is that long
        std::memmove(buffer, line, kept);
    }
}

/// Maps the memory under its name; without memfd_create it is nameless, and other copies of the
/// library in this process will not find it. For want of a descriptor it is not made at all.
Process* map_named() noexcept {
    const std::size_t bytes = page_up(sizeof(Process));
    const UniqueFd fd(::memfd_create(kProcessName, MFD_CLOEXEC));
    if (!fd.valid() && (errno == EMFILE || errno == ENFILE)) return nullptr;
    if (fd.valid() && os::truncate(fd.get(), static_cast<off_t>(bytes)) == 0) {
        void* memory = os::map(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd.get(), 0);
        if (memory != MAP_FAILED) return static_cast<Process*>(memory);
    }
    return static_cast<Process*>(anonymous(bytes));
}

Process* make_process() noexcept {
    Process* process = map_named();
    if (process == nullptr) return nullptr;
    process->wiped = static_cast<Wiped*>(wiped_memory(page_up(sizeof(Wiped))));
    if (process->wiped == nullptr) {
        os::unmap(process, page_up(sizeof(Process)));
        return nullptr;
    }
    process->wiped->home = home_pid();
    process->settings = make_settings({});
    const Settings& settings = *process->settings;
    if (!settings.traceparent.empty() || !settings.baggage.empty()) {
        const Context initial =
            Context::from_headers(settings.traceparent, settings.tracestate, settings.baggage);
        process->initial = retain(ContextAccess::block(initial));
        process->has_initial = true;
    }
    show_to_leak_sanitizer(process, page_up(sizeof(Process)));
    process->bytes = sizeof(Process);
    process->magic = kProcessMagic;
    return process;
}

/// Takes the flock, unless somebody keeps it for a second: that is a signal handler in one copy of
/// the library over another one's start.
bool lock_briefly(int fd) noexcept {
    constexpr int kTries = 1000;
    for (int i = 0; i < kTries; ++i) {
        if (os::flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
        if (errno != EWOULDBLOCK) return true;  // cannot be locked here at all
        const timespec pause{0, 1'000'000};
        ::nanosleep(&pause, nullptr);
    }
    return false;
}

Process* find_or_make() noexcept {
    // Two descriptors of /proc/self/maps exclude each other by flock: threads and copies of the
    // library that start at once find one another.
    const UniqueFd maps(os::open_at(AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC));
    if (!maps.valid()) {
        // Another copy's process object could not be found: the next tracepoint looks again.
        return errno == EMFILE || errno == ENFILE ? nullptr : make_process();
    }
    if (!lock_briefly(maps.get())) return nullptr;
    Process* process = find_in_maps(maps.get());
    return process != nullptr ? process : make_process();
}

/// In a directory of several users the doorbell is not ours to ring (shm/directory.hpp). We ring
/// one of our own then, which nobody hears, and the segment says so: its consumer polls.
bool map_doorbell(Process& process) noexcept {
    auto bell = process.directory->map_doorbell();
    process.rings = bell.ok();
    if (bell) {
        process.doorbell = static_cast<spanring_doorbell*>(bell->release());
        return true;
    }
    if (!process.directory->shared() || bell.error().code != ErrorCode::kPermission) {
        return fail(process, bell.error());
    }
    // Not the library's: another copy of it may use this one when ours has been unloaded.
    process.doorbell =
        static_cast<spanring_doorbell*>(anonymous(page_up(sizeof(spanring_doorbell))));
    return process.doorbell != nullptr;
}

bool map_directory(Process& process) noexcept {
    const std::string& configured = process.settings->configuration.directory;
    auto directory =
        shm::RingDirectory::open(configured.empty() ? shm::default_ring_directory() : configured,
                                 shm::RingDirectory::Create::kYes);
    if (!directory) {
        return fail(process, directory.error());
    }
    auto* fresh = new (std::nothrow) shm::RingDirectory(std::move(*directory));
    if (fresh == nullptr) return false;
    // In this order: a fork in between finds one or the other.
    shm::RingDirectory* older = process.directory;
    process.directory = fresh;
    if (older != nullptr) older->close_if_ours();
    delete older;
    auto control = process.directory->map_control(Mapping::Access::kRead);
    if (!control) return fail(process, control.error());
    if (!map_doorbell(process)) return false;
    spanring_control* page = control->release();
    // release: pairs with the acquire in start(): the doorbell is there, too.
    __atomic_store_n(&process.control, page, __ATOMIC_RELEASE);
    process.failed = process.starved = false;
    return true;
}

}  // namespace

// Application programs under LeakSanitizer must not be told of our memory.
void show_to_leak_sanitizer(const void* memory, std::size_t bytes) noexcept {
    if (__lsan_register_root_region != nullptr) __lsan_register_root_region(memory, bytes);
}

void* anonymous(std::size_t bytes) noexcept {
    void* memory =
        os::map(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : memory;
}

bool fail(Process& process, const Error& error) noexcept {
    process.failed = true;
    // EMFILE and ENFILE are kIo: they, too, may pass.
    process.starved = error.code == ErrorCode::kNoSpace || error.code == ErrorCode::kIo;
    process.retry_at_ns = coarse_ns() + kRetryNs;
    set_reason(process, error.message.c_str());
    return false;
}

SPANRING_HIDDEN const std::uint32_t* g_flags = &kUndecided;

std::uint64_t coarse_ns() noexcept {
    timespec now;
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec);
}

Process* process() noexcept {
    // acquire: pairs with the release below.
    if (Process* known = __atomic_load_n(&g_process, __ATOMIC_ACQUIRE)) return known;
    if (t_starting) return nullptr;
    t_starting = true;
    Process* found = find_or_make();
    // release: pairs with the acquire above.
    if (found != nullptr) __atomic_store_n(&g_process, found, __ATOMIC_RELEASE);
    t_starting = false;
    return found;
}

bool start(Process& process) noexcept {
    // acquire: pairs with the release in map_directory().
    const spanring_control* control = __atomic_load_n(&process.control, __ATOMIC_ACQUIRE);
    if (control == nullptr) {
        if (process.settings->disabled) {
            if (!process.failed) set_reason(process, "SPANRING_DISABLED is set");
            process.failed = true;
            set_flags_word(&kOff);
            return false;
        }
        if (process.failed && coarse_ns() < process.retry_at_ns) return false;
        if (in_vforked_child(process)) return false;
        const OwnerGuard guard(process.wiped->lock);
        if (!guard) return false;
        if (process.control == nullptr && !map_directory(process)) return false;
        control = process.control;
    }
    set_flags_word(&control->flags);
    return true;
}

namespace {

/// Empty memory whose name is all there is to it; null: no descriptor or memory for it.
void* named_mapping(const char* text) noexcept {
    constexpr std::size_t kNameBytesMax = 249;  // of memfd_create(2)
    char name[kNameBytesMax + 1];
    std::snprintf(name, sizeof name, "%s%s", shm::kReasonPrefix, text);
    const UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
    if (!fd.valid()) return nullptr;
    void* mapping = os::map(nullptr, kReasonBytes, PROT_NONE, MAP_PRIVATE, fd.get(), 0);
    if (mapping == MAP_FAILED) return nullptr;
    // A forked child has its own reasons, and forgets where ours stands.
    if (os::advise(mapping, kReasonBytes, MADV_DONTFORK) == 0) return mapping;
    os::unmap(mapping, kReasonBytes);
    return nullptr;
}

}  // namespace

// It was a file in the ring directory: there is none if that is what is missing, and one that a
// killed process had left was told of the next process with its pid.
void set_reason(Process& process, const char* text) noexcept {
    std::snprintf(process.reason, sizeof process.reason, "%s", text);
    void*& shown = process.wiped->shown_reason;
    if (shown != nullptr) os::unmap(shown, kReasonBytes);
    shown = text[0] == '\0' ? nullptr : named_mapping(text);
}

const KnownInstance* instance_of(const Process& process, std::uint32_t epoch) noexcept {
    const KnownInstance& known = process.instances[epoch % kInstancesKept];
    return epoch != 0 && known.epoch == epoch ? &known : nullptr;
}

}  // namespace spanring::detail
