// What must be in the database at the end of a round, and what is: of every span whose constructor
// has returned, it is stored once or counted as lost; of every end that has returned, the span has
// its duration or the end is counted as lost. Nothing more is counted than what may be missing.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "ledger.hpp"
#include "spanring/store/database.hpp"

namespace spanring::soak {

struct Totals {
    std::uint64_t spans{0};  ///< whose constructor has returned
    std::uint64_t stored{0};
    std::uint64_t retired{0};    ///< of them, for want of room in their round
    std::uint64_t missing{0};    ///< not stored; equal to what is counted as lost
    std::uint64_t endless{0};    ///< stored without the end that has returned
    std::uint64_t under_way{0};  ///< in a call when their process died: either may be true
};

class Account {
public:
    explicit Account(const Ledger& ledger) : ledger_(ledger) {}

    /// Takes in a round: all that was traced since the last call, of processes that are quiet or
    /// dead now, is to be in the database, or, if it was retired in the round for want of room, in
    /// `held`. `since_ns`: realtime before the round. Returns what is wrong, a line each.
    [[nodiscard]] std::vector<std::string> settle(const std::string& database,
                                                  const std::string& held, std::int64_t since_ns);

    [[nodiscard]] const Totals& totals() const noexcept { return totals_; }

private:
    struct Seen {
        bool stored{false};
        bool ended{false};
    };
    struct Thread {
        std::uint64_t settled{0};  ///< numbers below it belong to rounds before
        std::vector<Seen> seen;    ///< of the round, from `settled` on
    };
    void visit(const std::string& database, std::int64_t since_ns, bool is_held);
    void take(const codec::Span& span, bool is_held);
    void settle_thread(std::uint64_t life, unsigned number);
    void compare_losses();
    void complain(const std::string& line);

    const Ledger& ledger_;
    std::unordered_map<std::uint64_t, Thread> threads_;  ///< by life * kThreads + thread
    std::map<InstanceId, store::InstanceLosses> losses_;
    std::uint64_t may_miss_spans_{0};  ///< of those under way
    std::uint64_t may_miss_ends_{0};
    std::map<std::uint32_t, std::uint64_t> missing_;  ///< spans, by pid
    Totals totals_;
    std::vector<std::string> problems_;
};

}  // namespace spanring::soak
