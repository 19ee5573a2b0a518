// A small process that cleans up behind this one, however this one ends, also by SIGKILL.
// Threads: the main thread only.
#pragma once

#include <sys/types.h>

#include <string>

#include "spanring/base/result.hpp"

namespace spanring::tools::bench {

class Guardian {
public:
    /// If this process ends without the destructor, `consumer` is stopped, and killed if that takes
    /// longer than 20 s; then both folders are removed. `rings` stands on the consumer's command
    /// line: by that it is known, as a pid may have gone to another process. Errors: of pipe, fork.
    [[nodiscard]] static Result<Guardian> start(pid_t consumer, const std::string& rings,
                                                const std::string& home);
    Guardian(Guardian&& other) noexcept;
    Guardian& operator=(Guardian&&) = delete;
    /// All is cleaned up: it is sent home.
    ~Guardian();

private:
    Guardian(pid_t pid, int lifeline) : pid_(pid), lifeline_(lifeline) {}
    pid_t pid_;
    int lifeline_;  ///< it acts when this end of a pipe is closed and nothing was written
};

}  // namespace spanring::tools::bench
