// Machine: what a test puts in place of the host's clocks, its randomness and the luck of each call
// of os.hpp, so that one seed decides a whole run (tests/simulation). Without one, every question
// costs a relaxed load. Threads: who installs a machine is the only thread that asks it.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "spanring/base/os.hpp"

namespace spanring {

class Machine {
public:
    /// What is to become of a call.
    struct Luck {
        int errno_value{0};               ///< not 0: it fails with this, and does nothing
        std::size_t bytes_max{SIZE_MAX};  ///< a write: transfers no more
    };
    virtual ~Machine() = default;
    /// What is known of a call.
    struct Asked {
        os::Call call;
        const char* path{nullptr};  ///< of those that open, unlink or (the new one) rename
        const void* data{nullptr};  ///< of writes
        std::size_t bytes{0};
    };
    /// Asked before each call.
    virtual Luck before(const Asked& asked) noexcept = 0;
    /// Stands for getrandom.
    virtual void fill_random(void* out, std::size_t bytes) noexcept = 0;
    /// The pid that holds the record lock of this file (0: nobody). Nothing: ask the system.
    virtual std::optional<pid_t> lock_holder(int fd) noexcept = 0;

    virtual std::int64_t clock_ns(clockid_t clock) noexcept = 0;
    virtual std::uint64_t cpu_counter() noexcept = 0;
    virtual void sleep_ns(std::int64_t ns) noexcept = 0;
    /// Sleeps while the word is `expected`, `timeout_ns` at most.
    virtual void wait_while(std::uint32_t& word, std::uint32_t expected,
                            std::int64_t timeout_ns) noexcept = 0;
};

/// From now on this machine is asked; null: the real one.
void install(Machine* machine) noexcept;
/// Returns the one that is installed, or null.
[[nodiscard]] Machine* machine() noexcept;

}  // namespace spanring
