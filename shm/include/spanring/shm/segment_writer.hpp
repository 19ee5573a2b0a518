// SegmentWriter: the producer's side of one segment: makes the file, interns strings, hands out
// thread slots and pages, and grows.
//
// It lies where the caller puts it (a MADV_WIPEONFORK page), owns no heap memory, has a trivial
// destructor, and all-zero bytes are a valid closed writer: that is what a forked child finds. All
// operations are noexcept, thread-safe and lock-free where they may be hot; those marked [lock]
// take a process-local lock and must be called with the thread's nesting word set, so that a
// tracepoint in a signal handler over them drops its record instead of waiting for itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "spanring/abi/record_layout.h"
#include "spanring/abi/segment_layout.h"
#include "spanring/base/ids.hpp"
#include "spanring/base/result.hpp"
#include "spanring/shm/directory.hpp"
#include "spanring/shm/page_ring.hpp"

namespace spanring::shm {

/// Limits of a segment; `spanring limits` prints them. A segment is to take 1 MiB at first, and
/// 16 MiB at most with 10,000 threads: beside the ring stand 50 KiB, and 256 bytes for each thread.
inline constexpr std::uint64_t kRingBytesInitial = std::uint64_t{960} << 10;
inline constexpr std::uint64_t kRingBytesMax = std::uint64_t{13} << 20;
inline constexpr std::uint64_t kRingBytesLimit = std::uint64_t{1} << 30;
/// Threads that record at the same time.
inline constexpr std::uint32_t kSlotsMax = 16384;
/// A stream number has 16 bits in a span key.
inline constexpr std::uint32_t kSlotsLimit = 65536;
inline constexpr std::uint32_t kStringsMax = 65536;
/// 64 bytes for each of kStringsMax: names and keys are short.
inline constexpr std::uint32_t kStringDataBytesMax = 4U << 20;
/// A longer string is not interned but stands inline.
inline constexpr std::uint32_t kInternBytesMax = 4096;
inline constexpr std::uint32_t kResourceBytesMax = 65536;

struct SegmentOptions {
    std::uint64_t ring_bytes_initial{kRingBytesInitial};
    std::uint64_t ring_bytes_max{kRingBytesMax};
    std::uint32_t page_bytes{SPANRING_PAGE_BYTES_DEFAULT};
    std::uint32_t slots_max{kSlotsMax};
    std::uint32_t strings_max{kStringsMax};
    std::uint32_t policy{SPANRING_POLICY_DROP};
    std::uint32_t clock_kind{SPANRING_CLOCK_MONOTONIC};
    bool membarrier{false};  ///< what register_membarrier() said
    bool rings{true};        ///< it could map the doorbell; without, the consumer polls
    std::string_view process_name;
    /// Attribute detail records with inline names: NAME, then ATTR_* with id SPANRING_ID_INLINE.
    std::span<const std::byte> resource;
    InstanceId parent;  ///< of the process that forked; zero: none
    Key128 host_key{};
    Key128 boot_id{};
    std::uint64_t directory_bytes_max{kDirectoryBytesMaxDefault};
};

/// What a writer leaves in the address space: survives the wiping of the writer in a forked child.
/// Keep a copy in memory that fork does not wipe.
struct SegmentMapping {
    std::byte* data{nullptr};
    std::uint64_t bytes{0};
    int fd{-1};
    FileId file;  ///< what `fd` was opened as
};
/// Unmaps and closes. For a forked child, and for a replaced segment that nobody writes any more.
/// A descriptor that the application has closed, and may have opened anew, stays its own.
void release_mapping(SegmentMapping& mapping) noexcept;

enum class Growth {
    kGrown,    ///< there are new pages, made by us or by somebody else just now: claim again
    kAtMax,    ///< the ring has its full size
    kNoSpace,  ///< tmpfs, or the directory's byte cap, is full
};

/// A mutex of one word: all-zero is open, nothing to destroy, futex underneath (private).
class FutexLock {
public:
    void lock() noexcept;
    void unlock() noexcept;
    bool try_lock() noexcept;

private:
    std::uint32_t word_;
};

class SegmentWriter {
public:
    /// Creates the segment file of this process in `directory`. The writer must be closed. On
    /// failure nothing is left behind. Errors: kNoSpace: tmpfs or the directory's cap; kIo, ...
    Result<void> open(const RingDirectory& directory, const SegmentOptions& options);
    /// Unmaps and closes everything, mapping() included; the file stays for the consumer. No other
    /// thread may use the writer. (A forked child whose writer was wiped has nothing to destroy but
    /// the mapping: release_mapping().)
    void destroy() noexcept;

    [[nodiscard]] bool is_open() const noexcept { return mapping_.data != nullptr; }
    [[nodiscard]] SegmentMapping mapping() const noexcept { return mapping_; }
    [[nodiscard]] InstanceId instance() const noexcept { return instance_; }
    [[nodiscard]] Key128 span_key() const noexcept { return span_key_; }
    [[nodiscard]] Key128 host_key() const noexcept { return host_key_; }
    [[nodiscard]] std::uint32_t clock_kind() const noexcept { return clock_kind_; }
    [[nodiscard]] std::uint32_t page_bytes() const noexcept { return ring_.page_bytes; }
    /// "<pid>-<instance hex>.seg"
    [[nodiscard]] const char* file_name() const noexcept { return file_name_; }
    /// The word that says "judged dead": a writer that sees 1 must make a new segment.
    [[nodiscard]] const std::uint32_t* revoked_word() const noexcept { return &header()->revoked; }
    [[nodiscard]] bool revoked() const noexcept;

    // ---- strings ----

    /// Returns the number of this string, a new one if need be: SPANRING_ID_NONE for the empty one,
    /// SPANRING_ID_INLINE if it is too long or the table is full. Lock-free if known, else [lock].
    std::uint32_t intern(std::string_view text) noexcept;
    /// Returns the string with this number, empty if there is none. Valid as long as the mapping.
    [[nodiscard]] std::string_view string(std::uint32_t id) const noexcept;
    [[nodiscard]] std::uint32_t strings_count() const noexcept;
    /// Takes over all strings of another segment of this process with their numbers. Before
    /// anything else is interned. Returns false if they do not fit.
    bool copy_strings_from(const SegmentMapping& other) noexcept;

    // ---- threads ----

    /// Returns a stream number for the calling thread, or kNoSlot. Ordinals and sequences go on
    /// from where the slot's last owner stopped. [lock]
    std::uint32_t acquire_slot(std::uint32_t tid) noexcept;
    static constexpr std::uint32_t kNoSlot = 0xffffffffU;
    /// Gives it back; next_ordinal and next_sequence must be up to date. [lock]
    void release_slot(std::uint32_t stream) noexcept;
    [[nodiscard]] spanring_thread_slot* slot(std::uint32_t stream) const noexcept;

    // ---- pages ----

    /// Claims the next free page. When the ring is full this costs two loads until the consumer
    /// releases a page or the ring grows.
    PageClaim claim_page(std::uint32_t stream) noexcept;
    /// PageRing::write_header, publish, mark_full work on this.
    [[nodiscard]] const RingMemory& ring() const noexcept { return ring_; }
    bool mark_full(const PageClaim& claim, std::uint32_t stream) noexcept {
        return PageRing::mark_full(ring_, claim, stream);
    }
    /// Makes the ring larger, about twofold, populated before it is declared. One grower at a time.
    Growth grow() noexcept;
    [[nodiscard]] std::uint32_t pages_declared() const noexcept;
    [[nodiscard]] std::uint32_t pages_max() const noexcept { return pages_max_; }
    /// Pages released by the consumer since the start: a blocked producer looks for a change.
    [[nodiscard]] std::uint64_t released_count() const noexcept;
    /// The word itself, for who looks at it often.
    [[nodiscard]] const std::uint64_t* released_word() const noexcept {
        return &header()->released_count;
    }

    // ---- flush: for each page, wait until is_stored(page, published_mark(page)); then until
    //      turn_settled() has reached what turn_stored() says ----

    [[nodiscard]] std::uint64_t published_mark(std::uint32_t page) const noexcept {
        return PageRing::published_mark(ring_, page);
    }
    [[nodiscard]] bool is_stored(std::uint32_t page, std::uint64_t mark) const noexcept {
        return PageRing::is_stored(ring_, page, mark);
    }
    /// The consumer's latest turn of which something is stored: not before that of any page that
    /// is_stored().
    [[nodiscard]] std::uint64_t turn_stored() const noexcept;
    /// The turn up to which nothing is held back: what threads did to each other's spans shows.
    [[nodiscard]] std::uint64_t turn_settled() const noexcept;

private:
    [[nodiscard]] spanring_segment_header* header() const noexcept {
        return reinterpret_cast<spanring_segment_header*>(mapping_.data);
    }
    Result<void> prepare(const RingDirectory& directory, const char* temporary,
                         const SegmentOptions& options);
    Result<void> make_file(const RingDirectory& directory, const char* temporary,
                           std::uint64_t bytes);
    void fill_header(const SegmentOptions& options) noexcept;
    /// Makes [from, to) of the file safe and fast to touch. Returns false, and errno, if it cannot.
    bool reserve(std::uint64_t from, std::uint64_t to) noexcept;
    [[nodiscard]] bool may_grow(std::uint64_t bytes) const noexcept;
    /// SPANRING_ID_NONE: not there.
    [[nodiscard]] std::uint32_t find(std::string_view text, std::uint64_t hash) const noexcept;
    void index_string(std::uint32_t id, std::uint64_t hash) noexcept;
    bool reserve_string(std::uint32_t id, std::uint64_t data_end) noexcept;
    std::uint32_t append_string(std::string_view text, std::uint64_t hash) noexcept;

    // What never changes while open.
    SegmentMapping mapping_;
    RingMemory ring_;
    InstanceId instance_;
    Key128 span_key_;
    Key128 host_key_;
    std::uint32_t clock_kind_;
    std::uint32_t pages_max_;
    std::uint32_t slots_max_;
    std::uint32_t strings_max_;
    std::uint32_t string_data_bytes_max_;
    std::uint64_t directory_bytes_max_;
    FileId directory_;  // what directory_fd_ was opened as
    int directory_fd_;
    char file_name_[64];
    // Private tables, not inherited by a forked child (MADV_DONTFORK).
    std::uint64_t* string_table_;  // open addressing: hash << 32 | id; 0: empty
    std::uint32_t string_table_mask_;
    std::uint32_t* free_slots_;

    FutexLock lock_;  // strings and slots
    std::uint64_t string_index_reserved_;
    std::uint64_t string_data_reserved_;
    std::uint64_t slots_reserved_;
    std::uint32_t free_slots_count_;

    FutexLock grow_lock_;
    std::uint64_t grow_retry_at_ns_;  // after a failure; 0: at once
    std::uint64_t full_at_;           // what a claim that found nothing had seen; 0: never
};

}  // namespace spanring::shm
