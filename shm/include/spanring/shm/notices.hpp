// What the consumers of a ring directory had to refuse, and why: one small file, `notices`, that
// the consumer replaces as a whole. It outlives the consumer, so that `spanring status` and
// `doctor` can say of a quarantined ring whose it was and what was wrong with it.
//
// Text, one notice a line, fields separated by tabs. Any thread; never on the hot path.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "spanring/base/result.hpp"
#include "spanring/shm/directory.hpp"

namespace spanring::shm {

inline constexpr char kNoticesFile[] = "notices";
/// The newest of each kind that are kept: twice as many as quarantined files are.
inline constexpr std::size_t kNoticesMax = 32;

struct Notice {
    enum class Kind : std::uint8_t {
        kQuarantined,  ///< a ring broke the rules and was put aside
        kRefused,      ///< rings that are not served: a limit, another version
        kDegraded,     ///< the database takes no frames at the moment
    };
    Kind kind{Kind::kQuarantined};
    std::int64_t at_s{0};    ///< wall clock, of the last time
    std::uint64_t count{1};  ///< how often; of kRefused by a limit: files that wait
    std::uint32_t uid{0};    ///< owner of the file
    std::uint32_t pid{0};    ///< as the producer says; 0: not known
    std::string process;     ///< as well
    std::string file;        ///< its name before it was put aside
    std::string reason;
    bool operator==(const Notice&) const = default;
};

/// "quarantined", "refused", "degraded".
[[nodiscard]] const char* notice_kind_name(Notice::Kind kind) noexcept;

/// What write_notices() wrote last; none if nobody did. Lines that are no notice are left out.
/// Errors: kPermission, kCorrupt: a file that no consumer of this directory can have made.
[[nodiscard]] Result<std::vector<Notice>> read_notices(const RingDirectory& directory);
/// For the consumer. Control characters in texts become '?', and 200 bytes of each are kept.
[[nodiscard]] Result<void> write_notices(const RingDirectory& directory,
                                         const std::vector<Notice>& notices);

}  // namespace spanring::shm
