// Simulation: the whole consumer and store, with everything that the host may do to them, in one
// thread and on a clock that is made up; one seed decides it all, so that a run that went wrong can
// be had again and again.
//
//   MadeUpMachine   time, sleeps, randomness, the luck of each call of the system
//   (base/machine.hpp) MadeUpProcess   producers: real rings, written by the rules, and a ledger of
//   what was said World           starts, kills, stops and starts the consumer; fills the disk;
//   reads meanwhile Ledger          the oracle: emitted = stored + counted as lost, once, whole, in
//   the right place
//
// The consumer and the store are the product's own, with nothing replaced:
// WriterOptions::background lets the world do what their threads would do. A crash is a moment
// after which no call of theirs does anything; then they are destroyed and what they wrote into
// shared memory since is undone.
//
//   SPANRING_SEED=1234 build/dev/bin/simulation                       one seed, once more
//   SPANRING_SEED=1234 SPANRING_VERBOSE=1 build/dev/bin/simulation    and what happens in it
//   SPANRING_SIMULATION_SECONDS=600 build/dev/bin/simulation          seeds from the clock
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <vector>

#include "world.hpp"

namespace spanring::simulation {
namespace {

/// The same ones every day, and those of the day (UTC).
constexpr std::uint64_t kFixedSeeds = 700;
constexpr std::uint64_t kSeedsOfTheDay = 300;
/// One in so many is run twice.
constexpr std::uint64_t kRunAgainOneIn = 25;
constexpr std::size_t kFailuresMax = 5;

std::optional<std::uint64_t> number_in(const char* variable) {
    const char* text = std::getenv(variable);
    if (text == nullptr || *text == '\0') return std::nullopt;
    return std::strtoull(text, nullptr, 10);
}

class Totals {
public:
    /// Returns whether to go on.
    bool run(std::uint64_t seed) {
        const bool verbose = std::getenv("SPANRING_VERBOSE") != nullptr;
        const Outcome outcome = simulate(seed, verbose);
        add(outcome);
        std::vector<std::string> problems = outcome.problems;
        if (seed % kRunAgainOneIn == 0 && simulate(seed, false).digest != outcome.digest) {
            problems.push_back("the same seed does not make the same run");
        }
        if (problems.empty()) return true;
        std::string text;
        for (const auto& problem : problems) text += "\n  " + problem;
        ADD_FAILURE() << "seed " << seed << ":" << text << "\nonce more: SPANRING_SEED=" << seed
                      << " SPANRING_VERBOSE=1 build/dev/bin/simulation";
        return ++failed_ < kFailuresMax;
    }
    void print() const {
        std::printf(
            "simulation: %llu seeds, %llu turns, %llu crashes, %llu power losses, %llu faults, "
            "%llu spans (%llu lost and counted), %.2f virtual hours\n",
            number(seeds_), number(sum_.turns), number(sum_.crashes), number(sum_.power_losses),
            number(sum_.faults), number(sum_.spans), number(sum_.lost),
            static_cast<double>(sum_.virtual_ns) / 3.6e12);
    }

private:
    static unsigned long long number(std::uint64_t n) { return n; }
    void add(const Outcome& outcome) {
        ++seeds_;
        sum_.turns += outcome.turns;
        sum_.crashes += outcome.crashes;
        sum_.power_losses += outcome.power_losses;
        sum_.faults += outcome.faults;
        sum_.spans += outcome.spans;
        sum_.lost += outcome.lost;
        sum_.virtual_ns += outcome.virtual_ns;
    }

    std::uint64_t seeds_{0};
    std::size_t failed_{0};
    Outcome sum_;
};

std::uint64_t first_seed_of_the_day() {
    constexpr std::uint64_t kDay = 24 * 3600;
    return 1'000'000 + static_cast<std::uint64_t>(std::time(nullptr)) / kDay * 1000;
}

TEST(Simulation, what_is_emitted_is_stored_once_or_counted_as_lost) {
    Totals totals;
    if (const auto seed = number_in("SPANRING_SEED")) {
        (void)totals.run(*seed);
        return totals.print();
    }
    if (const auto most = number_in("SPANRING_SIMULATION_SECONDS")) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(*most);
        auto seed = static_cast<std::uint64_t>(std::time(nullptr)) * 1'000'000;
        std::printf("simulation: seeds from %llu on\n", static_cast<unsigned long long>(seed));
        while (std::chrono::steady_clock::now() < end && totals.run(seed)) ++seed;
        return totals.print();
    }
    const std::uint64_t today = first_seed_of_the_day();
    std::printf("simulation: seeds 1 to %llu, and %llu from %llu on\n",
                static_cast<unsigned long long>(kFixedSeeds),
                static_cast<unsigned long long>(kSeedsOfTheDay),
                static_cast<unsigned long long>(today));
    bool go_on = true;
    for (std::uint64_t seed = 1; seed <= kFixedSeeds && go_on; ++seed) go_on = totals.run(seed);
    for (std::uint64_t i = 0; i < kSeedsOfTheDay && go_on; ++i) go_on = totals.run(today + i);
    totals.print();
}

}  // namespace
}  // namespace spanring::simulation
