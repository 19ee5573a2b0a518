#include "spanring/base/clock.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

#include "spanring/base/machine.hpp"

namespace spanring {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

std::atomic<Machine*> g_machine{nullptr};

timespec span_of(std::int64_t ns) noexcept {
    return {static_cast<time_t>(ns / kSecondNs), static_cast<long>(ns % kSecondNs)};
}

}  // namespace

void install(Machine* machine) noexcept {
    // relaxed, here and below: one thread, or none has been made yet.
    g_machine.store(machine, std::memory_order_relaxed);
}

Machine* machine() noexcept {
    // relaxed: see install().
    return g_machine.load(std::memory_order_relaxed);
}

std::int64_t clock_ns(clockid_t clock) noexcept {
    if (Machine* made_up = machine()) [[unlikely]] {
        return made_up->clock_ns(clock);
    }
    timespec now{};
    ::clock_gettime(clock, &now);
    return std::int64_t{now.tv_sec} * kSecondNs + now.tv_nsec;
}

std::uint64_t cpu_counter() noexcept {
    if (Machine* made_up = machine()) [[unlikely]] {
        return made_up->cpu_counter();
    }
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return static_cast<std::uint64_t>(clock_ns(CLOCK_MONOTONIC));
#endif
}

void sleep_ns(std::int64_t ns) noexcept {
    if (ns <= 0) return;
    if (Machine* made_up = machine()) [[unlikely]] {
        return made_up->sleep_ns(ns);
    }
    const timespec span = span_of(ns);
    ::clock_nanosleep(CLOCK_MONOTONIC, 0, &span, nullptr);
}

void wait_while(std::uint32_t& word, std::uint32_t expected, std::int64_t timeout_ns) noexcept {
    if (Machine* made_up = machine()) [[unlikely]] {
        return made_up->wait_while(word, expected, timeout_ns);
    }
    const timespec timeout = span_of(timeout_ns);
    // No FUTEX_PRIVATE_FLAG: both sides map the word's file.
    ::syscall(SYS_futex, &word, FUTEX_WAIT, expected, &timeout, nullptr, 0);
}

}  // namespace spanring
