// What the running consumer has given up, as the kernel says it (/proc/PID/status). Reads only.
// Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace spanring::tools {

struct Confinement {
    std::uint32_t uid{0};
    bool capabilities{false};  ///< it has some
    bool no_new_privileges{false};
    bool filtered{false};  ///< by seccomp
    [[nodiscard]] bool whole() const noexcept {
        return !capabilities && no_new_privileges && filtered;
    }
};

/// Of what /proc/PID/status says; nothing if a line is missing.
[[nodiscard]] std::optional<Confinement> parse_confinement(const std::string& status);
/// Nothing if the process cannot be seen from here.
[[nodiscard]] std::optional<Confinement> confinement_of(std::int64_t pid);

}  // namespace spanring::tools
