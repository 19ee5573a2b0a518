// The ring directory: where the control page, the doorbell, the consumer's lock and the segments of
// all producers lie. Everything is opened relative to one checked descriptor, and no link is
// followed.
//
// Any thread; not async-signal-safe (it may allocate); never on the hot path.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "spanring/abi/control_layout.h"
#include "spanring/base/ids.hpp"
#include "spanring/base/mapping.hpp"
#include "spanring/base/result.hpp"
#include "spanring/base/unique_fd.hpp"

namespace spanring::shm {

/// Bytes of all segments of a directory up to which producers may reserve while no consumer runs,
/// if the control page names no other: 16 processes with full rings of the default size.
inline constexpr std::uint64_t kDirectoryBytesMaxDefault = std::uint64_t{256} << 20;

/// Segments that broke the rules are kept for a look: a few are enough to see what is wrong, and
/// they lie in memory.
inline constexpr char kQuarantinedSuffix[] = ".quarantined";
inline constexpr std::size_t kQuarantinedFilesMax = 16;
inline constexpr std::uint64_t kQuarantinedBytesMax = std::uint64_t{64} << 20;

/// Which file a descriptor was opened as. An application that closes all descriptors, and then
/// opens its own, must not find us in them. All-zero: not known, every descriptor is taken for
/// ours.
struct FileId {
    std::uint64_t device{0};
    std::uint64_t inode{0};

    /// Returns whether `fd` is still open as this file, and the file still has a name.
    [[nodiscard]] bool is_named(int fd) const noexcept;
    /// Returns whether `fd` is still open as this file.
    [[nodiscard]] bool is(int fd) const noexcept;
};

/// SPANRING_DIR, else /run/spanring if it exists, else /dev/shm/spanring-UID.
[[nodiscard]] std::string default_ring_directory();

/// What the consumer tells the producers. Zero: the producer's default.
struct ControlSettings {
    std::uint64_t ring_bytes_max{0};
    std::uint64_t directory_bytes_max{0};
    std::uint32_t page_bytes{0};
    std::uint32_t policy_allowed_mask{1U << SPANRING_POLICY_DROP};
    std::uint64_t block_ns_max{0};
};

/// What the consumers of a directory had to do, counted since it was made; for people.
struct ConsumerCounts {
    std::uint64_t spans_closed_early{0};  ///< the oldest of too many open ones, as unfinished
    std::uint64_t ends_late{0};           ///< of such spans: dropped
    std::uint64_t spans_unstorable{0};    ///< could not be encoded: lost
    std::uint64_t segments_quarantined{0};
};

/// How a consumer converts the CPU's counter (abi/control_layout.h): what the next one goes on
/// with.
struct ClockLine {
    std::uint64_t ticks{0};
    std::int64_t mono_ns{0};
    std::uint64_t ns_per_tick{0};  ///< 32.32 fixed point
    std::uint64_t first_ticks{0};
    std::int64_t first_mono_ns{0};
    std::int64_t real_offset_ns{0};
    bool operator==(const ClockLine&) const = default;
};

/// The control page as mapped here. Producers map it for reading; the setters need kReadWrite.
class ControlPage {
public:
    ControlPage() = default;
    explicit ControlPage(Mapping mapping) noexcept : mapping_(std::move(mapping)) {}

    [[nodiscard]] bool valid() const noexcept { return mapping_.valid(); }
    /// The word that every tracepoint loads.
    [[nodiscard]] const std::uint32_t* flags_word() const noexcept { return &page()->flags; }
    [[nodiscard]] std::uint32_t flags() const noexcept;
    [[nodiscard]] bool enabled() const noexcept { return (flags() & SPANRING_FLAG_ENABLED) != 0; }
    [[nodiscard]] Key128 host_key() const noexcept;
    [[nodiscard]] Key128 boot_id() const noexcept;
    /// What the consumer has set, clamped to what is possible: a producer trusts no word of it.
    [[nodiscard]] ControlSettings settings() const noexcept;
    [[nodiscard]] ConsumerCounts counts() const noexcept;

    // ---- consumer ----
    void set_enabled(bool enabled) noexcept;
    void set_waiting(bool waiting) noexcept;
    /// Writes the settings and bumps the configuration epoch.
    void set_settings(const ControlSettings& settings) noexcept;
    void add_counts(const ConsumerCounts& more) noexcept;
    /// Returns what set_clock_line() said last, in this consumer's life or an earlier one's;
    /// nothing if nobody did, or died while it did.
    [[nodiscard]] std::optional<ClockLine> clock_line() const noexcept;
    void set_clock_line(const ClockLine& line) noexcept;

    /// Hands the mapping over to who keeps it for the life of the process.
    [[nodiscard]] spanring_control* release() noexcept {
        return static_cast<spanring_control*>(mapping_.release());
    }

private:
    [[nodiscard]] spanring_control* page() const noexcept {
        return mapping_.as<spanring_control>();
    }
    Mapping mapping_;
};

/// A segment that was put aside.
struct QuarantinedFile {
    std::string name;
    std::uint64_t bytes{0};  ///< of memory
    std::int64_t put_aside_s{0};
    bool maker_lives{false};
};

/// Held by the one consumer of a directory for its life; released by destruction or death.
class ConsumerLock {
public:
    explicit ConsumerLock(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
    ConsumerLock(ConsumerLock&&) = default;
    ConsumerLock& operator=(ConsumerLock&&) = default;
    ~ConsumerLock();
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

private:
    UniqueFd fd_;
};

class RingDirectory {
public:
    enum class Create { kNo, kYes };

    /// Opens (kYes: makes, mode 0700, if it is missing) the directory.
    /// Errors: kNotFound; kPermission: not ours, nor root's, nor one of several users where only
    /// root could put it, or not reachable; kInvalidArgument: not a directory, a symbolic link.
    static Result<RingDirectory> open(std::string path, Create create);

    /// For root: makes the directory of several users, mode 3773, which is `daemon`'s and `group`'s
    /// from then on; or hands one over that root has made. One of the daemon stays as it is.
    /// Errors: kPermission: it is somebody else's; kInvalidArgument: not a directory, a link.
    static Result<void> make_shared(const std::string& path, uid_t daemon, gid_t group);

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] uid_t owner() const noexcept { return owner_; }
    [[nodiscard]] bool shared() const noexcept { return shared_; }
    /// Whether the file of this stat(2) is one that the directory's owner, root or we have made.
    [[nodiscard]] bool trusts(const struct stat& file) const noexcept;
    /// Returns whether the directory is still there, and the descriptor still ours.
    [[nodiscard]] bool is_usable() const noexcept { return file_.is_named(fd_.get()); }
    /// Closes the descriptor, but only if it is still ours. Nothing else may be called after.
    void close_if_ours() noexcept {
        if (const int fd = fd_.release(); file_.is(fd)) fd_.reset(fd);
        fd_.reset();
    }

    /// Maps the control page; creates it, disabled, if it is missing and the directory is ours (or
    /// we are root). Errors: kUnavailable: missing, and not ours to make; kVersion, kCorrupt,
    /// kPermission: not what this library may trust.
    [[nodiscard]] Result<ControlPage> map_control(Mapping::Access access) const;
    /// Maps the doorbell for reading and writing; creation and errors as map_control. In a
    /// directory of several users it is the consumer's alone (kPermission): a producer there cannot
    /// ring.
    [[nodiscard]] Result<Mapping> map_doorbell() const;

    /// Returns the pid of the running consumer, 0 if there is none, -1 if it is in another pid
    /// namespace. Does not allocate unless it fails.
    [[nodiscard]] Result<pid_t> consumer_pid() const;
    /// Becomes the consumer. Errors: kBusy, naming the pid of the other one.
    [[nodiscard]] Result<ConsumerLock> lock_consumer() const;

    /// Bytes of memory that the segments of all processes take. Does not allocate unless it fails.
    [[nodiscard]] Result<std::uint64_t> segment_bytes() const;
    /// Returns whether a producer may reserve `more` bytes: while a consumer runs, or below `cap`.
    [[nodiscard]] bool may_reserve(std::uint64_t more, std::uint64_t cap) const noexcept;
    /// File names of all segments, sorted.
    [[nodiscard]] Result<std::vector<std::string>> segments() const;
    /// What was put aside, oldest first.
    [[nodiscard]] Result<std::vector<QuarantinedFile>> quarantined() const;
    /// Removes the oldest of it beyond kQuarantinedFilesMax and kQuarantinedBytesMax. Returns how
    /// many. For the consumer.
    std::size_t limit_quarantined() const;
    /// Removes half-made files of producers that died while they made them. For the consumer.
    void remove_leftovers() const noexcept;

private:
    RingDirectory(UniqueFd fd, FileId file, std::string path) noexcept
        : fd_(std::move(fd)), file_(file), path_(std::move(path)) {}
    /// In a directory of several users anybody may have taken the name of a file that is the
    /// daemon's to make: its owner frees it.
    void clear_squatted(const char* name) const noexcept;
    [[nodiscard]] bool frees_names() const noexcept;
    /// What was opened is one of those, made since.
    [[nodiscard]] bool is_squatted(int fd) const noexcept;
    [[nodiscard]] Result<UniqueFd> open_lock_file() const;
    /// Who takes a name again and again while we free it wins about every second time.
    static constexpr int kNameTriesMax = 100;
    [[nodiscard]] Result<UniqueFd> open_fixed(const char* name, int flags, const void* content,
                                              std::size_t bytes) const;

    UniqueFd fd_;
    FileId file_;
    std::string path_;
    uid_t owner_{0};
    bool shared_{false};  ///< of several users: everybody may make files in it
};

}  // namespace spanring::shm
