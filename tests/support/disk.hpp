// A model of the disk: what of a folder's files and names is durable, and what a power loss may
// make of the rest. It is fed by the seam to the operating system (os::observe) and, for SQLite, by
// SqliteDisk (sqlite_disk.hpp). Only what POSIX promises is taken as promised:
//
//   a write, a truncation    is durable when a sync of the file that began behind it has succeeded
//   a name (create, rename, link, unlink, mkdir)   ... of the folder that it stands in
//   a write whose sync failed                      never: a later sync proves nothing for it
//   a rename                 is there or not, never half; a write may be torn between sectors
//
// How to use it, in a test or in a simulation:
//
//   Disk disk(root);                     // what is in there now is durable; files may be open
//   ... run whatever writes below `root` ...
//   disk.lose_power({DataLoss::kTorn, NameLoss::kAnyOf, seed}, other_folder);
//   ... open `other_folder`; or enumerate every moment of the run with Disk::Replay ...
//
// Threads: any number may write; one Disk at a time in a process. It never changes `root`.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "spanring/base/os.hpp"

namespace spanring::testing {

/// What becomes of bytes that were not synced. All but kPrefix choose for each file alone.
enum class DataLoss : std::uint8_t {
    kDropped,  ///< none is there
    kKept,     ///< all are there, as after the death of all processes
    kPrefix,   ///< those up to one moment, the next write torn between two sectors
    kTorn,     ///< of each write each sector is there or not
    kGarbage,  ///< ... or is something else
    kZeros,    ///< files have their length, but zeros where they grew
};

/// What becomes of names whose folder was not synced.
enum class NameLoss : std::uint8_t {
    kDropped,
    kKept,
    kPrefix,  ///< those up to one moment, the same one as of the data
    kAnyOf,   ///< each for itself
};

struct PowerLoss {
    DataLoss data{DataLoss::kDropped};
    NameLoss names{NameLoss::kDropped};
    std::uint64_t seed{0};  ///< of every choice: the same seed makes the same folder
};
[[nodiscard]] std::string to_text(const PowerLoss& loss);
/// Each combination that is worth a try, with this seed.
[[nodiscard]] std::vector<PowerLoss> every_loss(std::uint64_t seed);

/// Operations so far: a moment of a run.
using Moment = std::uint64_t;

struct DiskOperation {
    enum class Kind : std::uint8_t {
        kWrite,   ///< `data` at `offset`
        kResize,  ///< to `offset` bytes
        kGrow,    ///< to at least `offset` bytes
        kSync,    ///< of what was done up to `until`
        kFailedSync,
        kName,    ///< `name` in folder `file` is `target` now
        kForget,  ///< `name` is gone from folder `file`
        kRename,  ///< `name` in folder `file` is called `new_name` now
    };
    Kind kind;
    std::uint64_t file{0};  ///< or folder
    std::uint64_t offset{0};
    std::shared_ptr<const std::string> data{};
    Moment until{0};
    std::string name{};
    std::string new_name{};
    std::uint64_t target{0};
};
[[nodiscard]] std::string to_text(const DiskOperation& operation);

/// What is durable at one moment, and what has been done since.
class DiskState {
public:
    void apply(const DiskOperation& operation, Moment moment);
    /// Makes `folder` (which must not exist) what `loss` leaves.
    void make(const PowerLoss& loss, const std::string& folder) const;

private:
    friend class Disk;
    enum class Fate : std::uint8_t { kOpen, kCertain, kDoomed };
    struct Pending {
        DiskOperation operation;
        Moment moment{0};
        Fate fate{Fate::kOpen};
    };
    struct File {
        bool is_folder{false};
        std::string bytes;                           ///< durable
        std::map<std::string, std::uint64_t> names;  ///< durable, of a folder
        std::vector<Pending> pending;
    };
    [[nodiscard]] Moment last_kept(const PowerLoss& loss) const;
    [[nodiscard]] std::string bytes_of(std::uint64_t id, const PowerLoss& loss, Moment last) const;
    [[nodiscard]] std::map<std::string, std::uint64_t> names_of(std::uint64_t id,
                                                                const PowerLoss& loss,
                                                                Moment last) const;
    void make_folder(std::uint64_t id, const PowerLoss& loss, Moment last, const std::string& path,
                     std::map<std::uint64_t, std::string>& made) const;

    std::map<std::uint64_t, File> files_;
};

class Disk {
public:
    /// Watches from now on. With `history`, every operation is kept for a Replay.
    explicit Disk(const std::string& folder, bool history = false);
    ~Disk() { stop(); }
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;
    /// The one that watches; null: none.
    [[nodiscard]] static Disk* current() noexcept;

    /// Looks no more; what it has seen stays.
    void stop();
    [[nodiscard]] Moment now() const;
    /// Makes `folder` (which must not exist) what a power loss now leaves.
    void lose_power(const PowerLoss& loss, const std::string& folder) const;

    /// Goes through the moments of a run, from its begin. Needs the history, and that nobody writes
    /// any more.
    class Replay {
    public:
        explicit Replay(const Disk& disk) : disk_(disk), state_(disk.begin_) {}
        /// One operation on. Null: there is none.
        const DiskOperation* step();
        [[nodiscard]] Moment moment() const noexcept { return moment_; }
        void lose_power(const PowerLoss& loss, const std::string& folder) const {
            state_.make(loss, folder);
        }

    private:
        const Disk& disk_;
        DiskState state_;
        Moment moment_{0};
    };

    // For SqliteDisk, which sees files by their path. `file`: what opened() gave; 0 is none of ours
    // and ignored.
    std::uint64_t opened(const std::string& path);
    void written(std::uint64_t file, std::uint64_t offset, const void* data, std::size_t bytes);
    void resized(std::uint64_t file, std::uint64_t bytes);
    void synced(std::uint64_t file, Moment begun, bool good);
    void unlinked(const std::string& path);
    void folder_synced(const std::string& path_below, Moment begun);

private:
    using Identity = std::pair<std::uint64_t, std::uint64_t>;  ///< device and inode
    static void observe(const os::Change& change);
    void take(const os::Change& change);
    void take_name(const os::Change& change);
    void load(const std::string& path, std::uint64_t id);
    void add(DiskOperation operation);
    [[nodiscard]] std::uint64_t id_of(int fd) const;
    [[nodiscard]] std::uint64_t folder_of(int dir_fd, const std::string& path) const;
    std::uint64_t name_file(std::uint64_t folder, const std::string& name, const Identity& identity,
                            bool is_folder);

    mutable std::mutex mutex_;
    const bool keeps_history_;
    DiskState begin_;
    DiskState state_;
    std::vector<DiskOperation> history_;
    Moment moment_{0};
    std::map<Identity, std::uint64_t> ids_;
    std::map<std::uint64_t, std::map<std::string, std::uint64_t>> names_;  ///< as they are now
    std::uint64_t next_id_{1};
};

}  // namespace spanring::testing
