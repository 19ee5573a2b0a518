#include "machine.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "spanring/base/crc32c.hpp"

namespace spanring::simulation {
namespace {

constexpr std::int64_t kLookNs = 25;        // at a clock
constexpr std::int64_t kCallNs = 2'000;     // of the system
constexpr std::uint64_t kCounterTimes = 5;  // 2.5 ticks a nanosecond
constexpr std::uint64_t kCounterDivided = 2;
constexpr std::int64_t kStepNs = 100;  // between two acts of neighbours
constexpr pid_t kSomebody = 4711;

const char* name_of(os::Call call) {
    static constexpr const char* kNames[] = {
        "any",    "open",   "mkdir",      "stat", "truncate", "allocate", "map",
        "advise", "read",   "write",      "sync", "rename",   "link",     "unlink",
        "lock",   "random", "membarrier", "list", "watch",    "process"};
    static_assert(sizeof kNames / sizeof *kNames == os::kCallKinds);
    return kNames[static_cast<int>(call)];
}

}  // namespace

MadeUpMachine::MadeUpMachine(std::uint64_t seed)
    : chance_(seed * 3 + 1),
      randomness_(seed * 3 + 2),
      mono_ns_(1'000'000'000'000 + static_cast<std::int64_t>(seed)),
      wall_offset_ns_(1'700'000'000'000'000'000),
      counter_offset_(seed << 20) {
    install(this);
}

MadeUpMachine::~MadeUpMachine() {
    install(nullptr);
}

void MadeUpMachine::digest(std::uint64_t word) noexcept {
    digest_ = (digest_ ^ word) * 0x9fb21c651e98df25U;
    digest_ ^= digest_ >> 29;
}

void MadeUpMachine::say(const std::string& line) const {
    if (!verbose_) return;
    std::fprintf(stderr, "%14.6f ms  %s\n", static_cast<double>(mono_ns_ - 1'000'000'000'000) / 1e6,
                 line.c_str());
}

// ---- time ----

void MadeUpMachine::advance(std::int64_t ns) noexcept {
    const std::int64_t end = mono_ns_ + ns;
    // Not within what a neighbour does himself, and not behind a crash, which the neighbours see.
    if (neighbour_ != nullptr && !neighbour_acts_ && !crashed_ && armed_) {
        neighbour_acts_ = true;
        while (neighbour_->acts_at_ns() <= end) {
            // Who is late acts late; no two things happen at one time.
            mono_ns_ = std::max(mono_ns_ + kStepNs, neighbour_->acts_at_ns());
            neighbour_->act();
        }
        neighbour_acts_ = false;
    }
    mono_ns_ = std::max(mono_ns_, end);
}

void MadeUpMachine::pass(std::int64_t ns) noexcept {
    const std::int64_t end = mono_ns_ + ns;
    while (neighbour_ != nullptr && !neighbour_acts_ && !crashed_ && armed_ && mono_ns_ < end) {
        const std::int64_t next = neighbour_->acts_at_ns();
        if (next >= end) break;
        advance(std::max<std::int64_t>(0, next - mono_ns_));
    }
    if (mono_ns_ < end) advance(end - mono_ns_);
}

std::int64_t MadeUpMachine::clock_ns(clockid_t clock) noexcept {
    mono_ns_ += kLookNs;
    switch (clock) {
        case CLOCK_REALTIME: return mono_ns_ + wall_offset_ns_;
        // A turn is work, a sleep is not: whatever it is, it is the same each time.
        case CLOCK_THREAD_CPUTIME_ID: return mono_ns_ / 4;
        default: return mono_ns_;
    }
}

std::uint64_t MadeUpMachine::counter_now() const noexcept {
    return static_cast<std::uint64_t>(mono_ns_) * kCounterTimes / kCounterDivided + counter_offset_;
}

std::uint64_t MadeUpMachine::cpu_counter() noexcept {
    return counter_now();
}

void MadeUpMachine::sleep_ns(std::int64_t ns) noexcept {
    digest(static_cast<std::uint64_t>(ns));
    pass(ns);
}

void MadeUpMachine::wait_while(std::uint32_t& word, std::uint32_t expected,
                               std::int64_t timeout_ns) noexcept {
    const std::int64_t end = mono_ns_ + timeout_ns;
    while (word == expected && mono_ns_ < end) {
        const bool alone = neighbour_ == nullptr || crashed_ || !armed_;
        const std::int64_t next = alone ? end : neighbour_->acts_at_ns();
        if (next >= end) {
            pass(end - mono_ns_);
        } else {
            advance(std::max<std::int64_t>(0, next - mono_ns_));
        }
    }
    digest(static_cast<std::uint64_t>(mono_ns_));
}

// ---- randomness, locks ----

void MadeUpMachine::fill_random(void* out, std::size_t bytes) noexcept {
    auto* at = static_cast<unsigned char*>(out);
    for (std::size_t i = 0; i < bytes; ++i) at[i] = static_cast<unsigned char>(randomness_.next());
}

std::optional<pid_t> MadeUpMachine::lock_holder(int fd) noexcept {
    struct stat info {};
    if (::fstat(fd, &info) != 0) return std::nullopt;
    const auto known = locks_.find(info.st_ino);
    if (known == locks_.end()) return std::nullopt;
    return known->second ? kSomebody : 0;
}

// ---- luck ----

Machine::Luck MadeUpMachine::before(const Asked& asked) noexcept {
    ++calls_;
    digest(static_cast<std::uint64_t>(asked.call));
    digest(static_cast<std::uint64_t>(mono_ns_));
    digest(asked.bytes);
    if (asked.data != nullptr) {
        digest(crc32c({static_cast<const std::byte*>(asked.data), asked.bytes}));
    }
    const Luck luck = luck_of(asked);
    digest(static_cast<std::uint64_t>(luck.errno_value) << 32 | (luck.bytes_max & 0xffffffff));
    if (luck.errno_value == 0 && asked.call == os::Call::kUnlink && on_unlink) {
        on_unlink(asked.path);
    }
    return luck;
}

Machine::Luck MadeUpMachine::fail(const Asked& asked, int errno_value) noexcept {
    ++faults_;
    say(std::string(name_of(asked.call)) + " " + (asked.path != nullptr ? asked.path : "") +
        " fails: " + std::strerror(errno_value));
    return {.errno_value = errno_value};
}

Machine::Luck MadeUpMachine::crash(const Asked& asked) noexcept {
    crashed_ = true;
    say(std::string("CRASH at ") + name_of(asked.call) + " " +
        (asked.path != nullptr ? asked.path : ""));
    if (on_crash) on_crash();
    // The call may have been done before, or in part; its caller never hears of it.
    if (asked.call == os::Call::kWrite && asked.bytes != 0 && chance_.one_in(2)) {
        return {.bytes_max = chance_.below(asked.bytes + 1)};
    }
    return {.errno_value = EIO};
}

Machine::Luck MadeUpMachine::luck_of(const Asked& asked) noexcept {
    if (crashed_) return {.errno_value = EIO};
    if (!armed_) return {};
    if (neighbour_acts_) {
        // A tmpfs that is full: a ring cannot grow.
        if (asked.call == os::Call::kAllocate && weather_.io_error != 0 && chance_.one_in(8)) {
            return fail(asked, ENOSPC);
        }
        return {};
    }
    if (crash_in_ != 0 && --crash_in_ == 0) return crash(asked);
    advance(kCallNs);
    const bool is_write = asked.call == os::Call::kWrite;
    const bool may_wait = is_write || asked.call == os::Call::kSync;
    if (may_wait && weather_.delay != 0 && chance_.one_in(weather_.delay)) {
        ++faults_;
        const std::int64_t ns = chance_.magnitude(100'000, 2'000'000'000);
        say(std::string(name_of(asked.call)) + " takes " + std::to_string(ns / 1000) + " us");
        pass(ns);
    }
    if (mono_ns_ < disk_full_until_ns_ && (is_write || asked.call == os::Call::kAllocate)) {
        if (is_write && asked.bytes > 1 && chance_.one_in(4)) {
            ++faults_;
            return {.bytes_max = chance_.below(asked.bytes)};
        }
        return fail(asked, ENOSPC);
    }
    if (is_write && weather_.short_write != 0 && asked.bytes > 1 &&
        chance_.one_in(weather_.short_write)) {
        ++faults_;
        const std::size_t part = 1 + chance_.below(asked.bytes - 1);
        say("write of " + std::to_string(asked.bytes) + " bytes puts " + std::to_string(part));
        return {.bytes_max = part};
    }
    if (weather_.io_error != 0 && chance_.one_in(weather_.io_error)) return fail(asked, EIO);
    return {};
}

}  // namespace spanring::simulation
