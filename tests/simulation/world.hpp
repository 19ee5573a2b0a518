// World: one seed's host. A ring directory, a database, processes that trace, a consumer that is
// started, killed, stopped and started again, and whoever reads meanwhile. Threads: one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "consumer.hpp"
#include "ledger.hpp"
#include "machine.hpp"
#include "process.hpp"

namespace spanring::simulation {

struct Outcome {
    std::uint64_t digest{0};
    std::uint64_t turns{0};
    std::uint64_t crashes{0};
    std::uint64_t power_losses{0};
    std::uint64_t faults{0};
    std::uint64_t spans{0};
    std::uint64_t lost{0};
    std::int64_t virtual_ns{0};
    std::vector<std::string> problems;
};

/// Runs the world of this seed to its end.
[[nodiscard]] Outcome simulate(std::uint64_t seed, bool verbose);

class World final : public Neighbour {
public:
    World(std::uint64_t seed, bool verbose);
    ~World() override;
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    [[nodiscard]] Outcome run();

    [[nodiscard]] std::int64_t acts_at_ns() const noexcept override;
    void act() noexcept override;

private:
    /// What a seed likes.
    struct Character {
        std::uint64_t turns{0};
        std::uint64_t crash_one_in{0};  ///< turns; 0: never
        bool stops{false};
        bool clocks_jump{false};
        bool mistakes{false};  ///< live processes are taken for dead
        Weather weather;
    };

    void choose_character();
    [[nodiscard]] consumer::Config make_config();
    void make_processes();

    void live();
    void something_happens();
    void start();
    void stop();
    void after_crash();
    void do_chores();
    void look();
    void come_to_an_end();
    [[nodiscard]] bool drained();

    void save_shared_memory();
    void restore_shared_memory();
    void keep_retired(const char* path);
    void problem(const std::string& what);
    void add_problems(const std::vector<std::string>& more);

    const std::uint64_t seed_;
    MadeUpMachine machine_;
    Chance chance_;
    Character character_;
    std::string root_;
    std::unique_ptr<shm::RingDirectory> directory_;
    shm::ControlPage control_page_;
    Mapping bell_;
    std::vector<std::unique_ptr<MadeUpProcess>> processes_;
    consumer::Config config_;
    std::unique_ptr<consumer::Log> log_;
    std::unique_ptr<consumer::Consumer> consumer_;
    Ledger ledger_;
    Excuses excuses_;
    std::vector<std::string> retired_;

    struct Saved {
        std::byte* to{nullptr};
        std::vector<std::byte> bytes;
    };
    std::vector<Saved> saved_;
    Outcome outcome_;
};

}  // namespace spanring::simulation
