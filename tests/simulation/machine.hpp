// MadeUpMachine: the clocks, the randomness and the luck of a simulated host.
//
// Time stands still but for what is asked of it: each look at a clock and each call of the system
// takes some of it, sleeps take what they ask for. Whoever else lives on the host (Neighbour) acts
// when his time has come, between two calls of the consumer or while it sleeps. After a crash the
// consumer runs on until it is destroyed, as nothing can be thrown through it, but nothing it does
// reaches the disk, and nobody else acts. Threads: one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "chance.hpp"
#include "spanring/base/machine.hpp"

namespace spanring::simulation {

/// Who shares the host with the consumer.
class Neighbour {
public:
    virtual ~Neighbour() = default;
    [[nodiscard]] virtual std::int64_t acts_at_ns() const noexcept = 0;
    virtual void act() noexcept = 0;
};

/// How often (one call in so many; 0: never) something goes wrong.
struct Weather {
    std::uint64_t io_error{0};
    std::uint64_t short_write{0};
    std::uint64_t delay{0};
};

class MadeUpMachine final : public Machine {
public:
    explicit MadeUpMachine(std::uint64_t seed);
    ~MadeUpMachine() override;
    MadeUpMachine(const MadeUpMachine&) = delete;
    MadeUpMachine& operator=(const MadeUpMachine&) = delete;

    // ---- what the product asks ----
    Luck before(const Asked& asked) noexcept override;
    void fill_random(void* out, std::size_t bytes) noexcept override;
    std::optional<pid_t> lock_holder(int fd) noexcept override;
    std::int64_t clock_ns(clockid_t clock) noexcept override;
    std::uint64_t cpu_counter() noexcept override;
    void sleep_ns(std::int64_t ns) noexcept override;
    void wait_while(std::uint32_t& word, std::uint32_t expected,
                    std::int64_t timeout_ns) noexcept override;

    // ---- what the simulation decides ----
    void set_neighbour(Neighbour* neighbour) noexcept { neighbour_ = neighbour; }
    void set_weather(const Weather& weather) noexcept { weather_ = weather; }
    /// Every write and allocation fails so long.
    void fill_disk_for(std::int64_t ns) noexcept { disk_full_until_ns_ = mono_ns_ + ns; }
    /// The consumer is killed at its `calls`-th call from now on (1: the next).
    void crash_in(std::uint64_t calls) noexcept { crash_in_ = calls; }
    /// Called at the moment of a crash, and before a name goes.
    std::function<void()> on_crash;
    std::function<void(const char* path)> on_unlink;
    [[nodiscard]] bool crashed() const noexcept { return crashed_; }
    /// The next consumer may start.
    void forget_crash() noexcept {
        crashed_ = false;
        crash_in_ = 0;
    }
    /// Whether calls may go wrong now: not those of the simulation itself.
    void set_armed(bool armed) noexcept { armed_ = armed; }
    [[nodiscard]] bool armed() const noexcept { return armed_; }
    void calm_down() noexcept {
        weather_ = {};
        crash_in_ = 0;
        disk_full_until_ns_ = 0;
    }
    void step_wall_clock(std::int64_t ns) noexcept { wall_offset_ns_ += ns; }
    void jump_counter(std::int64_t ticks) noexcept {
        counter_offset_ += static_cast<std::uint64_t>(ticks);
    }
    void set_lock(std::uint64_t inode, bool held) { locks_[inode] = held; }

    /// Time without its taking any.
    [[nodiscard]] std::int64_t now_ns() const noexcept { return mono_ns_; }
    [[nodiscard]] std::int64_t wall_ns() const noexcept { return mono_ns_ + wall_offset_ns_; }
    [[nodiscard]] std::uint64_t counter_now() const noexcept;
    /// Lets so much pass; neighbours act.
    void pass(std::int64_t ns) noexcept;

    /// Of all that was asked and done so far: the same for the same run.
    [[nodiscard]] std::uint64_t digest() const noexcept { return digest_; }
    void digest(std::uint64_t word) noexcept;
    [[nodiscard]] std::uint64_t faults() const noexcept { return faults_; }
    [[nodiscard]] std::uint64_t calls() const noexcept { return calls_; }
    /// A line of the run, with its time, if somebody reads along (SPANRING_VERBOSE).
    void say(const std::string& line) const;
    void set_verbose(bool verbose) noexcept { verbose_ = verbose; }

private:
    [[nodiscard]] Luck luck_of(const Asked& asked) noexcept;
    [[nodiscard]] Luck crash(const Asked& asked) noexcept;
    void advance(std::int64_t ns) noexcept;
    [[nodiscard]] Luck fail(const Asked& asked, int errno_value) noexcept;

    Chance chance_;
    Chance randomness_;
    Neighbour* neighbour_{nullptr};
    bool neighbour_acts_{false};
    Weather weather_;
    std::int64_t mono_ns_;
    std::int64_t wall_offset_ns_;
    std::uint64_t counter_offset_;
    std::int64_t disk_full_until_ns_{0};
    std::uint64_t crash_in_{0};
    bool crashed_{false};
    bool armed_{false};
    bool verbose_{false};
    std::map<std::uint64_t, bool> locks_;
    std::uint64_t digest_{0};
    std::uint64_t faults_{0};
    std::uint64_t calls_{0};
};

}  // namespace spanring::simulation
