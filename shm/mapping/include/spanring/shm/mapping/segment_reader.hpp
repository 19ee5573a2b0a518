// SegmentReader: another process's segment, seen by the consumer or a tool.
//
// Nothing in it is trusted: each shared word is loaded once and checked, bytes are copied before
// they are parsed, and a file that is cut short under us is an error, not a SIGBUS. An error of
// code kCorrupt from any function means: quarantine this segment.
//
// One thread per object. Never blocks on the producer. A process that attaches to a segment of its
// own gives its record lock away when the reader goes (POSIX: closing any descriptor releases it);
// it is then alive by pid and start time only. The writing functions need kReadWrite and are for
// the one consumer of the directory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spanring/base/ids.hpp"
#include "spanring/base/result.hpp"
#include "spanring/shm/directory.hpp"
#include "spanring/shm/page_ring.hpp"

namespace spanring::shm {

/// Checked copies of what the header says about the producer.
struct SegmentIdentity {
    InstanceId instance;
    InstanceId parent;  ///< zero: not a fork of a traced process
    Key128 span_key{};
    Key128 host_key{};
    Key128 boot_id{};
    std::uint64_t pid_start_ticks{0};
    std::uint32_t pid{0};
    std::uint32_t uid{0};  ///< of the file: cannot be forged
    std::uint64_t created_realtime_ns{0};
    std::uint32_t clock_kind{0};
    std::uint32_t policy{0};
    std::uint32_t page_bytes{0};
    std::uint32_t pages_max{0};
    std::uint32_t slots_max{0};
    std::uint32_t strings_max{0};
    std::string process_name;
};

/// A page with something in it.
struct PageView {
    std::uint32_t page{0};
    std::uint32_t state{0};  ///< SPANRING_PAGE_WRITING or SPANRING_PAGE_FULL
    std::uint32_t generation{0};
    std::uint32_t stream{0};
    std::uint64_t sequence{0};
    std::uint64_t base_ticks{0};
    std::uint64_t first_ordinal{0};
    std::uint32_t committed{0};  ///< from the start of the page, >= SPANRING_PAGE_DATA
};

struct SlotView {
    std::uint32_t nesting{0};
    std::uint32_t state{0};
    std::uint32_t tid{0};
    std::uint64_t next_ordinal{0};
    std::uint64_t next_sequence{0};
    std::uint64_t lost_spans[4]{};
    std::uint64_t lost_ends[4]{};
    std::uint64_t lost_details[4]{};
};

struct PendingCount {
    std::uint64_t tracepoints{0};  ///< published and not yet committed to the database
    std::uint64_t bytes{0};
};

struct RingFill {
    std::uint64_t used_bytes{0};      ///< pages that are not free
    std::uint64_t declared_bytes{0};  ///< the ring as it is now
    std::uint64_t max_bytes{0};
};

class SegmentReader {
public:
    enum class Mode { kReadOnly, kReadWrite };

    /// Attaches to `file_name` in `directory`. Errors, each with both values in its text, in the
    /// order of the checks: kNotFound, kPermission; kCorrupt: too short, wrong magic; kVersion:
    /// other major version, header length, fingerprint; kCorrupt: a region out of bounds;
    /// kUnavailable: not ready.
    static Result<SegmentReader> attach(const RingDirectory& directory,
                                        const std::string& file_name, Mode mode);
    SegmentReader(SegmentReader&&) noexcept;
    SegmentReader& operator=(SegmentReader&&) noexcept;
    ~SegmentReader();

    [[nodiscard]] const SegmentIdentity& identity() const noexcept;
    [[nodiscard]] const std::string& file_name() const noexcept;
    /// Copy of the resource: detail records with inline names.
    [[nodiscard]] Result<std::vector<std::byte>> resource() const;
    /// Appends the strings from number out->size() on, at most `count_max` of them. Number 0 is the
    /// empty string.
    Result<void> read_strings(std::vector<std::string>* out, std::uint32_t count_max) const;
    [[nodiscard]] Result<std::uint32_t> strings_count() const;

    // ---- pages ----

    [[nodiscard]] Result<std::uint32_t> pages_declared() const;
    /// Replaces *out by the pages that hold something, in ring order.
    Result<void> peek_all(std::vector<PageView>* out) const;
    /// Returns whether the page holds something; then *out is it.
    Result<bool> peek(std::uint32_t page, PageView* out) const;
    /// Copies the bytes [from, to) of the page.
    Result<void> copy_bytes(std::uint32_t page, std::uint32_t from, std::uint32_t to,
                            std::byte* out) const;
    /// Bytes of this life of the page whose content is in the database, header included; 0: none.
    [[nodiscard]] Result<std::uint32_t> stored_bytes(const PageView& view) const;

    Result<void> set_stored(std::uint32_t page, std::uint32_t generation, std::uint32_t bytes);
    /// The latest turn that any consumer has told: the next one counts on from there.
    [[nodiscard]] Result<std::uint64_t> turn_stored() const;
    /// Before the set_stored() of a turn's pages.
    Result<void> set_turn_stored(std::uint64_t turn);
    /// Nothing that was read in `turn` or before is held back any more, and all is committed.
    Result<void> set_turn_settled(std::uint64_t turn);
    /// full → free, and tells the producer. Errors: kCorrupt: it is not full in this generation.
    Result<void> release(std::uint32_t page, std::uint32_t generation);

    // ---- threads ----

    [[nodiscard]] Result<std::uint32_t> slots_declared() const;
    [[nodiscard]] Result<SlotView> slot(std::uint32_t stream) const;
    /// Step 1 of taking pages from idle threads: asks the thread to leave its page. After the last
    /// revoke_slot, `take_barrier`, then try_take for each.
    Result<void> revoke_slot(std::uint32_t stream);
    /// Makes every thread see the revocations, or us see its nesting word. Returns false if this
    /// kernel or this producer cannot: then nothing may be taken.
    [[nodiscard]] bool take_barrier() const noexcept;
    /// Step 2: makes the thread's page full unless it is inside a tracepoint (then: next turn,
    /// after another barrier). Returns whether the page is full now; peek again for its last bytes.
    Result<bool> try_take(const PageView& view);

    // ---- the whole ----

    /// Judged dead: a live writer makes a new segment at its next slow path.
    Result<void> revoke();
    /// Whether the consumer may sleep and rely on this producer to ring.
    [[nodiscard]] Result<bool> rings_reliably() const;
    /// Lock first; then pid and start time, if they are visible. Never a timeout.
    [[nodiscard]] bool producer_alive() const noexcept;
    /// Whether its lock is held. A live process may have lost it: by closing all descriptors, or by
    /// exec, with which the ring is nobody's.
    [[nodiscard]] bool lock_held() const noexcept;
    /// Removes the file, if its name still is this segment.
    Result<void> unlink();
    /// Renames the file to "*.quarantined".
    Result<void> quarantine();

    /// What is published and not yet stored, by walking the records. Works in any process with a
    /// read-only attach, beside a running producer and consumer.
    [[nodiscard]] Result<PendingCount> count_pending() const;
    [[nodiscard]] Result<RingFill> fill() const;

private:
    struct Impl;
    explicit SegmentReader(std::unique_ptr<Impl> impl) noexcept;
    [[nodiscard]] Result<void> check_name() const;
    std::unique_ptr<Impl> impl_;
};

}  // namespace spanring::shm
