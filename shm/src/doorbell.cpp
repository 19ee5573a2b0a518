#include "spanring/shm/doorbell.hpp"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "spanring/base/clock.hpp"
#include "spanring/base/os.hpp"

namespace spanring::shm {

// Shared futexes (no FUTEX_PRIVATE_FLAG): the word lies in a file that both sides map.

void FutexSystem::wake(std::uint32_t& word) noexcept {
    ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

void FutexSystem::wait(std::uint32_t& word, std::uint64_t timeout_ns) noexcept {
    // Returns at once if the word is 0 already. EINTR, ETIMEDOUT and a wake-up are all the same to
    // the caller: it looks for data.
    wait_while(word, 1, static_cast<std::int64_t>(timeout_ns));
}

void FutexSystem::barrier() noexcept {
    os::membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
}

bool register_membarrier() noexcept {
    return os::membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) == 0;
}

bool membarrier_available() noexcept {
    const int commands = os::membarrier(MEMBARRIER_CMD_QUERY);
    return commands > 0 && (commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED) != 0;
}

}  // namespace spanring::shm
