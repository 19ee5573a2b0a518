// Processors: which ones this process may use, and running on one of them alone.
// Threads: the calling thread, and what it starts afterwards.
#pragma once

#include <sched.h>

#include <vector>

namespace spanring::tools::bench {

/// Returns the numbers of the processors that the calling thread may run on.
[[nodiscard]] std::vector<int> usable_cores();
/// Confines the calling thread to one of them. Returns whether the kernel agreed.
bool run_on(int core) noexcept;

/// While it lives, the calling thread, and what is started meanwhile, runs on one core.
class OnCore {
public:
    explicit OnCore(int core) noexcept;
    ~OnCore();
    OnCore(const OnCore&) = delete;
    OnCore& operator=(const OnCore&) = delete;

private:
    cpu_set_t before_;
};

}  // namespace spanring::tools::bench
