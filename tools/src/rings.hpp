// The live side, as any process may look at it: the ring directory, its consumer, and every
// producer's segment with fill and losses. Reads only. Threads: one at a time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "confinement.hpp"
#include "json.hpp"
#include "spanring/abi/segment_layout.h"
#include "spanring/base/ids.hpp"
#include "spanring/base/result.hpp"
#include "spanring/shm/directory.hpp"
#include "spanring/shm/notices.hpp"
#include "spanring/store/database.hpp"

namespace spanring::tools {

/// Losses by kind and, over all kinds, by reason.
struct LossCounts {
    std::uint64_t spans{0};
    std::uint64_t ends{0};
    std::uint64_t details{0};
    std::array<std::uint64_t, SPANRING_LOST_REASONS> by_reason{};
    [[nodiscard]] std::uint64_t total() const noexcept { return spans + ends + details; }
};

/// "ring_full", "signal", "too_large", "no_memory".
[[nodiscard]] const char* loss_reason_name(std::size_t reason) noexcept;
void write_losses(Json& json, const LossCounts& losses);

struct ProducerView {
    std::string file_name;
    InstanceId instance;
    std::uint32_t pid{0};
    std::string process;
    bool alive{false};
    std::uint32_t threads{0};
    std::uint64_t ring_bytes{0};  ///< declared
    std::uint64_t ring_used_bytes{0};
    std::uint64_t ring_bytes_max{0};
    std::uint64_t pending_tracepoints{0};  ///< R; only if asked for
    LossCounts lost;
    /// Of what it may become, not of what it is: a small ring that fills up just grows.
    [[nodiscard]] double fill() const noexcept;
};

struct RingsView {
    std::string directory;
    bool exists{false};
    std::optional<std::int64_t> consumer_pid;  ///< -1: in another pid namespace
    std::optional<Confinement> confinement;    ///< of that process, if it can be seen
    bool enabled{false};                       ///< of the control page
    shm::ConsumerCounts counts;                ///< as well
    std::uint64_t segment_bytes{0};
    std::uint64_t quarantined_files{0};
    std::uint64_t quarantined_bytes{0};
    std::vector<ProducerView> producers;
    std::vector<shm::Notice> notices;   ///< what consumers had to refuse
    std::vector<std::string> problems;  ///< segments that cannot be read, with the cause
};

enum class Pending : std::uint8_t { kSkip, kCount };

/// Looks at the directory. One that does not exist is a valid answer (`exists` false).
/// Errors: kPermission and the like, of the directory itself.
[[nodiscard]] Result<RingsView> look_at_rings(const std::string& directory, Pending pending);

/// Losses over all instances, live ones and recorded ones; of an instance that is both, the
/// larger count of each kind (the database follows the live counters by at most one turn).
[[nodiscard]] std::uint64_t lost_total(const RingsView& rings,
                                       const std::vector<store::InstanceLosses>& recorded);

/// "4711-….seg of uid 1000 (pid 4711, cart)", as far as known.
[[nodiscard]] std::string whose(const shm::Notice& notice);

/// Bytes of all files of the database; 0 if there is none.
[[nodiscard]] std::uint64_t folder_bytes(const std::string& path);

/// 16 bytes as hex.
[[nodiscard]] std::string hex_of(const Key128& bytes);

}  // namespace spanring::tools
