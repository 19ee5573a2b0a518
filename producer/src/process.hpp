// The process as a producer: what all copies of the library in it share.
//
//   Process   a private mapping named spanring-process, found in /proc/self/maps by later copies
//   Wiped     MADV_WIPEONFORK: the segments' writers and the lock; all-zero in a forked child
//   slabs     writers (wiped) and thread states (ordinary), 16 threads each
//
// Everything is plain memory that needs no constructor. Threads: any; changes under `lock`, which
// knows its owner: a signal handler over a holder is refused instead of deadlocked.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "context_block.hpp"
#include "spanring/base/ids.hpp"
#include "spanring/detail/writer.hpp"
#include "spanring/process.hpp"
#include "spanring/shm/directory.hpp"
#include "spanring/shm/segment_writer.hpp"

namespace spanring::detail {

/// Changes with every change of a struct in this file: copies of different versions do not share.
inline constexpr std::uint64_t kProcessMagic = 0x3730'434f'5250'5053;  // "SPPROC07"
inline constexpr const char* kProcessName = "spanring-process";
/// A missing directory or a full tmpfs is looked at again this often at most.
inline constexpr std::uint64_t kRetryNs = 1'000'000'000;
/// Instances of this process whose contexts can still be told: forks and replaced segments.
inline constexpr std::uint32_t kInstancesKept = 32;
/// Threads beyond those that a segment has slots for, as exited ones wait for their last page.
inline constexpr std::uint32_t kSlabsMax = 4096;
/// The current segment, and replaced ones that some thread has not left yet. When all are taken,
/// another replacement waits until one is left.
inline constexpr std::uint32_t kSegmentsMax = 8;
/// Ends of async spans that a thread remembers until there is room to say that they were lost.
inline constexpr std::uint32_t kLostEndsMax = 1U << 16;

/// A lock whose word is its holder's thread, so that there is no moment between taking it and
/// noting who did. All-zero is open.
class OwnerLock {
public:
    /// Returns false if the calling thread holds it: we are in a signal handler over ourselves.
    bool lock() noexcept;
    void unlock() noexcept;

private:
    std::uint32_t word_;  ///< tid of the holder; kSleepers: somebody waits in futex(2)
};
/// Holds the lock, if it could be had, to the end of the block.
class OwnerGuard {
public:
    explicit OwnerGuard(OwnerLock& lock) noexcept : lock_(lock), held_(lock.lock()) {}
    OwnerGuard(const OwnerGuard&) = delete;
    OwnerGuard& operator=(const OwnerGuard&) = delete;
    ~OwnerGuard() {
        if (held_) lock_.unlock();
    }
    explicit operator bool() const noexcept { return held_; }

private:
    OwnerLock& lock_;
    bool held_;
};

struct KnownInstance {
    std::uint32_t epoch;
    InstanceId id;
    Key128 host_key;
    Key128 span_key;
};

/// ThreadState::owner of a writer whose thread has gone before it could tell what it lost:
/// nobody's, but not free.
inline constexpr std::uint64_t kOrphanOwner = 1;

/// Settings as resolved from code, environment and defaults. On the heap, made once.
struct Settings {
    Configuration configuration;
    std::vector<std::pair<std::string, std::string>> resource;  ///< last of a key wins
    std::string process_name;
    std::string traceparent, tracestate, baggage;
    std::vector<std::string> warnings;
    bool disabled{false};
    Settings* older{nullptr};  ///< replaced by configure; another copy may still read them
};

/// A segment of this process. Its writer is never written anew while anybody may look at it: each
/// thread that has a slot in it holds it, and whoever else looks at it.
struct HeldSegment {
    shm::SegmentWriter writer;
    std::uint32_t holders;  ///< under the lock; 0: closed, free for the next segment
};

/// Wiped::home if the first tracepoint was in a child whose C library takes it for its parent.
inline constexpr std::uint32_t kHomeUnknown = ~0U;

/// What fork wipes.
struct Wiped {
    std::uint32_t home;  ///< pid; kHomeUnknown; 0 in a forked child until its first slow path
    OwnerLock lock;
    OwnerLock sites_lock;  ///< of the lists in call_sites.cpp
    OwnerLock ahead_lock;  ///< of the one thread that may wait for pages while it holds some
    Writer* orphans;       ///< writers whose slots wait for a page, by next_orphan
    void* shown_reason;    ///< see set_reason(); null: none
    HeldSegment* current;  ///< holds itself; null: none so far
    HeldSegment segments[kSegmentsMax];
};

struct Process {
    std::uint64_t magic;
    std::uint64_t bytes;
    std::uint32_t ready;
    std::uint32_t epoch;      ///< of the current instance, from 1; 0: no segment so far
    std::uint32_t own_epoch;  ///< spans of an older one are a forked child's inherited ones
    Wiped* wiped;
    Settings* settings;
    std::uint32_t configured;  ///< 1: the first tracepoint has been; configure is refused

    // The directory, once it could be opened.
    spanring_control* control;
    spanring_doorbell* doorbell;
    bool rings;  ///< the consumer hears that doorbell
    shm::RingDirectory* directory;
    std::uint64_t retry_at_ns;
    bool failed;   ///< a start was tried in vain; `reason` says why
    bool starved;  ///< for want of descriptors or memory: what is not recorded counts as lost

    // The current instance.
    KnownInstance instances[kInstancesKept];
    std::uint32_t segment_epoch;  ///< of the last segment that was made, by us or our parent
    std::uint32_t newest;         ///< index of its mapping
    shm::SegmentMapping mappings[kSegmentsMax];  ///< of Wiped::segments, for a forked child
    char segment_name[64];
    // Of the newest segment; atomic, for threads that are still in an older one read them, too.
    std::uint32_t policy;
    std::uint64_t block_ns;
    std::uint64_t gave_up_at;  ///< released_count + 1 when a blocked writer last gave up
    bool has_initial;
    ContextBlock* initial;  ///< from TRACEPARENT and BAGGAGE

    Losses unslotted;  ///< counted where there was no slot; and those of replaced segments
    std::uint32_t slabs_count;
    char* slabs[kSlabsMax];
    char reason[512];
};

/// Returns this process's, made or found at the first call; null if that is impossible, or we are
/// in a signal handler over that first call.
Process* process() noexcept;
/// Opens directory, control page and doorbell unless done; sets this copy's g_flags.
/// Returns whether the control page is there. Rate-limited after a failure.
bool start(Process& process) noexcept;
/// In a forked child: takes possession. Called by the slow path when `home` is 0.
void adopt_after_fork(Process& process) noexcept;
/// Returns the pid that this memory is of, for `home`.
std::uint32_t home_pid() noexcept;
/// Whether we run in somebody else's memory: in a child of vfork, posix_spawn or clone(CLONE_VM),
/// which is in the place of a thread that waits for it. Such a child writes where its thread would,
/// but makes nothing: descriptors, locks and thread ids would be its own, and end with it.
bool in_vforked_child(Process& process) noexcept;
/// Makes a segment if there is none or it was revoked. Under the lock. Rate-limited on failure.
bool ensure_segment(Process& process) noexcept;
/// The segment in which a writer with a slot has its page.
inline shm::SegmentWriter& segment_of(const Writer& writer) noexcept {
    return writer.segment->writer;
}
/// Drops one hold; the last one closes the segment. Under the lock.
void let_go(Process& process, HeldSegment* segment) noexcept;
/// What was lost so far, in all segments.
Losses losses_of(Process& process) noexcept;
/// Adds to a counter of `losses`, beside other threads and signal handlers that do.
inline void count_loss(std::uint64_t& counter, std::uint64_t more = 1) noexcept {
    // relaxed: a counter for people.
    __atomic_fetch_add(&counter, more, __ATOMIC_RELAXED);
}

/// Holds the current segment, for who has no slot in it.
class SegmentHold {
public:
    explicit SegmentHold(Process& process) noexcept;
    SegmentHold(const SegmentHold&) = delete;
    SegmentHold& operator=(const SegmentHold&) = delete;
    ~SegmentHold();
    /// Returns null if there is none.
    [[nodiscard]] const shm::SegmentWriter* get() const noexcept {
        return segment_ != nullptr ? &segment_->writer : nullptr;
    }

private:
    Process& process_;
    HeldSegment* segment_{nullptr};
};
/// Reads settings from `configuration` and the environment.
Settings* make_settings(Configuration configuration);
/// The resource as records for the segment: NAME and ATTR_STRING or ATTR_INT.
std::vector<std::byte> encode_resource(const Settings& settings);
/// Notes that a start was in vain, and when to try again. Returns false.
bool fail(Process& process, const Error& error) noexcept;
/// Zeroed memory of our own; null: none left.
void* anonymous(std::size_t bytes) noexcept;
void show_to_leak_sanitizer(const void* memory, std::size_t bytes) noexcept;
/// Sets `reason`, and shows it to whoever may look at this process: as the name of a mapping
/// (kReasonPrefix), which needs no directory and goes with the process. Empty: none any more.
void set_reason(Process& process, const char* text) noexcept;

/// Returns the calling thread's writer, a new one if need be. Null: no memory. `nobody()`: we are
/// in a signal handler over the making or the end of the writer.
Writer* thread_writer(Process& process) noexcept;
/// The all-zero writer of threads that have none: nobody writes it.
Writer* nobody() noexcept;
/// For every writer that belongs to a thread, under the lock.
template <typename Function>
void for_each_writer(Process& process, Function&& function) {
    for (std::uint32_t s = 0; s < process.slabs_count; ++s) {
        for (std::size_t i = 0; i < kSlabWriters; ++i) {
            function(*reinterpret_cast<Writer*>(process.slabs[s] + i * kWriterStride));
        }
    }
}
/// Empties the stack of a new thread: the process's initial context, if there is one.
void init_thread(Process& process, ThreadState& state) noexcept;
/// See tracepoint.hpp.
void leave_instance(Process& process, ThreadState& state, bool forked) noexcept;
/// Gives the thread's page and slot back; what it still owes becomes an orphan. Under the lock.
void thread_exit(Process& process, Writer& writer) noexcept;

/// Keys of an instance of this process; null if it is too long ago.
const KnownInstance* instance_of(const Process& process, std::uint32_t epoch) noexcept;
inline bool may_block(const Process& process) noexcept {
    // relaxed: what a segment was made with; a thread that is late by one may wait or not.
    return __atomic_load_n(&process.policy, __ATOMIC_RELAXED) == SPANRING_POLICY_BLOCK;
}
inline std::uint64_t block_ns_of(const Process& process) noexcept {
    // relaxed: see may_block().
    return __atomic_load_n(&process.block_ns, __ATOMIC_RELAXED);
}
/// The current epoch, for who does not hold the lock.
inline std::uint32_t epoch_of(const Process& process) noexcept {
    // acquire: pairs with the release in install(): the segment is there.
    return __atomic_load_n(&process.epoch, __ATOMIC_ACQUIRE);
}

std::uint64_t coarse_ns() noexcept;
std::uint64_t self_id() noexcept;  ///< pthread_self()

}  // namespace spanring::detail
