// The process as a producer: what all copies of the library in it share.
//
//   Process   a private mapping named spanring-process, found in /proc/self/maps by later copies
//   Wiped     MADV_WIPEONFORK: the segment's writer and the lock; all-zero in a forked child
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
inline constexpr std::uint64_t kProcessMagic = 0x3230'434f'5250'5053;  // "SPPROC02"
inline constexpr const char* kProcessName = "spanring-process";
/// A missing directory or a full tmpfs is looked at again this often at most.
inline constexpr std::uint64_t kRetryNs = 1'000'000'000;
/// Instances of this process whose contexts can still be told: forks and replaced segments.
inline constexpr std::uint32_t kInstancesKept = 32;
/// Threads beyond those that a segment has slots for, as exited ones wait for their last page.
inline constexpr std::uint32_t kSlabsMax = 4096;
/// Ends of async spans that a thread remembers until there is room to say that they were lost.
inline constexpr std::uint32_t kLostEndsMax = 1U << 16;

/// A lock that knows its holder's thread.
class OwnerLock {
public:
    /// Returns false if the calling thread holds it: we are in a signal handler over ourselves.
    bool lock() noexcept;
    void unlock() noexcept;

private:
    std::uint64_t owner_;  ///< pthread_self() of the holder
    shm::FutexLock word_;
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
    std::vector<shm::RingDirectory*> abandoned;  ///< never closed, see check_directory
};

/// What fork wipes.
struct Wiped {
    std::uint32_t alive;  ///< 1; 0 in a forked child until its first slow path
    OwnerLock lock;
    shm::SegmentWriter segment;
    Writer* orphans;  ///< writers whose slots wait for a page, by next_orphan
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
    shm::RingDirectory* directory;
    std::uint64_t retry_at_ns;
    bool failed;  ///< a start was tried in vain; `reason` says why

    // The current instance.
    KnownInstance instances[kInstancesKept];
    std::uint32_t segment_epoch;  ///< of the last segment that was made, by us or our parent
    shm::SegmentMapping mapping;
    char segment_name[64];
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
/// In a forked child: takes possession. Called by the slow path when `alive` is 0.
void adopt_after_fork(Process& process) noexcept;
/// Makes a segment if there is none or it was revoked. Under the lock. Rate-limited on failure.
bool ensure_segment(Process& process) noexcept;
/// Adds what the segment's threads have lost.
void add_losses(const shm::SegmentWriter& segment, Losses& sum) noexcept;
/// Reads settings from `configuration` and the environment.
Settings* make_settings(Configuration configuration);
/// The resource as records for the segment: NAME and ATTR_STRING or ATTR_INT.
std::vector<std::byte> encode_resource(const Settings& settings);
/// Sets `reason`, and writes it to <pid>.why in the directory if that is open.
void set_reason(Process& process, const char* text) noexcept;

/// Returns the calling thread's writer, a new one if need be; null: no memory or inside ourselves.
Writer* thread_writer(Process& process) noexcept;
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
/// Gives the thread's page and slot back; what it still owes becomes an orphan.
void thread_exit(Process& process, Writer& writer) noexcept;

/// Keys of an instance of this process; null if it is too long ago.
const KnownInstance* instance_of(const Process& process, std::uint32_t epoch) noexcept;

std::uint64_t coarse_ns() noexcept;
std::uint64_t self_id() noexcept;  ///< pthread_self()

}  // namespace spanring::detail
