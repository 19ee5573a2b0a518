// The search for the highest rate that holds, on machines that are arithmetic.
#include "rate_search.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace spanring::tools::bench {
namespace {

/// A consumer that is busy with each turn and each span, beside producers that make so much.
struct Machine {
    double ns_per_span{30};
    double turn_share{0.05};
    double producers_max{1e9};
    double others{0};  ///< share of the consumer's processor

    [[nodiscard]] Try carry(double asked) const {
        const double made = std::min(asked, producers_max);
        const double wanted = turn_share + made * ns_per_span / 1e9;
        const double room = 1 - others;
        const double lost = wanted > room ? 1 - room / wanted : 0;
        return {made, lost == 0, lost, std::min(wanted, room)};
    }
    [[nodiscard]] double limit() const {
        return std::min(producers_max, (1 - others - turn_share) * 1e9 / ns_per_span);
    }
};

/// Returns how many tries it took.
int search(RateSearch& search, const Machine& machine) {
    int tries = 0;
    for (; !search.over() && tries < 50; ++tries) search.tell(machine.carry(search.next()));
    return tries;
}

TEST(RateSearch, finds_the_limit_of_any_machine_in_few_tries) {
    for (const double ns : {5.0, 30.0, 110.0, 800.0, 5000.0}) {
        for (const double others : {0.0, 0.3, 0.6}) {
            const Machine machine{.ns_per_span = ns, .others = others};
            for (const double step : {0.03, 0.08}) {
                RateSearch found(step);
                EXPECT_LE(search(found, machine), step < 0.05 ? 10 : 8) << ns << " " << others;
                EXPECT_LE(found.found(), machine.limit());
                EXPECT_GE(found.found(), machine.limit() * (1 - step)) << ns << " " << others;
            }
        }
    }
}

TEST(RateSearch, ends_at_what_the_producers_can_make) {
    const Machine machine{.producers_max = 5e6};
    RateSearch found(0.03);
    EXPECT_LE(search(found, machine), 8);
    EXPECT_NEAR(found.found(), 5e6, 5e6 * (1 - kHeld) + 1);
}

TEST(RateSearch, gives_up_where_everything_is_lost) {
    RateSearch search(0.03);
    int tries = 0;
    for (; !search.over(); ++tries) search.tell({search.next(), false, 0.9, 0.1});
    EXPECT_EQ(search.found(), 0);
    EXPECT_LE(tries, 10);
}

}  // namespace
}  // namespace spanring::tools::bench
