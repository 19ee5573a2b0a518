#include "spanring/shm/clock.hpp"

#include <fcntl.h>

#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "spanring/base/os.hpp"
#include "spanring/base/unique_fd.hpp"

namespace spanring::shm {
namespace {

bool cpu_counter_invariant() noexcept {
#if defined(__x86_64__)
    // CPUID 80000007h, EDX bit 8: the counter runs at a constant rate in all power states.
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
    if (__get_cpuid(0x80000007U, &eax, &ebx, &ecx, &edx) == 0) return false;
    return (edx & (1U << 8)) != 0;
#else
    return false;
#endif
}

}  // namespace

std::uint32_t clock_kind_for(const char* clocksource, bool invariant) noexcept {
    const bool kernel_trusts_tsc =
        std::strncmp(clocksource, "tsc", 3) == 0 && (clocksource[3] == '\n' || !clocksource[3]);
    return invariant && kernel_trusts_tsc ? SPANRING_CLOCK_TSC : SPANRING_CLOCK_MONOTONIC;
}

std::uint32_t clock_kind() noexcept {
    const UniqueFd fd(os::open_at(
        AT_FDCWD, "/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY));
    char name[32] = {};
    if (!fd.valid() || os::read(fd.get(), name, sizeof name - 1) <= 0) {
        return SPANRING_CLOCK_MONOTONIC;
    }
    return clock_kind_for(name, cpu_counter_invariant());
}

}  // namespace spanring::shm
